package discordsim

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// Close codes (docs: topics/opcodes-and-status-codes, "Gateway Close Event Codes").
const (
	closeUnknownError         = 4000
	closeUnknownOpcode        = 4001
	closeDecodeError          = 4002
	closeNotAuthenticated     = 4003
	closeAuthenticationFailed = 4004
	closeAlreadyAuthenticated = 4005
	closeInvalidSeq           = 4007
	closeRateLimited          = 4008
	closeSessionTimedOut      = 4009
	closeInvalidShard         = 4010
	closeShardingRequired     = 4011
	closeInvalidAPIVersion    = 4012
	closeInvalidIntents       = 4013
	closeDisallowedIntents    = 4014
)

const (
	maxFrame      = 4096 // bytes that a client may send in one frame (docs: gateway, "Sending Events")
	sendsPerMin   = 120  // frames that a client may send in 60 s
	identifyGrace = time.Minute
)

func (s *Server) heartbeatInterval() time.Duration {
	return orDefault(s.HeartbeatInterval, 41250*time.Millisecond)
}

func (s *Server) sessionTTL() time.Duration { return orDefault(s.SessionTTL, 3*time.Minute) }

// serveGateway carries one WebSocket from upgrade to end.
func (s *Server) serveGateway(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if e := query.Get("compress"); e != "" && e != "zlib-stream" {
		http.Error(w, "discordsim speaks zlib-stream or no transport compression", http.StatusBadRequest)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	c := &conn{srv: s, ws: ws, host: r.Host, wake: make(chan struct{}, 1), done: make(chan struct{}), write: make(chan struct{}),
		zipStream: query.Get("compress") == "zlib-stream"}
	if !s.admit(c, r.URL.Path) {
		c.drop()
		return
	}
	go c.writeLoop()
	switch v := query.Get("v"); {
	case v != "9" && v != "10":
		c.closeWith(closeInvalidAPIVersion, "Invalid API version")
	case query.Get("encoding") != "json":
		c.closeWith(closeDecodeError, "discordsim speaks json only")
	case s.takeGatewayFault(&s.faults.helloLost):
		c.halfOpen()
	default:
		c.send(opHello, map[string]any{"heartbeat_interval": s.heartbeatInterval().Milliseconds(), "_trace": []string{"discordsim"}})
	}
	err = c.readLoop()
	close(c.done)
	<-c.write
	ws.Close()
	s.leave(c, err)
}

// admit books a new connection; it refuses while the server closes.
func (s *Server) admit(c *conn, path string) bool {
	s.lock()
	defer s.unlock()
	select {
	case <-s.closing:
		return false
	default:
	}
	c.book = s.books.connected(path, s.now())
	s.conns[c] = struct{}{}
	s.emit(func() Event { return Event{Kind: EventConnected} })
	return true
}

// leave frees the session, unless the client closed with 1000 or 1001, which ends it
// (docs: gateway, "Disconnecting").
func (s *Server) leave(c *conn, err error) {
	s.lock()
	defer s.unlock()
	delete(s.conns, c)
	c.book.Ended = s.now()
	var ce *websocket.CloseError
	if errors.As(err, &ce) {
		c.book.ClientCode = ce.Code
	}
	end := c.ending()
	if end != nil {
		c.book.ServerCode = end.Code
	}
	s.emit(func() Event { return Event{Kind: EventClosed, Session: c.book.Session} })
	ss := c.release()
	if ss == nil || !ss.detach(c, s.now()) {
		return
	}
	ended := end == nil && (c.book.ClientCode == websocket.CloseNormalClosure || c.book.ClientCode == websocket.CloseGoingAway)
	if ended || c.book.ServerCode == closeSessionTimedOut {
		s.end(ss)
	}
}

func (c *conn) readLoop() error {
	c.ws.SetReadLimit(1 << 20)
	c.ws.SetPingHandler(func(data string) error {
		if c.isSilent() {
			return nil
		}
		return c.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	})
	var window time.Time
	sent := 0
	for {
		c.armRead()
		kind, raw, err := c.ws.ReadMessage()
		if err != nil {
			if isTimeout(err) && c.session() != nil && !c.closing() {
				c.closeWith(closeSessionTimedOut, "Session timed out.")
			}
			return err
		}
		if c.isSilent() || c.closing() {
			continue
		}
		if now := c.srv.now(); now.Sub(window) >= time.Minute {
			window, sent = now, 0
		}
		if sent++; sent > sendsPerMin {
			c.closeWith(closeRateLimited, "Rate limited.")
			continue
		}
		p, ok := decodeFrame(kind, raw)
		if !ok {
			c.closeWith(closeDecodeError, "Error while decoding payload.")
			continue
		}
		c.srv.frame(c, p)
	}
}

// armRead sets how long the peer may be silent: two heartbeats, or a minute before
// IDENTIFY. A half-open connection is never ended by us.
func (c *conn) armRead() {
	switch {
	case c.isSilent():
		_ = c.ws.SetReadDeadline(time.Time{})
	case c.closing():
		// sayClose bounds the closing handshake.
	case c.session() == nil:
		_ = c.ws.SetReadDeadline(time.Now().Add(identifyGrace))
	default:
		_ = c.ws.SetReadDeadline(time.Now().Add(2 * c.srv.heartbeatInterval()))
	}
}

func (c *conn) closing() bool { return c.ending() != nil }

func decodeFrame(kind int, raw []byte) (payload, bool) {
	var p payload
	if kind == websocket.BinaryMessage {
		z, err := zlib.NewReader(bytes.NewReader(raw))
		if err != nil {
			return p, false
		}
		if err := json.NewDecoder(z).Decode(&p); err != nil {
			return p, false
		}
		return p, true
	}
	return p, len(raw) <= maxFrame && json.Unmarshal(raw, &p) == nil
}

// frame acts on one client frame.
func (s *Server) frame(c *conn, p payload) {
	s.lock()
	defer s.unlock()
	ss := c.session()
	switch p.Op {
	case opHeartbeat:
		s.heartbeat(c, ss, p.D)
	case opIdentify:
		if ss != nil {
			c.closeWith(closeAlreadyAuthenticated, "Already authenticated.")
			return
		}
		s.identifyFrame(c, p.D)
	case opResume:
		if ss != nil {
			c.closeWith(closeAlreadyAuthenticated, "Already authenticated.")
			return
		}
		s.resumeFrame(c, p.D)
	case opPresence, opVoiceState, opRequestMembers:
		if ss == nil {
			c.closeWith(closeNotAuthenticated, "Not authenticated.")
		}
	default:
		c.closeWith(closeUnknownOpcode, "Unknown opcode.")
	}
}

func (s *Server) heartbeat(c *conn, ss *session, d json.RawMessage) {
	var seq *int64
	if err := json.Unmarshal(d, &seq); err != nil && len(d) > 0 {
		c.closeWith(closeDecodeError, "Error while decoding payload.")
		return
	}
	b := Heartbeat{At: s.now(), Acked: !s.faults.noACK}
	if seq != nil {
		b.Seq = *seq
	}
	c.book.beat(b)
	if ss != nil {
		ss.book.Heartbeats++
	}
	if b.Acked {
		c.send(opHeartbeatACK, nil)
	}
}
