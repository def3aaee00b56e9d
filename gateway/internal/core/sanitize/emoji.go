package sanitize

import "unicode/utf8"

// emoji removes a rune of an emoji sequence; what clings to it goes with it.
func (m *machine) emoji(r rune) {
	m.dropPending()
	switch {
	case m.afterEmoji && (m.afterZWJ || modifier(r)):
	case m.afterEmoji && m.halfFlag && regional(r):
		m.halfFlag = false
	default:
		m.removed.Emoji++
		m.halfFlag = regional(r)
	}
	m.afterEmoji, m.afterZWJ = true, false
}

func regional(r rune) bool { return 0x1F1E6 <= r && r <= 0x1F1FF }
func modifier(r rune) bool { return 0x1F3FB <= r && r <= 0x1F3FF }

// emojiSelector takes U+FE0F: it makes an emoji of a bare ©, ®, ™. Behind the digits, # and * it waits for
// the keycap; behind anything else it has no meaning.
func (m *machine) emojiSelector() {
	if !m.afterEmoji {
		if r, size := utf8.DecodeLastRune(m.out); size > 1 && classOf(r) == classSign {
			m.dropPending()
			m.removed.Emoji++
			m.pop(len(m.out) - size)
			m.afterEmoji = true
			return
		}
		if !keycapBase(m.tail()) {
			m.removed.Invisible++
		}
	}
}

func keycapBase(r rune) bool { return '0' <= r && r <= '9' || r == '#' || r == '*' }

// keycap takes U+20E3, which makes an emoji of a digit, # or *.
func (m *machine) keycap() {
	m.dropPending()
	if n := len(m.out); n > 0 && !m.afterEmoji {
		if keycapBase(rune(m.out[n-1])) {
			m.removed.Emoji++
			m.pop(n - 1)
			m.afterEmoji = true
			return
		}
	}
	m.removed.Invisible++
}

// fold writes a fancy letter as the plain letter that it means. Letters such as ℍ and ℯ fill the
// gaps of the mathematical alphabets: among fancy letters they are folded too, alone (x ∈ ℝ) they stay.
func (m *machine) fold(r rune) {
	if m.code {
		m.emit(r)
		return
	}
	if last, size := utf8.DecodeLastRune(m.out); m.pending == 0 && classOf(last) == classLetterlike {
		m.pop(len(m.out) - size)
		m.foldOne(last)
	}
	m.foldOne(r)
	m.fancy = true
}

func (m *machine) foldOne(r rune) {
	m.removed.Folded++
	run := foldOf(r)
	m.text(run.before)
	m.rune(run.plain + r - run.lo)
	m.text(run.after)
}
