package discordsim

import (
	"strings"
	"time"
)

// Fault is something that goes wrong with REST requests, once or more often.
type Fault struct {
	// Route limits the fault to one route, e.g. "POST /channels/{channel}/messages",
	// or to a prefix of one ("POST "). "": all.
	Route string `json:"route,omitempty"`

	Delay time.Duration `json:"delay,omitempty"` // before anything else; nanoseconds in JSON

	// One of these, checked in this order; none: only the delay.
	DropBefore bool `json:"drop_before,omitempty"` // reset the connection; nothing was done
	DropAfter  bool `json:"drop_after,omitempty"`  // do it, then reset the connection: the answer is lost
	Status     int  `json:"status,omitempty"`      // answer this, and do nothing

	// Of Status answers.
	HTML        bool    `json:"html,omitempty"`         // a proxy's page in place of JSON
	Code        int     `json:"code,omitempty"`         // Discord's JSON error code
	RetryAfter  float64 `json:"retry_after,omitempty"`  // seconds, for 429 (0: 1 s)
	Scope       string  `json:"scope,omitempty"`        // of a 429: user (default), shared, global
	BareHeaders bool    `json:"bare_headers,omitempty"` // a 429 without any rate-limit header

	Times int     `json:"times,omitempty"` // 0: once, negative: until ClearFaults
	Rate  float64 `json:"rate,omitempty"`  // chance per request, drawn from Server.Seed; 0: always
}

// faultSet holds what was injected. Guarded by Server.mu.
type faultSet struct {
	list              []*Fault
	refuseUntil       time.Time
	helloLost         int
	reconnectOnResume int
	invalidOnResume   int
	noACK             bool
}

// Inject adds faults; those injected first are asked first, one hits per request.
func (s *Server) Inject(list ...Fault) {
	s.lock()
	defer s.unlock()
	for _, f := range list {
		f.Times = orDefault(f.Times, 1)
		s.faults.list = append(s.faults.list, &f)
	}
}

// ClearFaults ends all faults of REST and of the gateway.
func (s *Server) ClearFaults() {
	s.lock()
	defer s.unlock()
	s.faults = faultSet{}
}

// PendingFaults is the number of injected REST faults that have not run out.
func (s *Server) PendingFaults() int {
	s.lock()
	defer s.mu.Unlock()
	return len(s.faults.list)
}

func (s *Server) takeFault(route string) (Fault, bool) {
	s.lock()
	defer s.unlock()
	for i, f := range s.faults.list {
		if f.Route != "" && !strings.HasPrefix(route, f.Route) {
			continue
		}
		if f.Rate > 0 && s.rand.Float64() >= f.Rate {
			continue
		}
		out := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults.list = append(s.faults.list[:i:i], s.faults.list[i+1:]...)
			}
		}
		return out, true
	}
	return Fault{}, false
}

// GatewayFault is the next mishap of the gateway protocol.
type GatewayFault struct {
	HelloLost         int  `json:"hello_lost,omitempty"`          // so many next connections get no HELLO, and silence
	ReconnectOnResume int  `json:"reconnect_on_resume,omitempty"` // op 7 is the first frame after so many RESUMEs
	InvalidOnResume   int  `json:"invalid_on_resume,omitempty"`   // so many RESUMEs get op 9 false
	NoACK             bool `json:"no_ack,omitempty"`              // heartbeats stay unanswered
}

// InjectGateway sets (not adds) the faults of the gateway protocol.
func (s *Server) InjectGateway(f GatewayFault) {
	s.lock()
	defer s.unlock()
	s.faults.helloLost, s.faults.reconnectOnResume = f.HelloLost, f.ReconnectOnResume
	s.faults.invalidOnResume, s.faults.noACK = f.InvalidOnResume, f.NoACK
}

func (*faultSet) takeLocked(n *int) bool {
	if *n <= 0 {
		return false
	}
	*n--
	return true
}

func (s *Server) takeGatewayFault(n *int) bool {
	s.lock()
	defer s.unlock()
	return s.faults.takeLocked(n)
}

// Refuse answers every new request and connection with a TCP reset for d (REST,
// gateway; not the admin API). Zero ends it.
func (s *Server) Refuse(d time.Duration) {
	s.lock()
	defer s.unlock()
	s.faults.refuseUntil = time.Now().Add(d)
}

func (s *Server) refusing() bool {
	s.lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.faults.refuseUntil)
}

// CloseSockets closes every WebSocket: with a close code, or with a TCP reset if code
// is 0. It returns how many.
func (s *Server) CloseSockets(code int) int {
	return s.eachConn(func(c *conn) {
		if code == 0 {
			c.drop()
			return
		}
		c.closeWith(code, "Closed by the simulator.")
	})
}

// HalfOpen keeps the TCP connections of all WebSockets and lets them fall silent:
// nothing is read, answered or sent any more. Their sessions stay resumable.
func (s *Server) HalfOpen() int {
	return s.eachConn(func(c *conn) {
		c.halfOpen()
		if ss := c.release(); ss != nil {
			ss.detach(c, s.now())
		}
	})
}

// AskReconnect sends op 7 on every connection.
func (s *Server) AskReconnect() int {
	return s.eachConn(func(c *conn) { c.send(opReconnect, nil) })
}

// InvalidateSessions sends op 9 on every connection: true leaves the session
// resumable, false ends it (the client may IDENTIFY on the same connection).
func (s *Server) InvalidateSessions(resumable bool) int {
	return s.eachConn(func(c *conn) {
		if ss := c.release(); ss != nil {
			ss.detach(c, s.now())
			if !resumable {
				s.end(ss)
			}
		}
		c.book.Invalidated++
		c.send(opInvalidSession, resumable)
	})
}

// AskHeartbeat sends op 1, which a client answers with a heartbeat at once.
func (s *Server) AskHeartbeat() int {
	return s.eachConn(func(c *conn) { c.send(opHeartbeat, nil) })
}

func (s *Server) eachConn(f func(*conn)) int {
	s.lock()
	defer s.unlock()
	for c := range s.conns {
		f(c)
	}
	return len(s.conns)
}
