package discordsim

import (
	"fmt"
	"slices"
)

// SayOpts are what a message has besides its text. The zero value is a plain message.
type SayOpts struct {
	ReplyTo     ID           `json:"reply_to,omitempty"`
	NoPing      bool         `json:"no_ping,omitempty"` // the reply does not mention its author
	Type        MessageType  `json:"type,omitempty"`    // system messages; replies become type 19 by themselves
	Webhook     ID           `json:"webhook,omitempty"` // posted by this webhook under the user's name
	Attachments []Attachment `json:"attachments,omitempty"`
	Stickers    []Sticker    `json:"stickers,omitempty"`
	Forwarded   []string     `json:"forwarded,omitempty"` // texts of forwarded messages; the text stays empty with Discord
	Nonce       string       `json:"nonce,omitempty"`
}

// Say posts a message as a user (or another bot). It checks that channel and user
// exist and that the user can see the channel, not rate limits.
func (s *Server) Say(channel, user ID, text string, opts ...SayOpts) (Message, error) {
	var o SayOpts
	if len(opts) > 0 {
		o = opts[0]
	}
	s.lock()
	defer s.unlock()
	ch := s.channels[channel]
	if ch == nil || !ch.text() {
		return Message{}, fmt.Errorf("say in channel %s: no such text channel", channel)
	}
	if s.users[user] == nil {
		return Message{}, fmt.Errorf("say as %s: unknown user", user)
	}
	if ch.Guild != 0 && o.Webhook == 0 && s.guilds[ch.Guild].members[user] == nil {
		return Message{}, fmt.Errorf("say as %s in channel %s: not a member of its guild", user, channel)
	}
	if o.Webhook != 0 { // the author of a webhook's message is the webhook, marked as bot
		s.users[o.Webhook] = &User{ID: o.Webhook, Name: s.users[user].Name, Bot: true}
		user = o.Webhook
	}
	now := s.now()
	m := &Message{ID: s.ids.next(now), Channel: ch.ID, Guild: ch.Guild, Author: user, Content: text, Type: o.Type,
		Nonce: o.Nonce, Created: now, Webhook: o.Webhook, Attachments: o.Attachments, Stickers: o.Stickers, Snapshots: o.Forwarded}
	if o.ReplyTo != 0 {
		m.Reference, m.ReferenceIn = o.ReplyTo, ch.ID
		if m.Type == Default {
			m.Type = Reply
		}
	}
	if len(o.Forwarded) > 0 {
		m.Type, m.Flags = Default, m.Flags|FlagSnapshot
		m.Reference, m.ReferenceIn = orDefault(m.Reference, s.ids.next(now)), ch.ID
	}
	policy := everything
	policy.reply = !o.NoPing
	s.resolve(m, ch, policy)
	s.wakeThread(ch, user)
	s.books.counts.Said++
	s.store(m, ch)
	return m.clone(), nil
}

// wakeThread: posting into an archived thread un-archives it and joins the author.
func (s *Server) wakeThread(ch *Channel, user ID) {
	if !ch.isThread() {
		return
	}
	if !ch.hasMember(user) {
		ch.Members = append(ch.Members[:len(ch.Members):len(ch.Members)], user)
	}
	if ch.Archived {
		ch.Archived = false
		s.threadEvent("THREAD_UPDATE", ch)
	}
}

// Edit changes a message's text as its author, or anything else's text for tests.
func (s *Server) Edit(message ID, text string) (Message, error) {
	s.lock()
	defer s.unlock()
	m := s.messages[message]
	if m == nil {
		return Message{}, fmt.Errorf("edit message %s: no such message", message)
	}
	out := *m
	out.Content, out.Edited = text, s.now()
	policy := everything
	policy.reply = false
	s.resolve(&out, s.channels[m.Channel], policy)
	for _, id := range m.Mentions { // an edit takes no reply mention away
		if ref := s.messages[m.Reference]; ref != nil && ref.Author == id && !slices.Contains(out.Mentions, id) {
			out.Mentions = append(out.Mentions, id)
		}
	}
	return s.change(out).clone(), nil
}

// Embed lets Discord add a link preview: a MESSAGE_UPDATE that is no edit of anybody.
func (s *Server) Embed(message ID) error {
	s.lock()
	defer s.unlock()
	m := s.messages[message]
	if m == nil {
		return fmt.Errorf("embed into message %s: no such message", message)
	}
	out := *m
	out.Embeds = []byte(`[{"type":"link","url":"https://example.com/","title":"Example"}]`)
	s.change(out)
	return nil
}

// Delete removes a message as its author or a moderator.
func (s *Server) Delete(message ID) error {
	s.lock()
	defer s.unlock()
	m := s.messages[message]
	if m == nil {
		return fmt.Errorf("delete message %s: no such message", message)
	}
	s.remove(m)
	return nil
}

// BulkDelete removes messages of one channel with a single MESSAGE_DELETE_BULK.
func (s *Server) BulkDelete(channel ID, messages ...ID) error {
	s.lock()
	defer s.unlock()
	ch := s.channels[channel]
	if ch == nil {
		return fmt.Errorf("bulk delete in %s: no such channel", channel)
	}
	gone := []ID{}
	for _, id := range messages {
		if m := s.messages[id]; m != nil && m.Channel == channel {
			gone = append(gone, id)
		}
	}
	for _, id := range gone {
		delete(s.messages, id)
	}
	kept := s.history[channel][:0:0]
	for _, id := range s.history[channel] {
		if s.messages[id] != nil {
			kept = append(kept, id)
		}
	}
	s.history[channel] = kept
	intent := IntentDirectMessages
	if ch.Guild != 0 {
		intent = IntentGuildMessages
	}
	s.dispatch(event{name: "MESSAGE_DELETE_BULK", guild: ch.Guild, intent: intent, channel: ch,
		data: map[string]any{"ids": gone, "channel_id": channel, "guild_id": ch.Guild}})
	s.emit(func() Event { return Event{Kind: EventDelete, Guild: ch.Guild, Channel: channel} })
	return nil
}

// TypeAs shows a user typing.
func (s *Server) TypeAs(channel, user ID) error {
	s.lock()
	defer s.unlock()
	ch := s.channels[channel]
	if ch == nil || s.users[user] == nil {
		return fmt.Errorf("type as %s in %s: no such user or channel", user, channel)
	}
	s.typing(ch, user)
	return nil
}

func (s *Server) typing(ch *Channel, user ID) {
	data := map[string]any{"channel_id": ch.ID, "user_id": user, "timestamp": s.now().Unix()}
	intent := IntentDirectTyping
	if ch.Guild != 0 {
		intent, data["guild_id"], data["member"] = IntentGuildTyping, ch.Guild, s.wireFullMember(ch.Guild, user)
	}
	s.dispatch(event{name: "TYPING_START", guild: ch.Guild, intent: intent, channel: ch, data: data})
	s.emit(func() Event { return Event{Kind: EventTyping, Guild: ch.Guild, Channel: ch.ID, User: user} })
}
