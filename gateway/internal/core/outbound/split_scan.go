package outbound

import (
	"strings"
	"unicode/utf8"
)

// A fenceBlock is one ``` block of a text. Offsets are bytes.
type fenceBlock struct {
	start int    // where its opening line begins (behind what quotes it)
	body  int    // first byte of its text
	stop  int    // where its text ends: the closing fence, or the end of the text
	end   int    // behind its closing fence
	lang  string // its language, "" if it names none
	quote string // "> " in front of the opening fence, "" if it is not quoted
}

// A codeSpan is inline code with its backticks, in bytes.
type codeSpan struct {
	start, end int
	ticks      string
}

// A codeMap knows where the code of a text is: fences by Discord's reading (a run of
// three backticks anywhere opens one, the next such run closes it; with no closing it runs
// to the end, for that is how an answer looks whose tokens ran out), and inline code that
// closes within its paragraph. Both lists are sorted.
type codeMap struct {
	fences []fenceBlock
	spans  []codeSpan
}

func mapCode(s string) codeMap {
	var m codeMap
	var none [3]int // no run of this many backticks before this offset
	for i := 0; i < len(s); {
		j := strings.IndexByte(s[i:], '`')
		if j < 0 {
			break
		}
		i += j
		n := run(s[i:])
		if n >= 3 {
			f := fence(s, i)
			m.fences = append(m.fences, f)
			i = f.end
			continue
		}
		if i < none[n] {
			i += n
			continue
		}
		end, limit := closing(s, i+n, n)
		if end < 0 {
			none[n] = limit
			i += n
			continue
		}
		m.spans = append(m.spans, codeSpan{start: i, end: end, ticks: s[i : i+n]})
		i = end
	}
	return m
}

// run counts the backticks at the start of s.
func run(s string) int {
	n := 0
	for n < len(s) && s[n] == '`' {
		n++
	}
	return n
}

func fence(s string, at int) fenceBlock {
	f := fenceBlock{start: at, body: at + 3}
	lineStart := strings.LastIndexByte(s[:at], '\n') + 1
	if before := s[lineStart:at]; strings.HasPrefix(before, "> ") && len(before) <= maxQuoteBytes && strings.Trim(before, "> ") == "" {
		f.quote = before
	}
	// ```lang and a line break: anything else behind the fence is text already.
	i := f.body
	for i < len(s) && langByte(s[i]) && i-f.body < maxLangBytes {
		i++
	}
	if i < len(s) && s[i] == '\n' {
		f.lang, f.body = s[f.body:i], i+1
	}
	if j := strings.Index(s[f.body:], "```"); j >= 0 {
		f.stop = f.body + j
		f.end = f.stop + run(s[f.stop:])
	} else {
		f.stop, f.end = len(s), len(s)
	}
	return f
}

const (
	maxLangBytes  = 32
	maxQuoteBytes = 8
)

func langByte(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return b == '_' || b == '+' || b == '-' || b == '.' || b == '#'
}

// closing finds the run of exactly n backticks that closes inline code. It returns the
// offset behind it, or -1 and the offset up to which there is none.
func closing(s string, from, n int) (end, limit int) {
	for i := from; i < len(s); {
		switch s[i] {
		case '`':
			k := run(s[i:])
			if k == n && i > from {
				return i + k, 0
			}
			if k >= 3 {
				return -1, i
			}
			i += k
		case '\n':
			if i+1 < len(s) && s[i+1] == '\n' {
				return -1, i
			}
			i++
		default:
			i++
		}
	}
	return -1, len(s)
}

// units counts s as Discord counts a message: in UTF-16 code units.
func units(s string) int {
	n := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf {
			n++
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		n += unitsOf(r)
		i += size
	}
	return n
}

func unitsOf(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}
