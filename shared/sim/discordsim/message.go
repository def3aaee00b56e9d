package discordsim

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

// maxContent is the length of a message's content (docs: resources/message, "Create
// Message"). Discord does not say in which unit; UTF-16 units are the strictest reading.
const maxContent = 2000

func utf16Len(text string) int {
	n := 0
	for _, r := range text {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// store puts a message at the end of its channel and tells the bot.
func (s *Server) store(m *Message, ch *Channel) {
	s.messages[m.ID] = m
	list := append(s.history[ch.ID], m.ID)
	if s.KeepMessages > 0 && len(list) > s.KeepMessages+s.KeepMessages/4 {
		n := len(list) - s.KeepMessages
		for _, id := range list[:n] {
			delete(s.messages, id)
		}
		list = append(make([]ID, 0, s.KeepMessages+s.KeepMessages/4+1), list[n:]...)
	}
	s.history[ch.ID] = list
	ch.LastMessage, ch.active = m.ID, m.Created
	s.messageEvent("MESSAGE_CREATE", m)
	s.emit(func() Event {
		msg := m.clone()
		return Event{Kind: EventMessage, Guild: m.Guild, Channel: ch.ID, User: m.Author, Message: &msg}
	})
}

// change replaces a stored message by an altered copy (handed-out copies stay as they are).
func (s *Server) change(m Message) *Message {
	s.messages[m.ID] = &m
	s.messageEvent("MESSAGE_UPDATE", &m)
	s.emit(func() Event {
		msg := m
		return Event{Kind: EventEdit, Guild: m.Guild, Channel: m.Channel, User: m.Author, Message: &msg}
	})
	return &m
}

// remove deletes a message; a thread that stands on it stays.
func (s *Server) remove(m *Message) {
	delete(s.messages, m.ID)
	list := s.history[m.Channel]
	if i, ok := slices.BinarySearch(list, m.ID); ok {
		s.history[m.Channel] = slices.Delete(list, i, i+1)
	}
	data := map[string]any{"id": m.ID, "channel_id": m.Channel}
	intent := IntentDirectMessages
	if m.Guild != 0 {
		data["guild_id"], intent = m.Guild, IntentGuildMessages
	}
	s.dispatch(event{name: "MESSAGE_DELETE", guild: m.Guild, intent: intent, channel: s.channels[m.Channel], data: data})
	s.emit(func() Event {
		msg := m.clone()
		return Event{Kind: EventDelete, Guild: m.Guild, Channel: m.Channel, Message: &msg}
	})
}

var (
	userMention = regexp.MustCompile(`<@!?(\d+)>`)
	roleMention = regexp.MustCompile(`<@&(\d+)>`)
)

// pingPolicy is what a message may ping. The zero value pings nobody.
type pingPolicy struct {
	users, roles    bool
	onlyUsers       []ID
	onlyRoles       []ID
	everyone, reply bool
}

// everything is how Discord reads a message without allowed_mentions.
var everything = pingPolicy{users: true, roles: true, everyone: true, reply: true}

// resolve fills in whom the text pings. Users and roles that don't exist are text.
func (s *Server) resolve(m *Message, ch *Channel, p pingPolicy) {
	m.Mentions, m.MentionRoles, m.Everyone = nil, nil, false
	for _, id := range mentioned(userMention, m.Content) {
		if s.users[id] != nil && (p.users || slices.Contains(p.onlyUsers, id)) && !slices.Contains(m.Mentions, id) {
			m.Mentions = append(m.Mentions, id)
		}
	}
	if ref := s.messages[m.Reference]; ref != nil && m.Type == Reply && p.reply && ref.Author != m.Author && !slices.Contains(m.Mentions, ref.Author) {
		m.Mentions = append(m.Mentions, ref.Author)
	}
	g := s.guilds[m.Guild]
	if g == nil {
		return
	}
	for _, id := range mentioned(roleMention, m.Content) {
		if g.roles[id] != nil && (p.roles || slices.Contains(p.onlyRoles, id)) && !slices.Contains(m.MentionRoles, id) {
			m.MentionRoles = append(m.MentionRoles, id)
		}
	}
	if p.everyone && (strings.Contains(m.Content, "@everyone") || strings.Contains(m.Content, "@here")) {
		m.Everyone = m.Webhook != 0 || s.permissionsIn(ch, m.Author).Has(MentionEveryone)
	}
}

func mentioned(re *regexp.Regexp, text string) []ID {
	if !strings.Contains(text, "<@") {
		return nil
	}
	var out []ID
	for _, hit := range re.FindAllStringSubmatch(text, -1) {
		if id, err := ParseID(hit[1]); err == nil {
			out = append(out, id)
		}
	}
	return out
}

// nonceBook remembers which message a nonce made, for the documented "past few minutes".
type nonceBook struct {
	made  map[nonceKey]nonceEntry
	swept time.Time
}

type nonceKey struct {
	author ID
	nonce  string
}

type nonceEntry struct {
	message ID
	at      time.Time
}

func (n *nonceBook) find(author ID, nonce string, now time.Time, window time.Duration) (ID, bool) {
	e, ok := n.made[nonceKey{author, nonce}]
	return e.message, ok && now.Sub(e.at) < window
}

func (n *nonceBook) add(author ID, nonce string, message ID, now time.Time, window time.Duration) {
	if n.made == nil {
		n.made = map[nonceKey]nonceEntry{}
	}
	if now.Sub(n.swept) > window {
		for k, e := range n.made {
			if now.Sub(e.at) >= window {
				delete(n.made, k)
			}
		}
		n.swept = now
	}
	n.made[nonceKey{author, nonce}] = nonceEntry{message, now}
}

// ForgetNonces ends the window of all nonces at once, as if minutes had passed.
func (s *Server) ForgetNonces() {
	s.lock()
	defer s.unlock()
	s.nonces = nonceBook{}
}
