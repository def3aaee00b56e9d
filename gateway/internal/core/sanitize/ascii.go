package sanitize

import (
	"unicode"
	"unicode/utf8"
)

// narrowSpace binds suffixes to Mongolian words; elsewhere it is a space like others.
const narrowSpace = 0x202F

// What an ASCII byte asks for, outside of code blocks.
const (
	bytePlain = iota
	byteSpace
	byteStop // looked at by machine.ascii
)

var textBytes, linkBytes, codeBytes = byteTables()

// byteTables returns the tables by which pass runs: in text, inside a link (whose end
// must be noticed), in a code block.
func byteTables() (text, link, code [128]uint8) {
	for b := range 128 {
		if b < ' ' || b == 0x7f {
			text[b], link[b], code[b] = byteStop, byteStop, byteStop
		}
	}
	text[' '], link[' '] = byteSpace, byteStop
	for _, b := range "<>`/" {
		text[b] = byteStop
	}
	for _, b := range "<>`|()]\"/?#" {
		link[b] = byteStop
	}
	code['\n'], code['\t'] = bytePlain, bytePlain
	code['`'] = byteStop
	return text, link, code
}

// ascii takes one ASCII byte.
func (m *machine) ascii(b byte) {
	if m.code {
		m.codeByte(b)
		return
	}
	switch b {
	case ' ', '\t', '\v', '\f':
		m.space(' ')
		return
	case '\n':
		if m.carriage {
			m.carriage = false
			return
		}
		m.lineBreak('\n')
		return
	case '\r':
		m.lineBreak('\n')
		m.carriage = true
		return
	}
	if b < ' ' || b == 0x7f {
		m.removed.Invisible++
		return
	}
	if b == '>' && len(m.open) > 0 && m.markup() {
		return
	}
	if m.link.scheme > 0 && linkBytes[b] == byteStop && m.linkByte(b) {
		return
	}
	switch b {
	case '<':
		m.emit('<')
		m.open = append(m.open, bracket{at: len(m.out) - 1, link: m.link})
	case '>':
		if len(m.open) > 0 && m.markup() { // a link that was just removed stood inside
			return
		}
		m.open = m.open[:0]
		m.emit('>')
	case '/':
		m.emit(rune(b))
		m.slash()
	case '`':
		m.backtick()
	default:
		m.emit(rune(b))
	}
}

// codeByte takes one ASCII byte of a code block: white space stays as typed.
func (m *machine) codeByte(b byte) {
	switch {
	case b == '\r':
		m.emit('\n')
		m.carriage = true
	case b == '\n' && m.carriage:
		m.carriage = false
	case b == '`':
		m.backtick()
	case b == '\n' || b == '\t' || (b >= ' ' && b != 0x7f):
		m.emit(rune(b))
	default:
		m.removed.Invisible++
	}
}

// backtick counts to three, which opens or closes a code block.
func (m *machine) backtick() {
	n := m.ticks + 1
	m.emit('`')
	if m.ticks = n; n < 3 || m.unclosed {
		return
	}
	m.ticks = 0
	m.code = !m.code
	m.edge = len(m.out)
	m.link = link{}
	m.open = m.open[:0]
	m.before = m.removed // names and other replacements hold no backtick, so that used is behind this one
	m.reopen = m.used
}

// plain goes back behind the ``` that opened the code block in which in ended: as in Discord, a block that is
// never closed is none, and what follows is text. It returns the byte of in to go on from. That happens once, as
// no ``` opens a block from then on, also if removals make another one. When the text is sanitized again, that other
// one closes a block; code is changed in less than text is, so that what was made even as text stays as it is.
func (m *machine) plain() int {
	*m = machine{
		in: m.in, out: m.out[:m.edge], names: m.names, used: m.reopen, open: m.open[:0], removed: m.before,
		edge: m.edge, unclosed: true,
	}
	return m.used
}

// space takes white space other than line breaks.
func (m *machine) space(r rune) {
	if m.code {
		m.emit(r)
		return
	}
	m.endLink(0)
	m.dropPending()
	if m.tailSpace {
		m.removed.Spaces++
		return
	}
	if r != narrowSpace || !unicode.Is(unicode.Mongolian, m.tail()) {
		r = ' '
	}
	m.emit(r)
	m.tailSpace = true
}

// lineBreak takes a line break: at most two in a row, no space in front.
func (m *machine) lineBreak(r rune) {
	if m.code {
		m.emit(r)
		return
	}
	m.endLink(0)
	m.dropPending()
	if m.tailSpace {
		if n := len(m.out); n > 0 && m.out[n-1] != '\n' {
			_, size := utf8.DecodeLastRune(m.out)
			m.out = m.out[:n-size]
			m.removed.Spaces++
		}
		n := len(m.out)
		if n == 0 || (n > 1 && m.out[n-1] == '\n' && m.out[n-2] == '\n') {
			m.removed.Spaces++
			return
		}
	}
	m.emit('\n')
	m.tailSpace = true
}
