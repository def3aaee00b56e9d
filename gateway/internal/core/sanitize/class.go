package sanitize

import "sort"

// A class says what machine.rune does with a rune.
type class uint8

const (
	classPlain         class = iota // goes to out
	classSign                       // ©, ®, ™: plain, until U+FE0F follows
	classMark                       // nonspacing and enclosing marks
	classTallMark                   // those of Tibetan
	classSpacingMark                // spacing marks
	classEmoji                      // emoji, also those that Unicode has not assigned yet
	classFold                       // fancy letters
	classLetterlike                 // ℍ, ℯ, …: fancy among fancy letters, else mathematical signs
	classSpace                      // white space
	classBreak                      // line breaks
	classJoiner                     // invisible, but some script is spelled with it
	classEmojiSelector              // U+FE0F
	classKeycap                     // U+20E3
	classDrop                       // invisible, or not for people
)

const (
	pageBits = 7
	pageMask = 1<<pageBits - 1
)

// classOf looks r up; r is at most U+10FFFF.
func classOf(r rune) class {
	return class(classPages[int(classIndex[uint32(r)>>pageBits])<<pageBits|int(r&pageMask)])
}

// A foldRun maps the fancy letters lo..hi to the plain ones from plain on, with the same text before
// and after each: brackets around bracketed letters, the rest of a ligature.
type foldRun struct {
	lo, hi, plain rune
	before, after string
}

// foldOf returns the run of a rune of classFold or classLetterlike.
func foldOf(r rune) *foldRun {
	return &foldRuns[sort.Search(len(foldRuns), func(i int) bool { return foldRuns[i].hi >= r })]
}
