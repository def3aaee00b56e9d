package sanitize

import (
	"unicode"
	"unicode/utf8"
)

const (
	maxMarks     = 4 // nonspacing and enclosing marks on one base
	maxTallMarks = 8 // in Tibetan, whose stacks of letters are such marks; the tallest in use has eight
	maxAllMarks  = 8 // with spacing marks; Burmese has words with five
)

// mark takes a combining mark: too many on one base are cut.
func (m *machine) mark(r rune, c class) {
	if m.afterEmoji {
		return // it stood on the emoji
	}
	limit := maxMarks
	if c == classTallMark {
		limit = maxTallMarks
	}
	if m.allMarks >= maxAllMarks || (c != classSpacingMark && m.marks >= limit) {
		m.removed.Marks++
		return
	}
	if m.pending != 0 {
		m.resolve(r)
	}
	m.out = utf8.AppendRune(m.out, r)
	m.allMarks++
	if c != classSpacingMark {
		m.marks++
	}
	m.tailSpace, m.ticks, m.carriage, m.fancy = false, 0, false, false
}

// skipMarks returns where the marks from byte i end that are too many: what rune would do with each, faster.
func (m *machine) skipMarks(i int) int {
	for i < len(m.in) {
		r, size := decode(m.in[i:])
		if classOf(r) != classMark {
			break
		}
		m.removed.Marks++
		i += size
	}
	return i
}

const (
	zwsp = 0x200B
	zwnj = 0x200C
	zwj  = 0x200D
	cgj  = 0x034F
	mvs  = 0x180E
)

// joiner takes an invisible rune that some script is spelled with: behind what needs no
// second look it stays at once, else it waits for the next rune.
func (m *machine) joiner(r rune) {
	switch {
	case m.afterEmoji:
		m.afterZWJ = m.afterZWJ || r == zwj
		return
	case m.pending != 0:
	case keeps(m.tail(), r):
		m.out = utf8.AppendRune(m.out, r)
		return
	case len(m.out) > 0:
		m.pending = r
		return
	}
	m.removed.Invisible++
}

// keeps says that r stays behind tail, whatever follows: joiners behind a virama (also at a
// word's end, as in Malayalam's chillu letters), variants of Mongolian letters and of ideographs, fillers of Hangul.
func keeps(tail, r rune) bool {
	switch {
	case r == zwj || r == zwnj:
		return virama(tail)
	case r == 0x1160:
		return 0x1100 <= tail && tail <= 0x115F || 0xA960 <= tail && tail <= 0xA97C
	case 0x180B <= r && r <= 0x180F && r != mvs:
		return tail >= 0x1820 && unicode.Is(unicode.Mongolian, tail) && unicode.IsLetter(tail)
	case 0xFE00 <= r && r <= 0xFE02:
		return unicode.In(tail, unicode.Han, unicode.Myanmar, unicode.Phags_Pa) && unicode.IsLetter(tail)
	case 0xE0100 <= r && r <= 0xE01EF:
		return unicode.Is(unicode.Han, tail) && unicode.IsLetter(tail)
	}
	return false
}

// resolve decides about the joiner that waits, now that r follows.
func (m *machine) resolve(r rune) {
	j := m.pending
	m.pending = 0
	if wants(m.tail(), j, r) {
		m.out = utf8.AppendRune(m.out, j)
	} else {
		m.removed.Invisible++
	}
}

func (m *machine) dropPending() {
	if m.pending != 0 {
		m.pending = 0
		m.removed.Invisible++
	}
}

// wants says that between a and b the joiner j belongs to the spelling.
func wants(a, j, b rune) bool {
	switch j {
	case zwj:
		return oneOf(cursive, a, b) || sameIndic(a, b)
	case zwnj: // Persian also writes it between a foreign word or a number and its ending
		return oneOf(cursive, a, b) || sameIndic(a, b) ||
			wordRune(a) && unicode.Is(unicode.Arabic, b) || unicode.Is(unicode.Arabic, a) && wordRune(b)
	case zwsp: // between words of scripts that write no spaces
		return oneOf(spaceless, a, b)
	case cgj: // keeps Hebrew marks in their order
		return unicode.Is(unicode.Hebrew, a) && unicode.Is(unicode.Hebrew, b) && unicode.Is(unicode.Mn, b)
	case mvs:
		return unicode.Is(unicode.Mongolian, a) && unicode.Is(unicode.Mongolian, b)
	case 0x115F:
		return 0x1160 <= b && b <= 0x11A7
	}
	return false
}

