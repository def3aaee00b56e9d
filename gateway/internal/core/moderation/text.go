package moderation

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// code shows s in code style; text that holds a backtick would break out, so it stays plain.
func code(s string) string {
	if s = strings.TrimSpace(s); s == "" || strings.Contains(s, "`") {
		return s
	}
	return "`" + s + "`"
}

// cut shortens s to a number of runes, the last of which is an ellipsis where something was cut.
func cut(s string, maxRunes int) string {
	if utf8.RuneCountInString(s) <= maxRunes {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == maxRunes {
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s
}

// inert shows text of users or operators so that no markup in it does anything: one line, code style, no backtick.
func inert(s string) string {
	s = strings.ReplaceAll(strings.Join(visibleFields(s), " "), "`", "'")
	if s == "" {
		s = "-"
	}
	return "`" + s + "`"
}

// units16 counts as Discord does to be safe: in UTF-16 units.
func units16(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// stamp is a moment that every reader's Discord shows in their own time; style R is relative, f is date and time.
func stamp(t time.Time, style string) string { return fmt.Sprintf("<t:%d:%s>", t.Unix(), style) }

// span writes a length of time with at most two units: "3d 4h", "90s" is "1m 30s".
func span(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s <= 0 {
		return "0s"
	}
	parts := []struct {
		unit string
		n    int64
	}{{"d", s / 86400}, {"h", s / 3600 % 24}, {"m", s / 60 % 60}, {"s", s % 60}}
	for i, p := range parts {
		if p.n == 0 {
			continue
		}
		text := fmt.Sprintf("%d%s", p.n, p.unit)
		if i+1 < len(parts) && parts[i+1].n > 0 {
			text += fmt.Sprintf(" %d%s", parts[i+1].n, parts[i+1].unit)
		}
		return text
	}
	return "0s"
}

// count writes a number with its noun.
func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "ss"):
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// maxNames bounds a list of names in a sentence.
const maxNames = 8

// names lists processes or keys in a sentence.
func names(list []string) string {
	shown := make([]string, 0, maxNames)
	for _, n := range list[:min(len(list), maxNames)] {
		shown = append(shown, inert(cut(n, 40)))
	}
	text := strings.Join(shown, ", ")
	if more := len(list) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
