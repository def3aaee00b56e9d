package outbound

import (
	"sort"
	"strings"
)

// A surround is what is open at an offset of the text: what a part that ends there
// has to close and the next one has to open again.
type surround struct {
	fence *fenceBlock
	span  *codeSpan
	quote string // "> " in front of the line that the offset stands in
	big   bool   // behind a >>>
}

// fenceAt returns the fence in whose [start, end) i stands, nil if there is none.
func (s *splitter) fenceAt(i int) *fenceBlock {
	fs := s.code.fences
	n := sort.Search(len(fs), func(k int) bool { return fs[k].end > i })
	if n < len(fs) && fs[n].start <= i {
		return &fs[n]
	}
	return nil
}

// spanAt returns the inline code with start < i < end, nil if there is none.
func (s *splitter) spanAt(i int) *codeSpan {
	sp := s.code.spans
	n := sort.Search(len(sp), func(k int) bool { return sp[k].end > i })
	if n < len(sp) && sp[n].start < i {
		return &sp[n]
	}
	return nil
}

// contextAt is the surround of a part that begins at i.
func (s *splitter) contextAt(i int) surround {
	c := s.contextIn(i)
	if !s.reopen {
		return c
	}
	c.big = s.bigQuote >= 0 && i > s.bigQuote
	line := s.text[strings.LastIndexByte(s.text[:i], '\n')+1 : i]
	if c.fence == nil && !c.big && strings.HasPrefix(line, "> ") {
		c.quote = "> "
	}
	if c.fence != nil && line != "" && strings.HasPrefix(line, "> ") {
		c.quote = c.fence.quote
	}
	return c
}

// contextIn is the code that is open at i.
func (s *splitter) contextIn(i int) surround {
	var c surround
	if f := s.fenceAt(i); f != nil && i > f.body && i <= f.stop {
		c.fence = f
	} else if f == nil {
		if sp := s.spanAt(i); sp != nil && i >= sp.start+len(sp.ticks) {
			c.span = sp
		}
	}
	// At the very end of a fence without an end the fence is still open.
	if n := len(s.code.fences); c.fence == nil && n > 0 && i == len(s.text) {
		if f := &s.code.fences[n-1]; f.stop == len(s.text) {
			c.fence = f
		}
	}
	return c
}

func (c surround) opening() string {
	var b strings.Builder
	if c.big {
		b.WriteString(">>> ")
	}
	if c.fence != nil {
		b.WriteString(c.fence.quote + "```" + c.fence.lang + "\n")
	}
	b.WriteString(c.quote)
	if c.span != nil {
		b.WriteString(c.span.ticks)
	}
	return b.String()
}

// closing is what has to follow text, which ends in this surround.
func (c surround) closing(text string) string {
	switch {
	case c.fence != nil:
		return fenceClosing(text, c.fence.quote)
	case c.span != nil:
		return c.span.ticks
	}
	return ""
}

func fenceClosing(text, quote string) string {
	if strings.HasSuffix(text, "\n") {
		return quote + "```"
	}
	return "\n" + quote + "```"
}
