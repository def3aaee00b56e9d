package discordsim

import (
	"encoding/json"
	"time"
)

// Heartbeat is one op 1 of a client.
type Heartbeat struct {
	At    time.Time `json:"at"`
	Seq   int64     `json:"seq"`
	Acked bool      `json:"acked"`
}

// Connection is the story of one WebSocket.
type Connection struct {
	Path        string      `json:"path"` // "/resume..." when the client used resume_gateway_url
	Started     time.Time   `json:"started"`
	Ended       time.Time   `json:"ended,omitzero"`
	Session     string      `json:"session,omitempty"`
	Resumed     bool        `json:"resumed,omitempty"`
	ResumedFrom int64       `json:"resumed_from,omitempty"` // seq of the RESUME
	Refused     int         `json:"refused,omitempty"`      // close code that IDENTIFY or RESUME earned
	Invalidated int         `json:"invalidated,omitempty"`  // op 9 sent
	ClientCode  int         `json:"client_code,omitempty"`  // close code from the client; 1006: none came
	ServerCode  int         `json:"server_code,omitempty"`  // close code that we sent
	Heartbeats  []Heartbeat `json:"heartbeats,omitempty"`   // the last 100
}

type connBook struct{ Connection }

const keepHeartbeats = 100

func (b *connBook) beat(h Heartbeat) {
	if len(b.Heartbeats) >= keepHeartbeats {
		b.Heartbeats = append([]Heartbeat(nil), b.Heartbeats[len(b.Heartbeats)-keepHeartbeats/2:]...)
	}
	b.Heartbeats = append(b.Heartbeats, h)
}

// Session is the story of one session: an IDENTIFY and its RESUMEs.
type Session struct {
	ID         string          `json:"id"`
	Shard      int             `json:"shard"`
	Count      int             `json:"count"`
	Intents    Intent          `json:"intents"`
	Compress   bool            `json:"compress,omitempty"`
	Properties json.RawMessage `json:"properties,omitempty"`
	Identified time.Time       `json:"identified"`
	Resumes    []time.Time     `json:"resumes,omitempty"`
	Heartbeats int             `json:"heartbeats,omitempty"`
	Connected  bool            `json:"connected,omitempty"`
	Ended      bool            `json:"ended,omitempty"` // can't be resumed any more
}

type sessionBook struct {
	Session
	living *session // nil once it has ended
}

// maxConnBooks bounds both lists; the oldest half goes.
const maxConnBooks = 10_000

func (b *books) connected(path string, now time.Time) *connBook {
	if len(b.conns) >= maxConnBooks {
		b.conns = append([]*connBook(nil), b.conns[maxConnBooks/2:]...)
	}
	c := &connBook{Connection{Path: path, Started: now}}
	b.conns = append(b.conns, c)
	b.counts.Connections++
	return c
}

func (b *books) identified(ss *session, c *conn, now time.Time, d identifyData) *sessionBook {
	if len(b.sessions) >= maxConnBooks {
		b.sessions = append([]*sessionBook(nil), b.sessions[maxConnBooks/2:]...)
	}
	book := &sessionBook{Session{ID: ss.id, Shard: ss.shard, Count: ss.count, Intents: ss.intents,
		Compress: ss.compress, Properties: d.Properties, Identified: now}, ss}
	b.sessions = append(b.sessions, book)
	b.counts.Identifies++
	c.book.Session = ss.id
	return book
}

func (b *books) resumed(ss *session, c *conn, now time.Time, seq int64) {
	b.counts.Resumes++
	ss.book.Resumes = append(ss.book.Resumes, now)
	c.book.Session, c.book.Resumed, c.book.ResumedFrom = ss.id, true, seq
}

func (ss *session) connected() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.conn != nil
}

// Sessions are all sessions that IDENTIFY made, oldest first.
func (s *Server) Sessions() []Session {
	s.lock()
	defer s.mu.Unlock()
	out := make([]Session, 0, len(s.books.sessions))
	for _, b := range s.books.sessions {
		one := b.Session
		one.Resumes = append([]time.Time(nil), one.Resumes...)
		one.Connected = b.living != nil && b.living.connected()
		out = append(out, one)
	}
	return out
}

// Connections are all WebSockets that were opened, oldest first.
func (s *Server) Connections() []Connection {
	s.lock()
	defer s.mu.Unlock()
	out := make([]Connection, 0, len(s.books.conns))
	for _, b := range s.books.conns {
		one := b.Connection
		one.Heartbeats = append([]Heartbeat(nil), one.Heartbeats...)
		out = append(out, one)
	}
	return out
}
