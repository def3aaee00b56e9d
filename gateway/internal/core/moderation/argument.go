package moderation

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"salamander.dev/shared/chat"
)

// read fills in the arguments of a typed command or its Problem. Problems never repeat what was typed.
func (c *Command) read(e entry, args []string) {
	switch {
	case e.name == Mute || e.name == Unmute:
		c.readTarget(args)
		if c.Problem == "" && e.name == Mute {
			c.readMute(args[1:])
		}
	case e.all:
		words := plainWords(args)
		switch {
		case len(words) == 1 && words[0] == "all":
			c.All = true
		case len(words) > 0:
			// "$stop alll" must not do something smaller or larger than was meant.
			c.Problem = fmt.Sprintf("%s stands alone or with %s after it; nothing was done.", c.words(e.name), code("all"))
		}
	case e.name == Forget && len(plainWords(args)) > 0:
		// It can't be undone, so "$forget @somebody" must not delete the asker's own.
		c.Problem = fmt.Sprintf("%s stands alone and deletes only what I remember of you; nothing was deleted.", c.words(Forget))
	}
}

// minIDDigits tells an id from another number: Discord's first day already had this many digits.
const minIDDigits = 15

// readTarget reads the user that comes first.
func (c *Command) readTarget(args []string) {
	if len(args) == 0 {
		c.Problem = "Whom? " + c.usage()
		return
	}
	user, isMention := target(args[0])
	switch {
	case user != "":
	case strings.HasPrefix(args[0], "<@&") || strings.EqualFold(args[0], "@everyone") || strings.EqualFold(args[0], "@here"):
		c.Problem = "I can only do that to one person at a time, not to a role or to everyone. " + c.usage()
	default:
		c.Problem = "I need the user as a mention or as an id. " + c.usage()
	}
	if user == "" {
		return
	}
	for i, a := range args[1:] {
		another, mention := target(a)
		// A second user right after the first, or a mention after a number that may have been meant as something else.
		// Further behind in a mute it belongs to the reason.
		second := mention && (i == 0 || !isMention || c.Name == Unmute) || i == 0 && len(another) >= minIDDigits
		if second {
			c.Problem = "One person at a time, please. " + c.usage()
			return
		}
	}
	c.Target = user
}

// readMute reads duration and reason, both optional.
func (c *Command) readMute(args []string) {
	if len(args) > 0 && looksLikeDuration(args[0]) {
		c.readDuration(args[0])
		args = args[1:]
	}
	c.Reason = reason(args)
}

// readDuration reads how long; what can't be read is a Problem, since a mute for ever is not what was meant.
func (c *Command) readDuration(s string) {
	d, ok := duration(s)
	switch {
	case !ok:
		c.Problem = fmt.Sprintf("I read durations such as %s, %s, %s or %s; nobody was muted.", code("90s"), code("10m"), code("2h"), code("7d"))
	case d > MaxMute:
		c.Problem = fmt.Sprintf("A mute with an end lasts at most %s; leave the duration out for one without.", code("365d"))
	default:
		c.For = d
		return
	}
}

// usage shows the form of a command that takes a user.
func (c *Command) usage() string {
	e, _ := lookup(c.Name)
	if c.Mark == "/" {
		return "Fill in " + code(optionUser) + "."
	}
	return "It is written " + code(c.Mark+string(c.Name)+e.takes) + "."
}

// target reads <@id>, <@!id> or a plain id; mention tells the first two from the third.
func target(s string) (id chat.UserID, mention bool) {
	if inner, ok := strings.CutPrefix(s, "<@"); ok {
		if s, ok = strings.CutSuffix(strings.TrimPrefix(inner, "!"), ">"); !ok {
			return "", false
		}
		mention = true
	}
	n, err := chat.ParseSnowflake(s)
	if err != nil || n.String() != s { // +1 and 01 are not how Discord writes an id
		return "", false
	}
	return chat.UserID(s), mention
}

// units are what a duration may be written in.
var units = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}

// duration reads "90s", "10m", "2h", "7d" and sums such as "1h30m". What is far over MaxMute comes out as more than it.
func duration(s string) (time.Duration, bool) {
	s = foldAll(s)
	var sum time.Duration
	for s != "" {
		i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if i <= 0 {
			return 0, false
		}
		unit, ok := units[s[i]]
		if !ok {
			return 0, false
		}
		n, err := strconv.Atoi(s[:i])
		if err != nil || n > int(MaxMute/time.Second) {
			n = int(MaxMute/time.Second) + 1 // digits only, so it can only be too large
		}
		if time.Duration(n) > MaxMute/unit {
			sum = MaxMute + 1
		} else {
			sum = min(sum+time.Duration(n)*unit, MaxMute+1)
		}
		s = s[i+1:]
	}
	return sum, sum > 0
}

// looksLikeDuration says that a word where a duration may stand was meant as one: it begins with a digit or a sign.
func looksLikeDuration(s string) bool {
	s = foldAll(strings.TrimLeft(s, "+-"))
	return s != "" && s[0] >= '0' && s[0] <= '9'
}

// plainWords folds words and takes punctuation off them: "$stop ALL!" is "$stop all".
func plainWords(args []string) []string {
	var words []string
	for _, a := range args {
		w := strings.TrimFunc(foldAll(a), func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) })
		if w != "" {
			words = append(words, w)
		}
	}
	return words
}

// reason joins words to one line of bounded length.
func reason(args []string) string { return cut(strings.Join(args, " "), MaxReasonRunes) }
