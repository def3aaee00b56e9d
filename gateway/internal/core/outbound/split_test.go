package outbound

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSplitShort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"empty", "", []string{}},
		{"blank", " \n\u200b\u3164 ", []string{}},
		{"short", "hello", []string{"hello"}},
		{"trimmed", "\n hello \n", []string{"hello"}},
		{"open fence is closed", "```go\nx := 1", []string{"```go\nx := 1\n```"}},
		{"three backticks alone", "a ```", []string{"a ```"}},
		{"invalid", "a\xffb", []string{"a\uFFFDb"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Split(tt.in, PartUnits, MaxParts)
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSplitPlaces(t *testing.T) {
	t.Parallel()
	word := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"paragraph", word(90) + "\n\n" + word(50) + "\n" + word(50), []string{word(90), word(50) + "\n" + word(50)}},
		{"line", word(80) + "\n" + word(80) + "\n" + word(30), []string{word(80), word(80) + "\n" + word(30)}},
		{"sentence", word(50) + " " + word(49) + ". " + word(50), []string{word(50) + " " + word(49) + ".", word(50)}},
		{"sentence in quotes", word(50) + " " + word(48) + ".” " + word(50), []string{word(50) + " " + word(48) + ".”", word(50)}},
		{"no sentence before a small letter", word(90) + " e.g. " + word(15) + " " + word(40), []string{word(90) + " e.g. " + word(15), word(40)}},
		{"word", word(60) + " " + word(50) + " " + word(20), []string{word(60) + " " + word(50), word(20)}},
		{"long word", word(250), []string{word(120), word(120), word(10)}},
		{"heading goes with its text", word(80) + "\n\n# Title\n\n" + word(60), []string{word(80), "# Title\n\n" + word(60)}},
		{"announcement goes with its list", word(70) + "\n\nThese:\n- " + word(40) + "\n- b", []string{word(70), "These:\n- " + word(40) + "\n- b"}},
		{"fence stays whole", word(70) + "\n```go\n" + word(60) + "\n```\n" + word(20), []string{word(70), "```go\n" + word(60) + "\n```\n" + word(20)}},
		{"fence cut at a line", "```go\n" + word(60) + "\n" + word(60) + "\n```", []string{"```go\n" + word(60) + "\n```", "```go\n" + word(60) + "\n```"}},
		{"indentation stays in a fence", "```py\n" + word(60) + "\n    " + word(60) + "\n```", []string{"```py\n" + word(60) + "\n```", "```py\n    " + word(60) + "\n```"}},
		{"inline code", word(60) + " `" + word(90) + "`", []string{word(60), "`" + word(90) + "`"}},
		{"long inline code", "`" + word(60) + " " + word(100) + "`", []string{"`" + word(60) + "`", "`" + word(100) + "`"}},
		{"quote", "> " + word(60) + " " + word(80), []string{"> " + word(60), "> " + word(80)}},
		{"quote to the end", ">>> " + word(60) + "\n" + word(80), []string{">>> " + word(60), ">>> " + word(80)}},
		{"quoted fence", "> ```go\n> " + word(60) + "\n> " + word(60) + "\n> ```", []string{"> ```go\n> " + word(60) + "\n> ```", "> ```go\n> " + word(60) + "\n> ```"}},
		{"fence with a blank head", word(60) + ":\n```c++\n" + strings.Repeat("\n", 70) + word(60) + "\n```", []string{word(60) + ":", "```c++\n" + word(60) + "\n```"}},
		{"fence with a blank head, alone", "```go\n" + strings.Repeat("\n", 300) + "x\n```", []string{"```go\nx\n```"}},
		{"quoted fence with a blank head", word(60) + "\n> ```go\n" + strings.Repeat("\n", 70) + word(60) + "\n> ```", []string{word(60), "> ```go\n" + word(60) + "\n> ```"}},
		{"Chinese", strings.Repeat("中", 100) + "。" + strings.Repeat("文", 30), []string{strings.Repeat("中", 100) + "。", strings.Repeat("文", 30)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Split(tt.in, 120, 5)
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
				t.Errorf("got\n%q, want\n%q", got, tt.want)
			}
			checkSplit(t, tt.in, 120, 5)
		})
	}
}

func TestSplitClusters(t *testing.T) {
	t.Parallel()
	for _, cluster := range []string{"e\u0301", "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "क्षि", "\u1112\u1161\u11ab", "נִּ", "1️⃣", "กำ", "𝓱"} {
		parts := Split(strings.Repeat(cluster, 1500), PartUnits, MaxParts)
		for i, p := range parts {
			p = strings.TrimSuffix(p, "…")
			if strings.ReplaceAll(p, cluster, "") != "" {
				t.Errorf("%q: part %d ends in %q", cluster, i, p[max(0, len(p)-24):])
			}
		}
	}
}

