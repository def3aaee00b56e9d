package moderation

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxPostUnits16 is Discord's bound of a message's content (Discord, Create Message), in UTF-16 units to be safe.
const maxPostUnits16 = 2000

// piece is what a report shows whole or not at all: rows inside the code block, notes below it, where Discord draws
// timestamps.
type piece struct{ rows, notes []string }

// sheet writes a report that fits one message. Pieces that don't fit are left out from the end, and it says how many.
func sheet(head string, pieces []piece) string {
	if fits(head, pieces) {
		return write(head, pieces, 0)
	}
	room := maxPostUnits16 - units16(write(head, nil, len(pieces))) // with the line that says how many are left out
	shown := 0
	for _, p := range pieces {
		if room -= p.units(); room < 0 {
			break
		}
		shown++
	}
	return write(head, pieces[:shown], len(pieces)-shown)
}

// fits says whether a report fits one message whole.
func fits(head string, pieces []piece) bool { return units16(write(head, pieces, 0)) <= maxPostUnits16 }

// units is what a piece adds to a message, in UTF-16 units.
func (p piece) units() int {
	n := 0
	for _, lines := range [][]string{p.rows, p.notes} {
		for _, l := range lines {
			n += units16(l) + 1
		}
	}
	return n
}

func write(head string, pieces []piece, left int) string {
	var b, notes strings.Builder
	b.WriteString(head + "\n```\n")
	for _, p := range pieces {
		for _, r := range p.rows {
			b.WriteString(strings.ReplaceAll(strings.TrimRight(r, " "), "`", "'") + "\n")
		}
		for _, n := range p.notes {
			notes.WriteString("\n" + n)
		}
	}
	if left > 0 {
		fmt.Fprintf(&b, "… and %d more that would not fit here\n", left)
	}
	return b.String() + "```" + notes.String()
}

// align pads cells to columns two spaces apart; the columns whose index is in right are flush right.
func align(table [][]string, right ...int) []string {
	var widths []int
	for _, row := range table {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	flush := make(map[int]bool, len(right))
	for _, i := range right {
		flush[i] = true
	}
	lines := make([]string, len(table))
	for n, row := range table {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case flush[i]:
				b.WriteString(pad + cell)
			default:
				b.WriteString(cell + pad)
			}
			if i < len(row)-1 {
				b.WriteString("  ")
			}
		}
		lines[n] = b.String()
	}
	return lines
}
