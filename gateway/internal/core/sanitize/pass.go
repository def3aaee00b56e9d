package sanitize

import (
	"encoding/binary"
	"unicode/utf8"
)

// pass returns the end of the longest run from byte i that goes to out as it is. It
// knows the rules of rune for plain runes, marks and single spaces; at anything else it
// stops. It keeps what is known about the end of out.
func (m *machine) pass(i int) int {
	table := &textBytes
	switch {
	case m.code:
		table = &codeBytes
	case m.link.scheme > 0:
		table = &linkBytes
	}
	s := m.in
	space, marks, all := m.tailSpace, m.marks, m.allMarks
	fast := table == &textBytes
	for i < len(s) {
		b := s[i]
		if b < utf8.RuneSelf {
			switch table[b] {
			case byteSpace:
				if space {
					goto out
				}
				space = true
			case bytePlain:
				space = false
			default:
				goto out
			}
			marks, all = 0, 0
			i++
			if fast && i+8 <= len(s) {
				i, space = plainWords(s, i, space)
			}
			continue
		}
		r, size := decode(s[i:])
		switch classOf(r) {
		case classPlain, classSign, classLetterlike:
			if size == 1 { // not UTF-8
				goto out
			}
			marks, all = 0, 0
		case classMark:
			if marks >= maxMarks || all >= maxAllMarks {
				goto out
			}
			marks++
			all++
		case classSpacingMark:
			if all >= maxAllMarks {
				goto out
			}
			all++
		default:
			goto out
		}
		space = false
		i += size
	}
out:
	m.tailSpace, m.marks, m.allMarks = space, marks, all
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainWords goes on from i in steps of eight bytes while they are plain ASCII with single
// spaces; space says whether the byte before i is one.
func plainWords(s string, i int, space bool) (int, bool) {
	var carry uint64
	if space {
		carry = 0x80
	}
	for i+8 <= len(s) {
		x := word(s, i)
		stop := x | (x + ones) | // not ASCII, delete
			(x - 0x20*ones) | // control
			zero(x^'<'*ones) | zero(x^'>'*ones) | zero(x^'`'*ones) | zero(x^'/'*ones)
		spaces := zero(x ^ ' '*ones)
		if stop&highs != 0 || (spaces<<8|carry)&spaces != 0 {
			break
		}
		carry = spaces >> 56
		i += 8
	}
	return i, carry != 0
}

// word is the eight bytes of s at i, the first the lowest.
func word(s string, i int) uint64 {
	b := s[i : i+8]
	return binary.LittleEndian.Uint64([]byte(b))
}

// zero sets the high bit of the bytes of x that are zero, exactly, if x is ASCII.
func zero(x uint64) uint64 {
	return ^(x + 0x7F*ones) & highs
}

// decode is utf8.DecodeRuneInString with the three-byte case in line.
func decode(s string) (rune, int) {
	if len(s) >= 3 && s[0]&0xF0 == 0xE0 && s[1]&0xC0 == 0x80 && s[2]&0xC0 == 0x80 {
		r := rune(s[0]&0x0F)<<12 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F)
		if r >= 0x800 && r&0xF800 != 0xD800 {
			return r, 3
		}
	}
	return utf8.DecodeRuneInString(s)
}