func TestSplitEnd(t *testing.T) {
	t.Parallel()
	exact := strings.Repeat("a", 2000*5)
	if got := Split(exact, PartUnits, MaxParts); len(got) != 5 || strings.HasSuffix(got[4], "…") {
		t.Errorf("10,000 units: %d parts, the last ends %q", len(got), got[len(got)-1][1990:])
	}
	got := Split(exact+"b", PartUnits, MaxParts)
	if len(got) != 5 || !strings.HasSuffix(got[4], "…") || units(got[4]) > 2000 {
		t.Errorf("10,001 units: %d parts, the last ends %q", len(got), got[len(got)-1][1990:])
	}
	got = Split("```go\n"+strings.Repeat("x := 1\n", 2000)+"```", PartUnits, MaxParts)
	if len(got) != 5 || !strings.HasSuffix(got[4], "\n```\n…") {
		t.Errorf("code that is cut: %d parts, the last ends %q", len(got), got[len(got)-1][1980:])
	}
	prose := strings.Repeat("The salamander sat in the fire and was not burnt at all.\n\n", 160)
	if got := Split(prose, PartUnits, MaxParts); strings.HasSuffix(got[len(got)-1], "…") {
		t.Errorf("%d units of prose were cut", units(prose))
	}
}

// checkSplit holds the promises of Split against one text.
func checkSplit(t *testing.T, text string, limit, maxParts int) {
	t.Helper()
	text = strings.ToValidUTF8(text, "\uFFFD")
	s := newSplitter(text, limit, maxParts)
	pieces := s.pieces()
	parts := Split(text, limit, maxParts)
	if len(parts) > maxParts || len(parts) != len(pieces) {
		t.Fatalf("%d parts of %d", len(parts), maxParts)
	}
	at := 0
	for i, p := range parts {
		if n := units(p); n > limit {
			t.Fatalf("part %d has %d units: %q", i, n, p)
		}
		if !utf8.ValidString(p) {
			t.Fatalf("part %d is invalid: %q", i, p)
		}
		if strings.TrimFunc(p, blank) == "" {
			t.Fatalf("part %d is blank: %q of %d in %q", i, p, limit, text)
		}
		if p := pieces[i]; p.from < at || p.to <= p.from {
			t.Fatalf("part %d takes [%d, %d) behind %d", i, p.from, p.to, at)
		}
		// A fence that begins with this part has its opening, and what quotes it, in front of the part.
		if lost := strings.Trim(s.lostBetween(at, pieces[i].from), ">"); lost != "" && lost != strings.Trim(lostText(pieces[i].before), ">") {
			t.Fatalf("lost before part %d: %q of %d in %q", i, lost, limit, text)
		}
		// A fence that the text opens at its very end stays as it is.
		bare := strings.Contains(p, "```") && i == len(parts)-1 && s.tailClosing() == "" && strings.HasSuffix(strings.TrimRightFunc(text, blank), p[strings.LastIndex(p, "```"):])
		if s.reopen && onlyFences(text) && strings.Count(p, "```")%2 == 1 && !bare {
			t.Fatalf("part %d leaves a fence open: %q", i, p)
		}
		at = pieces[i].to
	}
	lost := s.lostBetween(at, len(text))
	if len(parts) > 0 {
		marked := strings.HasSuffix(pieces[len(pieces)-1].after, ellipsis)
		if lost != "" && !marked || marked && strings.TrimFunc(text[at:], blank) == "" {
			t.Fatalf("lost %q, marked %v", text[at:], marked)
		}
		if lost != "" && len(parts) != maxParts {
			t.Fatalf("lost %q in %d parts", lost, len(parts))
		}
	} else if lost != "" && limit >= 3 && maxParts > 0 {
		t.Fatalf("lost all of %q", lost)
	}
}

// onlyFences says that the backticks of s come in threes and alone on their lines, so that one can count them.
func onlyFences(s string) bool {
	for line := range strings.Lines(s) {
		if strings.Contains(line, "`") && (!strings.HasPrefix(line, "```") || strings.Contains(line[3:], "`")) {
			return false
		}
	}
	return true
}

// lostText is what a person would miss of what stands between two parts: all but blanks and the marks of code.
func lostText(s string) string {
	return strings.Map(func(r rune) rune {
		if blank(r) || r == '`' {
			return -1
		}
		return r
	}, s)
}

// lostBetween is what a person would miss of text[from:to]; nobody misses a code block with nothing in it.
func (s *splitter) lostBetween(from, to int) string {
	var b strings.Builder
	for _, f := range s.code.fences {
		if f.start >= from && f.end <= to && strings.TrimFunc(s.text[f.body:f.stop], blank) == "" {
			b.WriteString(s.text[from:f.start])
			from = f.end
		}
	}
	return lostText(b.String() + s.text[from:to])
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		"hello world", strings.Repeat("word ", 80), "```go\n" + strings.Repeat("x := 1\n", 50) + "```\nend",
		"> " + strings.Repeat("quoted ", 50), ">>> " + strings.Repeat("quoted\n", 50), "`" + strings.Repeat("code ", 50) + "`",
		strings.Repeat("👩‍👩‍👧‍👦", 40), strings.Repeat("中文。", 80), strings.Repeat("e\u0301", 200), "# a\n\n- b\n  - c\n" + strings.Repeat("d", 300),
		"> ```py\n> " + strings.Repeat("a b\n> ", 60) + "```", strings.Repeat("``` ", 100), strings.Repeat(" ", 300) + "a",
	} {
		f.Add(s, uint16(120), uint8(5))
		f.Add(strings.Repeat(s, 20), uint16(2000), uint8(5))
	}
	f.Fuzz(func(t *testing.T, text string, limit uint16, maxParts uint8) {
		checkSplit(t, text, int(limit), int(maxParts%8))
	})
}
