package moderation

// near returns the command that a mistyped word is closest to, empty when none is close: one slip in a short name, two
// in a long one. $ignore is never the hint, since silence is what it asks for.
func near(word string) Name {
	w := []rune(word)
	best, bestDistance := Unknown, 3
	for _, e := range catalogue {
		if e.name == Ignore {
			continue
		}
		n := []rune(string(e.name))
		allowed := 1
		if len(n) > 5 && len(w) > 5 {
			allowed = 2
		}
		if len(w) < len(n)-allowed || len(w) > len(n)+allowed {
			continue // also bounds the table below
		}
		if d := distance(w, n); d <= allowed && d < bestDistance {
			best, bestDistance = e.name, d
		}
	}
	return best
}

// distance counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
