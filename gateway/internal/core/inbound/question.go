package inbound

import (
	"strings"
	"unicode/utf8"

	"salamander.dev/gateway/internal/core/sanitize"
	"salamander.dev/shared/chat"
)

// Bounds of what is handed on, in runes. A worker refuses questions over chat.MaxQuestionRunes with a notice, so that a
// little more than that is enough to see that one is too long.
const (
	maxTextRunes = 2 * chat.MaxQuestionRunes
	maxNameRunes = 80
)

// question makes a question of a message; its text is empty when nothing is left of it.
func (d *Desk) question(m Message) chat.Question {
	return chat.Question{
		ID: chat.QuestionID(m.ID), Guild: m.Guild, Channel: m.Channel, User: m.Author, UserName: userName(m),
		Message: m.ID, Text: d.text(m), InThread: m.InThread || m.Guild == chat.DM, Late: m.CaughtUp,
		Mark: m.Mark(), Asked: m.Received.UTC().Round(0),
	}
}

// text is what a model is asked: what was typed and what was forwarded with it, sanitized.
func (d *Desk) text(m Message) string {
	names := sanitize.Names{BotID: string(d.Bot()), Users: make([]sanitize.User, 0, len(m.Mentions))}
	for _, u := range m.Mentions {
		names.Users = append(names.Users, sanitize.User{ID: string(u.ID), Name: u.Name})
	}
	text := left(m.Content, names)
	for _, f := range m.Forwarded {
		if f = left(f, names); f != "" {
			text = strings.TrimSpace(text + "\n" + f)
		}
	}
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return cutRunes(text, maxTextRunes)
}

// markup is what people put around words: Markdown, brackets, quotes.
const markup = "*_~|#>`()[]{}\"'- \n\t"

// left is what sanitizing leaves of a text. Markup that stood around an emoji or a GIF's link (||😀||) says nothing by itself,
// nor does the stop behind a link; where none was removed, it was typed to be read.
func left(text string, names sanitize.Names) string {
	text, removed := sanitize.Report(text, names)
	if strings.Trim(text, " \n\u2800") == "" { // U+2800 is a Braille letter without a dot
		return ""
	}
	around := markup
	if removed.Links > 0 {
		around += ".,:;!"
	}
	if removed.Emoji+removed.Custom+removed.Links+removed.Invisible > 0 && strings.Trim(text, around) == "" {
		return ""
	}
	return text
}

// userName makes one bounded line of the author's name. People name themselves as they like, and a model reads the name
// beside what they say, so it is sanitized, too; usernames of accounts hold few characters.
func userName(m Message) string {
	for _, name := range [...]string{m.AuthorName, m.AuthorAccount} {
		name = cutRunes(strings.Join(strings.Fields(left(name, sanitize.Names{})), " "), maxNameRunes)
		if name = strings.TrimSpace(name); name != "" {
			return name
		}
	}
	return "user"
}

// cutRunes keeps the first n runes of s.
func cutRunes(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