func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)
}

var (
	// cursive scripts join their letters.
	cursive = []*unicode.RangeTable{
		unicode.Arabic, unicode.Syriac, unicode.Mongolian, unicode.Nko, unicode.Mandaic, unicode.Manichaean, unicode.Phags_Pa,
		unicode.Adlam, unicode.Hanifi_Rohingya, unicode.Sogdian, unicode.Psalter_Pahlavi, unicode.Chorasmian, unicode.Old_Uyghur,
	}
	// indic scripts build conjuncts, which joiners form and part.
	indic = []*unicode.RangeTable{
		unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil, unicode.Telugu,
		unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Tibetan, unicode.Javanese,
		unicode.Balinese, unicode.Sundanese, unicode.Tai_Tham, unicode.Newa, unicode.Grantha, unicode.Sharada, unicode.Tirhuta,
		unicode.Chakma, unicode.Meetei_Mayek, unicode.Limbu, unicode.Syloti_Nagri, unicode.Brahmi, unicode.Kaithi,
	}
	// spaceless scripts write no spaces between words.
	spaceless = []*unicode.RangeTable{unicode.Khmer, unicode.Thai, unicode.Lao, unicode.Myanmar, unicode.Tai_Tham, unicode.New_Tai_Lue, unicode.Tibetan, unicode.Javanese, unicode.Balinese}
)

// oneOf says that a and b are of one script of the list, letters or marks.
func oneOf(scripts []*unicode.RangeTable, a, b rune) bool {
	for _, s := range scripts {
		if unicode.Is(s, a) {
			return (unicode.Is(s, b) || unicode.Is(unicode.Inherited, b)) && (unicode.IsLetter(b) || unicode.IsMark(b))
		}
	}
	return false
}

func sameIndic(a, b rune) bool { return oneOf(indic, a, b) }

// virama: the signs that bind the next consonant, or silence their own.
func virama(r rune) bool {
	switch r {
	case 0x094D, 0x09CD, 0x0A4D, 0x0ACD, 0x0B4D, 0x0BCD, 0x0C4D, 0x0CCD, 0x0D3B, 0x0D3C, 0x0D4D, 0x0DCA, 0x1039, 0x103A, 0x17D2,
		0x1A60, 0x1B44, 0x1BAA, 0xA806, 0xA82C, 0xA8C4, 0xA9C0, 0xAAF6, 0x11046, 0x110B9, 0x11133, 0x111C0, 0x1134D, 0x11442, 0x114C2:
		return true
	}
	return false
}

// tail is the last rune of out, 0 if there is none.
func (m *machine) tail() rune {
	r, size := utf8.DecodeLastRune(m.out)
	if size == 0 {
		return 0
	}
	return r
}

// repend takes a joiner from the end of out that stayed for the sake of what was cut off behind it: it
// waits again. It returns the length of out.
func (m *machine) repend() int {
	last, size := utf8.DecodeLastRune(m.out)
	if size < 2 || classOf(last) != classJoiner {
		return len(m.out)
	}
	head := m.out[:len(m.out)-size]
	if before, _ := utf8.DecodeLastRune(head); !keeps(before, last) {
		m.out, m.pending = head, last
	}
	return len(m.out)
}

// pop cuts out back to n bytes and finds again what is known about its end.
func (m *machine) pop(n int) {
	m.out = m.out[:n]
	n = m.repend()
	for len(m.open) > 0 && m.open[len(m.open)-1].at >= n {
		m.open = m.open[:len(m.open)-1]
	}
	if m.link.query >= n {
		m.link.query = 0
	}
	m.ticks, m.marks, m.allMarks = 0, 0, 0
	for n > m.edge && m.out[n-1] == '`' {
		n--
		m.ticks++
	}
	switch last := m.tail(); {
	case last == 0:
		m.tailSpace = true
	case m.code:
		m.tailSpace = false
	default:
		m.tailSpace = last == ' ' || last == '\n' || last == narrowSpace
	}
	for end := len(m.out); end > 0; {
		r, size := utf8.DecodeLastRune(m.out[:end])
		switch classOf(r) {
		case classMark, classTallMark:
			m.marks++
			m.allMarks++
		case classSpacingMark:
			m.allMarks++
		case classJoiner:
		default:
			return
		}
		end -= size
	}
}
