package outbound

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Discord's bounds of one answer.
const (
	PartUnits = 2000 // UTF-16 code units in one message
	MaxParts  = 5    // messages for one answer
)

// Split cuts text into at most maxParts messages of at most limit UTF-16 code units
// each (Discord: PartUnits, MaxParts). It cuts at a paragraph where it can, else at a
// line, a sentence, a word; only a word longer than a message is cut inside, then
// between two grapheme clusters.
//
// Fences, inline code and quotes that are cut are closed and opened again, fences with
// their language; a fence that fits into one message moves there whole if there is room
// for that. What does not fit into maxParts is left out, and only then does the last
// part end with an ellipsis that Split wrote. White space at cuts goes, apart from the
// indentation of code.
//
// No part is blank by what Discord takes for blank; text without anything to
// see gives no part at all. Split needs linear time. Invalid UTF-8 is replaced by U+FFFD.
func Split(text string, limit, maxParts int) []string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	pieces := newSplitter(text, limit, maxParts).pieces()
	parts := make([]string, len(pieces))
	for i, p := range pieces {
		parts[i] = p.before + text[p.from:p.to] + p.after
	}
	return parts
}

// A piece is one part: bytes [from, to) of the text and what is set around them.
type piece struct {
	before   string
	from, to int
	after    string
}

const ellipsis = "…"

// splitter walks over a text. Room for the ends that it sets is kept free, so no part
// has to be cut a second time.
type splitter struct {
	text     string
	limit    int // UTF-16 units of a part
	maxParts int
	code     codeMap
	bigQuote int // offset of the first >>>, which quotes everything behind it; -1
	reopen   bool
}

// minReopenUnits is the smallest part in which there is room to close and reopen.
const minReopenUnits = 120

func newSplitter(text string, limit, maxParts int) *splitter {
	s := &splitter{text: text, limit: limit, maxParts: maxParts, bigQuote: -1, reopen: limit >= minReopenUnits}
	if s.reopen {
		s.code = mapCode(text)
		s.bigQuote = s.findBigQuote()
	}
	return s
}

func (s *splitter) findBigQuote() int {
	for from := 0; ; {
		i := strings.Index(s.text[from:], ">>> ")
		if i < 0 {
			return -1
		}
		i += from
		if (i == 0 || s.text[i-1] == '\n') && s.fenceAt(i) == nil {
			return i
		}
		from = i + 4
	}
}

// pieces cuts the whole text.
func (s *splitter) pieces() []piece {
	if s.limit < 3 { // a part must hold one surrogate pair and the ellipsis
		return nil
	}
	var out []piece
	pos := s.skip(0)
	left := units(s.text[pos:])
	for pos < len(s.text) && len(out) < s.maxParts {
		ctx := s.contextAt(pos)
		before := ctx.opening()
		tail := s.tailClosing()
		room := s.limit - units(before)
		if left+units(tail) <= room {
			to := len(strings.TrimRightFunc(s.text, blank))
			return append(out, piece{before, pos, max(to, pos), tail})
		}
		last := len(out) == s.maxParts-1
		c := s.cut(pos, room, left, s.maxParts-len(out))
		next := s.skip(c.next)
		to := s.end(c.to)
		if to <= pos { // blank lines at the head of a fence filled the part
			left -= units(s.text[pos:next])
			pos = next
			continue
		}
		p := piece{before, pos, to, s.contextIn(to).closing(s.text[:to])}
		if last && next < len(s.text) {
			if strings.HasSuffix(p.after, "```") {
				p.after += "\n"
			}
			p.after += ellipsis
		}
		out = append(out, p)
		left -= units(s.text[pos:next])
		pos = next
	}
	return out
}

// end is where a part that is cut at offset i ends: behind the last that can be seen. A fence of which nothing but its
// opening would stand there is left to the next part.
func (s *splitter) end(i int) int {
	to := len(strings.TrimRightFunc(s.text[:i], blank))
	if f := s.fenceAt(max(to-1, 0)); f != nil && to > f.start && to <= f.body {
		to = len(strings.TrimRightFunc(s.text[:f.start-len(f.quote)], blank))
	}
	return to
}

// tailClosing is what the last part needs behind the text's end: the closing of
// a fence that the text left open.
func (s *splitter) tailClosing() string {
	if n := len(s.code.fences); n > 0 {
		if f := s.code.fences[n-1]; f.stop == f.end && strings.TrimFunc(s.text[f.body:], blank) != "" {
			return fenceClosing(strings.TrimRightFunc(s.text, blank), f.quote)
		}
	}
	return ""
}

// skip moves from offset i over what must not start a part: blank runes, and the rests of code whose
// text is used up. Inside a fence the indentation stays.
func (s *splitter) skip(i int) int {
	for i < len(s.text) {
		if f := s.fenceAt(i); f != nil && i >= f.body {
			j := i
			for j < f.stop {
				r, size := utf8.DecodeRuneInString(s.text[j:])
				if !blank(r) {
					if j-i > s.limit/4 { // no indentation any more
						return j
					}
					return i
				}
				j += size
				if r == '\n' {
					i = j
				}
			}
			i = f.end
			continue
		}
		if sp := s.spanAt(i); sp != nil && i >= sp.end-len(sp.ticks) {
			i = sp.end
			continue
		}
		r, size := utf8.DecodeRuneInString(s.text[i:])
		if !blank(r) {
			return i
		}
		i += size
	}
	return i
}

// blank says whether Discord (and the eye) sees nothing of r. A message of such runes
// alone is refused as empty.
func blank(r rune) bool {
	if r < 0x80 {
		return r <= ' ' || r == 0x7f
	}
	switch r {
	case 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0:
		return true
	}
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r)
}
