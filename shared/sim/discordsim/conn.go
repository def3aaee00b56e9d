package discordsim

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// The gateway's opcodes (docs: topics/opcodes-and-status-codes).
const (
	opDispatch       = 0
	opHeartbeat      = 1
	opIdentify       = 2
	opPresence       = 3
	opVoiceState     = 4
	opResume         = 6
	opReconnect      = 7
	opRequestMembers = 8
	opInvalidSession = 9
	opHello          = 10
	opHeartbeatACK   = 11
)

const (
	writeTimeout = 10 * time.Second // for a peer that doesn't read
	closeGrace   = 2 * time.Second  // for the peer to answer a close frame
	writeBatch   = 64               // log entries fetched at once
)

// conn is one WebSocket. One goroutine reads it, one writes it.
type conn struct {
	srv   *Server
	ws    *websocket.Conn
	host  string // as the client knows us
	book  *connBook
	wake  chan struct{} // capacity 1
	done  chan struct{} // closed when the reader has ended
	write chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	ctl     [][]byte // frames that are not part of the session's log
	sess    *session
	cursor  int64 // last seq that was written
	resumed int64 // seq of this connection's own RESUMED
	silent  bool  // half-open: neither reads nor writes mean anything any more
	end     *websocket.CloseError

	zip       bytes.Buffer // writer goroutine only
	zipWriter *zlib.Writer
	zipStream bool // transport compression: one zlib stream for all frames
}

func (c *conn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// send queues a frame in front of the session's events.
func (c *conn) send(op int, d any) {
	raw := mustJSON(map[string]any{"op": op, "d": d, "s": nil, "t": nil})
	c.mu.Lock()
	c.ctl = append(c.ctl, raw)
	c.mu.Unlock()
	c.poke()
}

// closeWith sends what is queued, then a close frame.
func (c *conn) closeWith(code int, reason string) {
	c.mu.Lock()
	if c.end == nil {
		c.end = &websocket.CloseError{Code: code, Text: reason}
	}
	c.mu.Unlock()
	c.poke()
}

// drop ends the TCP connection with a reset.
func (c *conn) drop() { reset(c.ws.NetConn()) }

// halfOpen keeps the TCP connection and ignores it from now on.
func (c *conn) halfOpen() {
	c.mu.Lock()
	c.silent = true
	c.mu.Unlock()
}

func (c *conn) isSilent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent
}

// session is the session that the connection carries, nil before IDENTIFY.
func (c *conn) session() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sess
}

// carry puts the session's events past seq on this connection.
func (c *conn) carry(ss *session, seq, resumed int64) {
	c.mu.Lock()
	c.sess, c.cursor, c.resumed = ss, seq, resumed
	c.mu.Unlock()
	c.poke()
}

func (c *conn) release() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	ss := c.sess
	c.sess = nil
	return ss
}

// next takes what is to be written: control frames first, then events.
func (c *conn) next() (frames [][]byte, compressed bool, end *websocket.CloseError, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silent {
		return nil, false, nil, nil
	}
	frames, c.ctl = c.ctl, nil
	if c.sess != nil {
		compressed = c.sess.compress
		if len(frames) == 0 && c.end == nil {
			batch, ok := c.sess.after(c.cursor, writeBatch)
			if !ok {
				return nil, false, nil, fmt.Errorf("peer fell behind the replay buffer")
			}
			for _, e := range batch {
				c.cursor = e.seq
				if e.replay || e.seq == c.resumed {
					frames = append(frames, e.frame())
				}
			}
			if len(batch) > 0 && len(frames) == 0 {
				c.poke()
			}
		}
	}
	if len(frames) == 0 {
		end = c.end
	}
	return frames, compressed, end, nil
}

func (c *conn) writeLoop() {
	defer close(c.write)
	for {
		frames, compressed, end, err := c.next()
		if err != nil {
			c.drop()
			return
		}
		if end != nil {
			c.sayClose(end)
			return
		}
		for _, f := range frames {
			if err := c.writeFrame(f, compressed); err != nil {
				c.drop()
				return
			}
		}
		if len(frames) > 0 {
			continue
		}
		select {
		case <-c.wake:
		case <-c.done:
			if end := c.ending(); end != nil {
				c.sayClose(end)
			}
			return
		}
	}
}

// sayClose sends the close frame and waits a little for the peer to answer it.
func (c *conn) sayClose(end *websocket.CloseError) {
	msg := websocket.FormatCloseMessage(end.Code, end.Text)
	_ = c.ws.WriteControl(websocket.CloseMessage, msg, time.Now().Add(writeTimeout))
	t := time.NewTimer(closeGrace)
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
		c.drop()
	}
}

// ending is the close frame that was decided on, or nil.
func (c *conn) ending() *websocket.CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

func (c *conn) writeFrame(f []byte, compressed bool) error {
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeTimeout))
	if !compressed && !c.zipStream {
		return c.ws.WriteMessage(websocket.TextMessage, f)
	}
	c.zip.Reset()
	if c.zipWriter == nil {
		c.zipWriter = zlib.NewWriter(&c.zip)
	} else if !c.zipStream {
		c.zipWriter.Reset(&c.zip)
	}
	if _, err := c.zipWriter.Write(f); err != nil {
		return err
	}
	finish := c.zipWriter.Close
	if c.zipStream {
		finish = c.zipWriter.Flush // every message ends with 00 00 FF FF
	}
	if err := finish(); err != nil {
		return err
	}
	return c.ws.WriteMessage(websocket.BinaryMessage, c.zip.Bytes())
}

// payload is a frame as clients send it.
type payload struct {
	Op int             `json:"op"`
	D  json.RawMessage `json:"d"`
}

// isTimeout tells a missing heartbeat from a closed connection.
func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}
