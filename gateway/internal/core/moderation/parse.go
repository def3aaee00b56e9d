package moderation

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"salamander.dev/gateway/internal/core/inbound"
)

// Parse reads a command from a message's text; false means that the text is none and may be a question.
//
// What a reader sees as a command is one: letter case, compatibility forms (＄ｓｔｏｐ) and invisible characters make no
// difference. The prefix followed by anything but a letter is text. A word that is no command gives [Unknown], except
// after a prefix that itself ends in a letter or digit, which also begins ordinary words ("bot" in "bother").
func Parse(prefix, text string) (Command, bool) {
	rest, ok := cutPrefix(prefix, text)
	if !ok {
		return Command{}, false
	}
	word, args := cutWord(rest)
	if r, _ := utf8.DecodeRuneInString(word); word == "" || !unicode.IsLetter(r) {
		return Command{}, false
	}
	mark := strings.TrimLeftFunc(prefix, unicode.IsSpace)
	e, known := lookup(Name(word))
	if !known {
		if r, _ := utf8.DecodeLastRuneInString(prefix); unicode.IsLetter(r) || unicode.IsDigit(r) {
			return Command{}, false
		}
		return Command{Near: near(word), Mark: mark}, true
	}
	c := Command{Name: e.name, Mark: mark}
	if e.name == Ignore {
		return c, true // before its arguments are looked at: nothing in them counts
	}
	c.read(e, visibleFields(args))
	return c, true
}

// FromSlash reads a slash command with its typed options. A name that is no command gives [Unknown]; options that a
// command doesn't have count for nothing.
func FromSlash(s inbound.Slash) Command {
	e, known := lookup(Name(strings.ToLower(s.Command)))
	c := Command{Name: e.name, Mark: "/"}
	if !known || e.name == Ignore {
		return c
	}
	var args []string
	switch {
	case e.name == Mute || e.name == Unmute:
		var user []string
		if u := strings.Join(visibleFields(s.Options[optionUser]), " "); u != "" {
			user = []string{u} // one option is one user, whatever a broken client puts into it
		}
		c.readTarget(user)
		if e.name == Mute && c.Problem == "" {
			if d := visibleFields(s.Options[optionDuration]); len(d) > 0 {
				c.readDuration(strings.Join(d, ""))
			}
			c.Reason = reason(visibleFields(s.Options[optionReason]))
		}
		return c
	case e.all && s.Options[optionAll] == "true":
		args = []string{"all"}
	}
	c.read(e, args)
	return c
}

// cutPrefix returns what follows the prefix. White space before it and invisible characters before and within it don't
// count, except those that the prefix itself has.
func cutPrefix(prefix, text string) (string, bool) {
	prefix = strings.TrimLeftFunc(prefix, unicode.IsSpace)
	if prefix == "" {
		return "", false
	}
	first, _ := utf8.DecodeRuneInString(prefix)
	// Before folding: some marks fold to a space and a letter, whose space is no white space of the text.
	text = strings.TrimLeftFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || r != first && unicode.Is(unicode.Cf, r)
	})
	want := foldAll(prefix)
	for i, r := range text {
		if want == "" {
			return text[i:], true
		}
		f := fold(r)
		switch {
		case strings.HasPrefix(want, f):
			want = want[len(f):]
		case !unicode.Is(unicode.Cf, r):
			return "", false
		}
	}
	return "", want == ""
}

// cutWord returns the leading word, folded, and what follows it as it was typed. Letters with their marks, digits and
// underscores make a word.
func cutWord(s string) (word, rest string) {
	var b strings.Builder
	for i, r := range s {
		if unicode.Is(unicode.Cf, r) {
			continue
		}
		f := fold(r)
		for _, p := range f {
			if !unicode.IsLetter(p) && !unicode.IsMark(p) && !unicode.IsDigit(p) && p != '_' {
				return b.String(), s[i:]
			}
		}
		b.WriteString(f)
	}
	return b.String(), ""
}

// fold gives one rune its plain lower-case form (Unicode NFKC); broken UTF-8 stays what it is.
func fold(r rune) string {
	if r < utf8.RuneSelf {
		return string(unicode.ToLower(r))
	}
	return strings.ToLower(norm.NFKC.String(string(r)))
}

func foldAll(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteString(fold(r))
	}
	return b.String()
}

// visibleFields splits at white space, without invisible and control characters.
func visibleFields(s string) []string {
	return strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r) || unicode.IsControl(r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, s))
}
