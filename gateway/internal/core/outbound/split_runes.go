package outbound

import "unicode"

// clusterState follows grapheme clusters closely enough for a cut: marks, joiners,
// selectors, skin tones, pairs of regional indicators, Hangul syllables, Indic conjuncts.
type clusterState struct {
	flags int // regional indicators in a row
	run   int // runes since the last boundary
}

// maxClusterRunes ends clusters that grow without end (zalgo), so that a cut is found in reach.
const maxClusterRunes = 64

// joins says whether r belongs to the cluster that prev ends.
func (c *clusterState) joins(prev, r rune) bool {
	if prev < 0 || (prev < 0x300 && r < 0x300) || c.run > maxClusterRunes {
		return prev == '\r' && r == '\n'
	}
	switch {
	case extends(r), prev == 0x200D, prepends(prev):
		return true
	case regional(r):
		return c.flags%2 == 1
	case virama(prev):
		return unicode.IsLetter(r)
	}
	return hangulJoins(prev, r)
}

func (c *clusterState) add(prev, r rune) {
	if c.joins(prev, r) {
		c.run++
	} else {
		c.run = 0
	}
	if regional(r) {
		c.flags++
	} else {
		c.flags = 0
	}
}

func regional(r rune) bool { return 0x1F1E6 <= r && r <= 0x1F1FF }

func extends(r rune) bool {
	if r < 0x300 {
		return false
	}
	return unicode.Is(unicode.M, r) || r == 0x200C || r == 0x200D || (0x1F3FB <= r && r <= 0x1F3FF) ||
		(0xE0020 <= r && r <= 0xE007F) || r == 0xFF9E || r == 0xFF9F || r == 0x0E33 || r == 0x0EB3
}

func prepends(r rune) bool {
	return unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// virama: signs that bind the next consonant into a conjunct.
func virama(r rune) bool {
	switch r {
	case 0x094D, 0x09CD, 0x0A4D, 0x0ACD, 0x0B4D, 0x0BCD, 0x0C4D, 0x0CCD, 0x0D4D, 0x0DCA, 0x1039, 0x17D2, 0x1A60, 0x1B44, 0xA9C0:
		return true
	}
	return false
}

func hangulJoins(a, b rune) bool {
	const (
		none = iota
		l
		v
		t
		lv
		lvt
	)
	kind := func(r rune) int {
		switch {
		case 0x1100 <= r && r <= 0x115F, 0xA960 <= r && r <= 0xA97C:
			return l
		case 0x1160 <= r && r <= 0x11A7, 0xD7B0 <= r && r <= 0xD7C6:
			return v
		case 0x11A8 <= r && r <= 0x11FF, 0xD7CB <= r && r <= 0xD7FB:
			return t
		case 0xAC00 <= r && r <= 0xD7A3:
			if (r-0xAC00)%28 == 0 {
				return lv
			}
			return lvt
		}
		return none
	}
	switch kind(a) {
	case l:
		k := kind(b)
		return k == l || k == v || k == lv || k == lvt
	case v, lv:
		k := kind(b)
		return k == v || k == t
	case t, lvt:
		return kind(b) == t
	}
	return false
}

// ends: marks that end a sentence, in the scripts that have their own.
func ends(r rune) bool {
	switch r {
	case '.', '!', '?', '…', '。', '！', '？', '｡', '．', '؟', '۔', '।', '॥', '։', '።', '᙮', '៕':
		return true
	}
	return false
}

// closer: marks that may stand between a sentence's end and the space behind it.
func closer(r rune) bool {
	switch r {
	case '"', '\'', ')', ']', '}', '*', '_', '|', '~', '»', '”', '’', '」', '』', '）', '】', '》', '〉', '］':
		return true
	}
	return false
}

// wideEnd: ends of sentences that no space follows.
func wideEnd(r rune) bool {
	switch r {
	case '。', '！', '？', '｡', '．', '」', '』', '）', '】', '》':
		return true
	}
	return false
}

// wide: scripts that are written without spaces and may be broken nearly everywhere.
func wide(r rune) bool {
	switch {
	case r < 0x2E80:
		return false
	case r <= 0x9FFF, 0xF900 <= r && r <= 0xFAFF, 0xFF01 <= r && r <= 0xFF9D, 0x20000 <= r && r <= 0x3FFFF:
		return !(0x3130 <= r && r <= 0x318F) // Hangul letters are written with spaces
	}
	return false
}

// noLineStart and noLineEnd: what a line of Chinese or Japanese does not begin or end with.
func noLineStart(r rune) bool {
	switch r {
	case '、', '，', '：', '；', '・', 'ー', '々', 'ゝ', 'ゞ', '〜', '～', '％', 'ぁ', 'ぃ', 'ぅ', 'ぇ', 'ぉ', 'っ', 'ゃ', 'ゅ', 'ょ',
		'ァ', 'ィ', 'ゥ', 'ェ', 'ォ', 'ッ', 'ャ', 'ュ', 'ョ', '〉', '〕', '］', '｝':
		return true
	}
	return wideEnd(r)
}

func noLineEnd(r rune) bool {
	switch r {
	case '「', '『', '（', '【', '《', '〈', '〔', '［', '｛', '＄', '￥':
		return true
	}
	return false
}
