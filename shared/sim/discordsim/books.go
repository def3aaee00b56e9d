package discordsim

import (
	"encoding/json"
	"time"
)

// Post is a message that the bot created: by POST messages, or as the answer or
// follow-up of an interaction.
type Post struct {
	Message
	AllowedMentions json.RawMessage `json:"allowed_mentions,omitempty"` // as sent; nil when absent
	EnforceNonce    bool            `json:"enforce_nonce,omitempty"`
	Body            json.RawMessage `json:"body,omitempty"` // as sent, see Server.KeepBodies
	Received        time.Time       `json:"received"`
}

// Ephemeral reports whether only the user of the interaction sees the post.
func (p Post) Ephemeral() bool { return p.Flags&FlagEphemeral != 0 }

// TypingCall is one POST typing of the bot.
type TypingCall struct {
	Channel ID        `json:"channel"`
	At      time.Time `json:"at"`
}

// Request is one REST call; Route is its method and template, as in
// "POST /channels/{channel}/messages".
type Request struct {
	At     time.Time     `json:"at"`
	Route  string        `json:"route"`
	Path   string        `json:"path"`
	Status int           `json:"status"`         // 0: the connection was dropped without an answer
	Code   int           `json:"code,omitempty"` // Discord's JSON error code
	Took   time.Duration `json:"took"`
}

// Violation is a request body that CheckRequest refused.
type Violation struct {
	Route string          `json:"route"`
	Body  json.RawMessage `json:"body"`
	Error string          `json:"error"`
}

// Counts are totals that cost nothing to read and that no bound cuts.
type Counts struct {
	Said         int `json:"said"`         // messages of users, webhooks and other bots
	Posts        int `json:"posts"`        // messages that the bot created
	Deduplicated int `json:"deduplicated"` // posts answered by an earlier message of the same nonce
	Edits        int `json:"edits"`        // by the bot
	Deletes      int `json:"deletes"`      // by the bot
	Typing       int `json:"typing"`
	Threads      int `json:"threads"` // opened by the bot
	Requests     int `json:"requests"`
	Limited      int `json:"limited"` // 429s
	Invalid      int `json:"invalid"` // 401, 403 and 429 that count towards the ban
	Identifies   int `json:"identifies"`
	Resumes      int `json:"resumes"`
	Connections  int `json:"connections"` // WebSockets ever opened
	Connected    int `json:"connected"`   // sessions with a live connection now
	Violations   int `json:"violations"`
}

// books are what the bot did. Guarded by Server.mu.
type books struct {
	counts     Counts
	posts      tail[Post]
	bodies     tail[int] // absolute indexes of posts that still have their body
	replies    map[ID][]int
	typing     tail[TypingCall]
	requests   tail[Request]
	byRoute    map[string]map[int]int // route → status → count
	violations []Violation
	conns      []*connBook
	sessions   []*sessionBook
}

// tail is a list that forgets its oldest elements; indexes are absolute.
type tail[T any] struct {
	items []T
	base  int // absolute index of items[0]
}

func (t *tail[T]) add(v T, keep int) int {
	t.items = append(t.items, v)
	if len(t.items) > keep+keep/4 { // trim seldom: copying costs
		n := len(t.items) - keep
		t.base += n
		t.items = append(make([]T, 0, keep+keep/4+1), t.items[n:]...)
	}
	return t.base + len(t.items) - 1
}

func (t *tail[T]) at(i int) *T {
	if i < t.base || i >= t.base+len(t.items) {
		return nil
	}
	return &t.items[i-t.base]
}

func (t *tail[T]) since(i int) []T {
	return append([]T{}, t.items[min(max(i-t.base, 0), len(t.items)):]...)
}

// keep turns a setting (0: default, negative: none) into a length.
func keep(n, def int) int { return max(orDefault(n, def), 0) }

func (s *Server) keepPosts() int { return keep(s.KeepPosts, 100_000) }

