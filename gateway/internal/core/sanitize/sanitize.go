// Package sanitize is the step between "this message is for us" and "publish it": what a
// user typed becomes what a model should read.
//
// Text removes emoji of every kind, GIF and sticker links, invisible and control
// characters and zalgo; it turns Discord's markup into words and fancy letters into plain
// ones; it makes white space even. It promises (docs/text.md says how, the fuzz test holds it):
// the result is valid UTF-8, at most twice as long as the input in bytes, the
// same when it is sanitized again, and found in linear time, whatever the bytes are.
// The letters, marks and joiners that any script is spelled with stay as they are.
//
// It does not judge what is said, does not look names up, and does not cut: the
// length of a question is inbound's matter.
package sanitize

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// A User is a name for an id, as the event that brought the message knows it.
type User struct {
	ID   string // snowflake in decimal digits
	Name string // what to show; it is sanitized, too
}

// Names says who stands behind the ids in a message. The zero value knows nobody.
type Names struct {
	BotID string // the bot's own user id; its mention is removed
	Users []User // those whom the message mentions; the first with an id counts
}

// Text returns in as a model should read it, "" when nothing is left. Text that needs no
// change is returned as it is, without an allocation; any other costs one.
func Text(in string, names Names) string {
	out, _ := Report(in, names)
	return out
}

// Report is Text, and says what was taken out.
func Report(in string, names Names) (string, Removed) {
	m := machine{in: in, tailSpace: true}
	i := m.pass(0)
	if i == len(in) && !m.tailSpace {
		return in, Removed{}
	}
	room := rooms.Get().(*workroom)
	m.out, m.open = append(room.out[:0], in[:i]...), room.open[:0]
	m.names = names
	m.run(i)
	m.end()
	out := in
	if string(m.out) != in {
		out = string(m.out)
	}
	if cap(m.out) <= maxKeptBytes && cap(m.open) <= maxKeptBytes/64 {
		room.out, room.open = m.out, m.open
		rooms.Put(room)
	}
	return out, m.removed
}

// A workroom is what a machine writes into; calls leave theirs to later ones. Discord's messages fit into a new one.
type workroom struct {
	out  []byte
	open []bracket
}

var rooms = sync.Pool{New: func() any { return &workroom{out: make([]byte, 0, 8<<10)} }}

const maxKeptBytes = 64 << 10

// machine copies in to out, rune by rune, under one law: what is done with the next
// rune depends on the end of out (and on removed things that out shows no more), never
// on what comes later in in. Markup, links, keycaps are found by looking back over out when their
// last rune comes. So whatever a removal brings together is found, and every prefix of out
// is a text that would pass unchanged: that is why Text is idempotent. A flag
// that out does not show (afterEmoji, fancy, pending) may only drop or rewrite more. The one thing that in decides
// later is whether a ``` opens a block; plain says why that does no harm.
type machine struct {
	in    string
	out   []byte
	names Names
	used  int // bytes of in that were read

	tailSpace bool // out is empty or ends in white space (outside of code blocks)
	marks     int  // nonspacing marks behind the last base of out
	allMarks  int  // all marks there
	ticks     int  // backticks at the end of out that have not opened or closed anything
	code      bool // out ends inside a ``` block
	edge      int  // length of out at the last ``` that opened or closed one
	unclosed  bool // a ``` stands in out behind which none is a block's
	link      link // the link that out ends in

	// open are the < of out behind which no > and no ``` stands: markup may begin there.
	open []bracket

	pending    rune // a joiner that stays only if the next rune wants it; 0 if none
	afterEmoji bool // an emoji was removed just now: what clings to it goes too
	afterZWJ   bool // … and a joiner behind it
	halfFlag   bool // … and it was the first half of a flag
	fancy      bool // the last rune was a fancy letter that became a plain one
	carriage   bool // the last byte was a carriage return
	swallow    rune // the last mark around a removed link, if it comes next; 0 if none

	removed Removed
	reopen  int     // what used was at the last ``` that opened or closed a block
	before  Removed // … and removed
}

// run reads in from byte i to its end.
func (m *machine) run(i int) {
	m.read(i)
	if m.code {
		m.read(m.plain())
	}
}

func (m *machine) read(i int) {
	for i < len(m.in) {
		if m.plainState() {
			if j := m.pass(i); j > i {
				m.out = append(m.out, m.in[i:j]...)
				m.ticks, m.carriage = 0, false
				i = j
				continue
			}
		}
		r, size := rune(m.in[i]), 1
		if r >= utf8.RuneSelf {
			r, size = decode(m.in[i:])
			if r == utf8.RuneError && size == 1 {
				m.removed.Invalid++
				i++
				continue
			}
		}
		i += size
		m.used = i
		m.rune(r)
		if m.marks >= maxMarks {
			i = m.skipMarks(i)
		}
	}
}

// plainState says that no rune just read waits for the next one.
func (m *machine) plainState() bool {
	return m.pending == 0 && !m.afterEmoji && !m.fancy && m.swallow == 0 && !m.carriage
}

// text feeds a replacement through the same rules as what was typed.
func (m *machine) text(s string) {
	for _, r := range s {
		m.rune(r)
	}
}

// rune does what the class of r asks for.
func (m *machine) rune(r rune) {
	if m.swallow != 0 {
		swallow := m.swallow
		m.swallow = 0
		if r == swallow {
			return
		}
	}
	if r < utf8.RuneSelf {
		m.ascii(byte(r))
		return
	}
	switch c := classOf(r); c {
	case classPlain, classSign:
		m.emit(r)
	case classMark, classTallMark, classSpacingMark:
		m.mark(r, c)
	case classEmoji:
		m.emoji(r)
	case classFold:
		m.fold(r)
	case classLetterlike:
		if m.fancy {
			m.fold(r)
			return
		}
		m.emit(r)
	case classSpace:
		m.space(r)
	case classBreak:
		m.lineBreak(r)
	case classJoiner:
		m.joiner(r)
	case classEmojiSelector:
		m.emojiSelector()
	case classKeycap:
		m.keycap()
	default: // classDrop
		m.removed.Invisible++
	}
}

// emit appends a rune that is no mark.
func (m *machine) emit(r rune) {
	if m.pending != 0 {
		m.resolve(r)
	}
	m.out = utf8.AppendRune(m.out, r)
	m.tailSpace, m.marks, m.allMarks, m.ticks = false, 0, 0, 0
	m.afterEmoji, m.afterZWJ, m.carriage, m.fancy = false, false, false, false
}

// end finishes out: the last link is judged, the end is trimmed.
func (m *machine) end() {
	if m.pending != 0 {
		m.pending = 0
		m.removed.Invisible++
	}
	m.endLink(0)
	m.swallow = 0
	for len(m.out) > 0 {
		r, size := utf8.DecodeLastRune(m.out)
		if !unicode.IsSpace(r) {
			return
		}
		m.out = m.out[:len(m.out)-size]
	}
}
