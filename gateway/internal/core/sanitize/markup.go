package sanitize

import (
	"bytes"
	"time"
	"unicode/utf8"
)

const (
	// maxTokenBytes bounds markup: the longest is a command with two levels of
	// subcommands, names of 32 runes each, and an id.
	maxTokenBytes = 3*32*utf8.UTFMax + 2 + maxIDDigits + len("</:>")
	maxIDDigits   = 20 // of an unsigned 64-bit number
	maxNameBytes  = 64 // of a custom emoji; Discord allows 32 of [A-Za-z0-9_]
)

// A bracket is a < of out and the link that was open in front of it.
type bracket struct {
	at   int
	link link
}

// markup is called when a > comes and a < is open. If the two hold
// Discord's markup, that is removed or rewritten, and true returned.
func (m *machine) markup() bool {
	at := m.open[len(m.open)-1].at
	if len(m.out)-at > maxTokenBytes {
		return false
	}
	var hold [maxTokenBytes]byte // the token's bytes, as out is written over them
	token := hold[:copy(hold[:], m.out[at+1:])]
	if len(token) < 2 {
		return false
	}
	switch token[0] {
	case '@':
		return m.mention(at, token[1:])
	case '#':
		if !digits(token[1:]) {
			return false
		}
		m.rewrite(at, "#channel", &m.removed.Mentions)
	case '/':
		return m.command(at, token[1:])
	case ':', 'a':
		if !customEmoji(token) {
			return false
		}
		m.rewrite(at, "", &m.removed.Custom)
	case 't':
		return m.timestamp(at, token)
	case 'i':
		name, ok := bytes.CutPrefix(token, []byte("id:"))
		if !ok || !all(name, func(b byte) bool { return wordByte(b) || b == '-' || b == ':' }) {
			return false
		}
		m.rewrite(at, "", &m.removed.Mentions)
	default:
		return false
	}
	return true
}

// rewrite puts text in the place of the token at out[at:], if the growth allows it.
func (m *machine) rewrite(at int, text string, count *int) {
	*count++
	m.dropPending()
	around := m.open[len(m.open)-1].link
	m.pop(at)
	m.link = around
	if len(text) <= m.room() {
		m.text(text)
	}
}

// room is how much out may grow by now: it never gets longer than twice what was read.
func (m *machine) room() int { return 2*m.used - len(m.out) }

// mention handles <@id>, <@!id> and <@&id>; token stands behind the @.
func (m *machine) mention(at int, token []byte) bool {
	if role, ok := bytes.CutPrefix(token, []byte("&")); ok {
		if !digits(role) {
			return false
		}
		m.rewrite(at, "@role", &m.removed.Mentions)
		return true
	}
	id := bytes.TrimPrefix(token, []byte("!"))
	if !digits(id) {
		return false
	}
	if string(id) == m.names.BotID {
		m.rewrite(at, "", &m.removed.Mentions)
		return true
	}
	name := "user"
	for i := range m.names.Users {
		if u := &m.names.Users[i]; u.ID == string(id) {
			name = u.Name
			break
		}
	}
	m.rewrite(at, "", &m.removed.Mentions)
	if m.room() < len("@user") {
		return true
	}
	m.rune('@')
	before := len(m.out)
	m.name(name)
	if len(m.out) == before {
		m.text("user")
	}
	return true
}

// name writes a person's name, as much of it as the growth allows. People name themselves
// as they like: what could become markup, a link or code is left out.
func (m *machine) name(s string) {
	start := len(m.out) // behind the @
	for _, r := range s {
		switch r {
		case '<', '>', '`', '\n', '\r', '|':
			continue
		case '/':
			if last := m.tail(); last == ':' || last == '/' {
				continue
			}
		}
		// A rune's plain form is never longer than itself, but a joiner may wait.
		need := utf8.RuneLen(r)
		if m.pending != 0 {
			need += utf8.RuneLen(m.pending)
		}
		if need > m.room() {
			break
		}
		m.rune(r)
	}
	if end := len(m.out) - 1; end > start && m.out[end] == ' ' { // in front of an emoji that went
		m.pop(end)
	}
}

// command handles </name:id>, </name sub:id> and </name group sub:id>; token stands behind the /.
func (m *machine) command(at int, token []byte) bool {
	colon := bytes.LastIndexByte(token, ':')
	if colon < 1 || !digits(token[colon+1:]) {
		return false
	}
	name := token[:colon]
	if !all(name, func(b byte) bool { return wordByte(b) || b == '-' || b == '\'' || b == ' ' || b >= utf8.RuneSelf }) {
		return false
	}
	m.rewrite(at, "", &m.removed.Mentions)
	m.rune('/')
	for len(name) > 0 {
		r, size := utf8.DecodeRune(name)
		m.rune(r)
		name = name[size:]
	}
	return true
}

// timestamp handles <t:unix> and <t:unix:style>: a date in UTC, as the reader's own zone is not
// known. What Discord does not show as a time (a wrong style, beyond JavaScript's dates) stays.
func (m *machine) timestamp(at int, token []byte) bool {
	rest, ok := bytes.CutPrefix(token, []byte("t:"))
	if !ok {
		return false
	}
	number, style, styled := bytes.Cut(rest, []byte(":"))
	if styled && (len(style) != 1 || bytes.IndexByte([]byte("tTdDfFsSR"), style[0]) < 0) {
		return false
	}
	seconds, ok := parseSeconds(number)
	if !ok {
		return false
	}
	when := time.Unix(seconds, 0).UTC()
	m.rewrite(at, "", &m.removed.Times)
	layouts := [...]string{"2006-01-02 15:04 UTC", time.DateOnly}
	if styled {
		switch style[0] {
		case 'T', 'S':
			layouts[0] = "2006-01-02 15:04:05 UTC"
		case 'd', 'D':
			layouts[0] = time.DateOnly
		}
	}
	var hold [40]byte
	for _, layout := range layouts {
		if text := when.AppendFormat(hold[:0], layout); len(text) <= m.room() {
			for _, b := range text {
				m.rune(rune(b))
			}
			return true
		}
	}
	return true
}

// maxSeconds is the last second of JavaScript's dates, which bound Discord's.
const maxSeconds = 8_640_000_000_000

func parseSeconds(b []byte) (int64, bool) {
	number := bytes.TrimPrefix(b, []byte("-"))
	if !digits(number) || len(number) > 17 {
		return 0, false
	}
	var n int64
	for _, d := range number {
		n = n*10 + int64(d-'0')
	}
	if n > maxSeconds {
		return 0, false
	}
	if len(number) < len(b) {
		n = -n
	}
	return n, true
}

// customEmoji: :name:id or a:name:id.
func customEmoji(token []byte) bool {
	if token[0] == 'a' {
		token = token[1:]
	}
	if len(token) == 0 || token[0] != ':' {
		return false
	}
	name, id, ok := bytes.Cut(token[1:], []byte(":"))
	return ok && len(name) <= maxNameBytes && digits(id) && all(name, func(b byte) bool { return wordByte(b) || b == '~' || b == '-' })
}

func digits(b []byte) bool {
	return len(b) <= maxIDDigits && all(b, func(b byte) bool { return '0' <= b && b <= '9' })
}

// all says that b is not empty and every byte of it is fine.
func all(b []byte, fine func(byte) bool) bool {
	for _, c := range b {
		if !fine(c) {
			return false
		}
	}
	return len(b) > 0
}

func wordByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_'
}