func (s *Server) bookPost(m *Message, req *messageRequest, raw []byte) {
	b := &s.books
	b.counts.Posts++
	p := Post{Message: m.clone(), Received: s.now()}
	if req != nil {
		p.AllowedMentions, p.EnforceNonce = req.allowedRaw, req.EnforceNonce
	}
	bodies := keep(s.KeepBodies, 10_000)
	if bodies > 0 {
		p.Body = raw
	}
	i := b.posts.add(p, s.keepPosts())
	if raw != nil && bodies > 0 {
		before := b.bodies.base
		b.bodies.add(i, bodies)
		for old := before; old < b.bodies.base; old++ {
			if post := b.posts.at(old); post != nil {
				post.Body = nil
			}
		}
	}
	question := m.Reference
	if ch := s.channels[m.Channel]; question == 0 && ch != nil && ch.isThread() {
		question = m.Channel // a thread has the id of the message that it stands on
	}
	if question != 0 {
		if b.replies == nil {
			b.replies = map[ID][]int{}
		}
		b.replies[question] = append(b.replies[question], i)
	}
}

// Posts are the messages that the bot created, oldest first (see KeepPosts).
func (s *Server) Posts() []Post { return s.PostsSince(0) }

// PostsSince leaves out the first n posts ever made, for readers that go on where they
// stopped.
func (s *Server) PostsSince(n int) []Post {
	s.lock()
	defer s.mu.Unlock()
	return s.books.posts.since(n)
}

// Replies are the bot's posts that reference a message, and those without reference
// that stand in the thread opened on it.
func (s *Server) Replies(message ID) []Post {
	s.lock()
	defer s.mu.Unlock()
	var out []Post
	for _, i := range s.books.replies[message] {
		if p := s.books.posts.at(i); p != nil {
			out = append(out, *p)
		}
	}
	return out
}

// ReplyCount is the number of Replies, also of those that the books have forgotten.
func (s *Server) ReplyCount(message ID) int {
	s.lock()
	defer s.mu.Unlock()
	return len(s.books.replies[message])
}

// ReplyCounts are the ReplyCount of many messages at once, zeros included.
func (s *Server) ReplyCounts(messages []ID) map[ID]int {
	s.lock()
	defer s.mu.Unlock()
	out := make(map[ID]int, len(messages))
	for _, id := range messages {
		out[id] = len(s.books.replies[id])
	}
	return out
}

// Typing are the bot's typing calls in a channel, or everywhere if channel is zero.
func (s *Server) Typing(channel ID) []TypingCall {
	s.lock()
	defer s.mu.Unlock()
	var out []TypingCall
	for _, t := range s.books.typing.items {
		if channel == 0 || t.Channel == channel {
			out = append(out, t)
		}
	}
	return out
}

// Threads are the threads that the bot opened and that still exist.
func (s *Server) Threads() []Channel {
	s.lock()
	defer s.mu.Unlock()
	var out []Channel
	for _, id := range s.guildOrder {
		g := s.guilds[id]
		if g == nil {
			continue
		}
		for _, id := range g.channels {
			if ch := s.channels[id]; ch.isThread() && ch.Owner == s.bot.ID {
				out = append(out, ch.snapshot())
			}
		}
	}
	return out
}

// Requests are the REST calls, oldest first (see KeepPosts).
func (s *Server) Requests() []Request {
	s.lock()
	defer s.mu.Unlock()
	return s.books.requests.since(0)
}

// RequestCounts are all REST calls by route and status.
func (s *Server) RequestCounts() map[string]map[int]int {
	s.lock()
	defer s.mu.Unlock()
	out := map[string]map[int]int{}
	for route, statuses := range s.books.byRoute {
		out[route] = map[int]int{}
		for status, n := range statuses {
			out[route][status] = n
		}
	}
	return out
}

// Violations are the first 100 request bodies that CheckRequest refused.
func (s *Server) Violations() []Violation {
	s.lock()
	defer s.mu.Unlock()
	return append([]Violation(nil), s.books.violations...)
}

// Counts are the totals so far.
func (s *Server) Counts() Counts {
	s.lock()
	defer s.mu.Unlock()
	c := s.books.counts
	for _, ss := range s.sessions {
		if ss.connected() {
			c.Connected++
		}
	}
	return c
}

// Messages are what stands in a channel, oldest first, whoever wrote it.
func (s *Server) Messages(channel ID) []Message {
	s.lock()
	defer s.mu.Unlock()
	var out []Message
	for _, id := range s.history[channel] {
		out = append(out, s.messages[id].clone())
	}
	return out
}

// Message looks up one message; false when it was deleted or never existed.
func (s *Server) Message(id ID) (Message, bool) {
	s.lock()
	defer s.mu.Unlock()
	if m := s.messages[id]; m != nil {
		return m.clone(), true
	}
	return Message{}, false
}
