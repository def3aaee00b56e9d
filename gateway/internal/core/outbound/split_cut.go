package outbound

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A rank says how good a place for a cut is; less is better.
type rank int

const (
	atParagraph rank = iota // a blank line, the edge of a fence
	atLine
	atSentence
	atWord
	inCode    // a line or a word of code
	atCluster // between two grapheme clusters of a word
	anywhere
	ranks
)

// A cutPlace is a place where a part may end and the next begin, in bytes; used is what the
// part then needs, with what closes it, in UTF-16 units.
type cutPlace struct {
	to, next int
	used     int
}

// cut finds where the part that begins at pos ends. room is what the part may hold, left
// what the text still has (both in units), parts how many parts may still come, with
// this one.
func (s *splitter) cut(pos, room, left, parts int) cutPlace {
	if parts == 1 {
		room-- // the ellipsis
	}
	places := s.places(pos, room, parts == 1)
	// What may be given away for a better place: the room that the parts have too much.
	spare := (parts*room - left) / parts
	spare = min(max(spare, room/10), room*2/3)
	for r, share := range [...]int{atParagraph: 4, atLine: 3, atSentence: 2} {
		if p := places[r]; p.next > pos && p.used >= room-spare*share/4 {
			return p
		}
	}
	if p := places[inCode]; p.next > pos && p.used >= room-spare && p.next > places[atWord].next {
		return p
	}
	for r := atWord; r < ranks; r++ {
		if p := places[r]; p.next > pos && (p.used >= room/8 || r == anywhere) {
			return p
		}
	}
	return s.forced(pos, room)
}

// forced cuts where the room ends: in a run of marks that is longer than a part.
func (s *splitter) forced(pos, room int) cutPlace {
	at := pos
	for used := 0; at < len(s.text); {
		r, size := utf8.DecodeRuneInString(s.text[at:])
		if used += unitsOf(r); used > room && at > pos {
			break
		}
		at += size
	}
	return cutPlace{to: at, next: at}
}

// places walks from pos as far as a part may reach and returns the last place of each rank.
func (s *splitter) places(pos, room int, last bool) [ranks]cutPlace {
	w := walker{splitter: s, pos: pos, room: room, last: last, lineHead: pos}
	for i := range w.found {
		w.found[i] = cutPlace{to: pos, next: pos}
	}
	w.walk()
	return w.found
}

// walker goes over one part's text rune by rune.
type walker struct {
	*splitter
	pos, room int
	last      bool
	found     [ranks]cutPlace

	used     int  // units of text[pos:i]
	lineHead int  // start of the line, pos in the first one
	ended    bool // a sentence's end was seen, perhaps closing marks behind it
	cluster  clusterState
}

func (w *walker) walk() {
	prev := rune(-1)
	f, span := w.fenceAt(w.pos), w.spanAt(w.pos)
	for i := w.pos; i < len(w.text); {
		r, size := utf8.DecodeRuneInString(w.text[i:])
		if f == nil || i >= f.end {
			was := f
			f = w.fenceAt(i)
			if (f != nil || was != nil) && i > w.pos {
				w.fenceEdge(i)
			}
		}
		if span == nil || i >= span.end {
			span = w.spanAt(i)
		}
		if i > w.pos {
			w.before(i, prev, r, f, span)
		}
		w.note(prev, r)
		w.used += unitsOf(r)
		if w.used > w.room {
			return
		}
		if r == '\n' {
			w.lineHead = i + size
		}
		prev = r
		i += size
	}
	w.offer(anywhere, len(w.text), len(w.text), 0)
}

// fenceEdge offers the place in front of or behind a fence, if it stands on lines of its own.
func (w *walker) fenceEdge(i int) {
	head := strings.LastIndexByte(w.text[:i], '\n') + 1
	if head > w.pos && strings.Trim(w.text[head:i], " >") == "" && !w.leadsOn(head-1) {
		w.offerTrimmed(atParagraph, head-1, head, w.used-units(w.text[head:i]))
	}
}

