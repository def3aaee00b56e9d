package discordsim

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// The kinds of Event.
const (
	EventMessage   = "message"
	EventEdit      = "edit"
	EventDelete    = "delete"
	EventTyping    = "typing"
	EventThread    = "thread"
	EventChannel   = "channel" // made or changed
	EventGone      = "gone"    // a channel or thread was deleted
	EventGuild     = "guild"
	EventResponse  = "response" // an interaction was answered, edited or followed up
	EventConnected = "connected"
	EventIdentify  = "identify"
	EventResume    = "resume"
	EventClosed    = "closed"
)

// Event is one change of the world, for a page that shows it live.
type Event struct {
	Kind        string       `json:"kind"`
	At          time.Time    `json:"at"`
	Guild       ID           `json:"guild,omitempty"`
	Channel     ID           `json:"channel,omitempty"`
	User        ID           `json:"user,omitempty"`
	Message     *Message     `json:"message,omitempty"`
	Thread      *Channel     `json:"thread,omitempty"`
	Interaction *Interaction `json:"interaction,omitempty"`
	Session     string       `json:"session,omitempty"`
}

// stream tells waiters and subscribers that something changed. Guarded by Server.mu.
type stream struct {
	version uint64
	changed chan struct{} // closed at the next change
	waiting bool          // somebody holds changed
	subs    map[*Subscription]struct{}
}

func (st *stream) init() {
	st.changed, st.subs = make(chan struct{}), map[*Subscription]struct{}{}
}

// unlock ends a critical section that may have changed something.
func (s *Server) unlock() {
	s.stream.version++
	if s.stream.waiting {
		close(s.stream.changed)
		s.stream.changed, s.stream.waiting = make(chan struct{}), false
	}
	s.mu.Unlock()
}

func (s *Server) watch() (version uint64, changed <-chan struct{}) {
	s.lock()
	defer s.mu.Unlock()
	s.stream.waiting = true
	return s.stream.version, s.stream.changed
}

// WaitFor blocks until cond holds, which is asked once and then after changes of the
// world or the books, never on a timer. cond may call any method of s; cheap ones
// (Counts, Replies of one question) keep waiting cheap.
func (s *Server) WaitFor(ctx context.Context, cond func() bool) error {
	for {
		_, changed := s.watch()
		if cond() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the simulated Discord: %w", ctx.Err())
		}
	}
}

// Subscription delivers events in order. A reader that is slower than its buffer
// loses the newest ones, which Lost counts.
type Subscription struct {
	C    <-chan Event
	c    chan Event
	lost atomic.Int64
	srv  *Server
}

// Lost is the number of events that did not fit into the buffer.
func (sub *Subscription) Lost() int64 { return sub.lost.Load() }

// Close ends the subscription and closes C. Twice is fine.
func (sub *Subscription) Close() {
	sub.srv.lock()
	defer sub.srv.mu.Unlock()
	if _, on := sub.srv.stream.subs[sub]; on {
		delete(sub.srv.stream.subs, sub)
		close(sub.c)
	}
}

// Subscribe starts delivering events; buffer 0 means 1024.
func (s *Server) Subscribe(buffer int) *Subscription {
	c := make(chan Event, orDefault(buffer, 1024))
	sub := &Subscription{C: c, c: c, srv: s}
	s.lock()
	defer s.mu.Unlock()
	s.stream.subs[sub] = struct{}{}
	return sub
}

// emit hands an event to the subscribers; make is called only if there are any.
func (s *Server) emit(build func() Event) {
	if len(s.stream.subs) == 0 {
		return
	}
	e := build()
	e.At = s.now()
	for sub := range s.stream.subs {
		select {
		case sub.c <- e:
		default:
			sub.lost.Add(1)
		}
	}
}