// before judges the place in front of r, which stands at i.
func (w *walker) before(i int, prev, r rune, f *fenceBlock, span *codeSpan) {
	joined := w.cluster.joins(prev, r)
	switch {
	case f != nil && i > f.start:
		if i <= f.body || i >= f.stop {
			return // in the fence's own marks
		}
		extra := units(fenceClosing(w.text[:i], f.quote))
		if w.last {
			extra++
		}
		if r == '\n' && i+1 < f.stop {
			w.offer(inCode, i, i+1, extra)
			if f.end-f.start > w.room*2 || units(w.text[f.start:f.end]) > w.limit {
				w.offer(atLine, i, i+1, extra)
			}
		}
		if !joined {
			w.offer(atCluster, i, i, extra)
		}
		w.offer(anywhere, i, i, extra)
		return
	case span != nil && i > span.start:
		if i <= span.start+len(span.ticks) || i >= span.end-len(span.ticks) {
			return
		}
		if r == ' ' || r == '\n' {
			w.offer(inCode, i, i+1, len(span.ticks))
		}
		if !joined {
			w.offer(atCluster, i, i, len(span.ticks))
		}
		w.offer(anywhere, i, i, len(span.ticks))
		return
	}
	switch {
	case r == '\n':
		w.lineEnd(i)
	case unicode.IsSpace(r) && !unicode.IsSpace(prev) && r != 0xA0 && r != 0x202F:
		w.offer(atWord, i, i, 0)
		if w.ended && !w.lowerFollows(i) {
			w.offer(atSentence, i, i, 0)
		}
	case w.ended && wideEnd(prev) && !wideEnd(r) && !closer(r):
		w.offer(atSentence, i, i, 0)
	case wide(prev) && wide(r) && !joined && !noLineStart(r) && !noLineEnd(prev):
		w.offer(atWord, i, i, 0)
	}
	if !joined {
		w.offer(atCluster, i, i, 0)
	}
	w.offer(anywhere, i, i, 0)
}

// lineEnd judges the line break at i.
func (w *walker) lineEnd(i int) {
	rest := w.text[i+1:]
	switch {
	case w.leadsOn(i):
		w.offer(atWord, i, i+1, 0)
	case strings.HasPrefix(strings.TrimLeft(rest, " \t"), "\n"):
		w.offer(atParagraph, i, i+1, 0)
	case strings.HasPrefix(rest, "  ") || strings.HasPrefix(rest, "\t"):
		w.offer(atSentence, i, i+1, 0) // a nested item would lose its indentation at the head of a message
	default:
		w.offer(atLine, i, i+1, 0)
	}
}

// leadsOn says whether the line that ends at i must not be the last of a part: a heading, an
// announcement.
func (w *walker) leadsOn(i int) bool {
	line := strings.TrimRight(w.text[w.lineStart(i):i], " \n")
	return strings.HasSuffix(line, ":") || strings.HasPrefix(line, "#") && strings.HasPrefix(strings.TrimLeft(line, "#"), " ")
}

func (w *walker) lineStart(i int) int {
	return max(w.pos, strings.LastIndexByte(w.text[w.pos:i], '\n')+1+w.pos)
}

func (w *walker) lowerFollows(i int) bool {
	for _, r := range w.text[i:] {
		if unicode.IsSpace(r) {
			continue
		}
		return unicode.IsLower(r)
	}
	return false
}

// offer notes a place whose part needs extra units to be closed.
func (w *walker) offer(r rank, to, next, extra int) {
	if w.used+extra <= w.room {
		w.found[r] = cutPlace{to: to, next: next, used: w.used + extra}
	}
}

func (w *walker) offerTrimmed(r rank, to, next, used int) {
	if used <= w.room {
		w.found[r] = cutPlace{to: to, next: next, used: used}
	}
}

// note keeps the state that the next place is judged by.
func (w *walker) note(prev, r rune) {
	w.cluster.add(prev, r)
	switch {
	case ends(r):
		w.ended = true
	case !closer(r):
		w.ended = false
	}
}
