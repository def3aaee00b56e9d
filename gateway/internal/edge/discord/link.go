package discord

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// endKind says why a connection to the gateway ended.
type endKind uint8

const (
	endLocal     endKind = iota // we closed it
	endReconnect                // Discord asked for it (op 7)
	endInvalid                  // the session is invalid (op 9)
	endClosed                   // a close frame with a code
	endDead                     // nothing heard for too long
	endNetwork                  // the connection broke
	endStuck                    // discordgo's session no longer answers
)

func (k endKind) String() string {
	return [...]string{"local", "reconnect", "invalid_session", "closed", "dead", "network", "stuck"}[k]
}

// ending is the error with which a link's reads end.
type ending struct {
	kind      endKind
	resumable bool   // of endInvalid
	code      int    // of endClosed
	text      string // for logs
	// unanswered says that HELLO came, but nothing after our IDENTIFY or RESUME.
	unanswered bool
}

// Error implements error.
func (e *ending) Error() string { return e.text }

// closedByLibrary is the ending of a link that discordgo closed; why is in the error of its Open.
const closedByLibrary = "closed by discordgo"

// writeTimeout bounds one write: discordgo holds a mutex meanwhile.
const writeTimeout = 10 * time.Second

// link is a connection to the gateway as discordgo sees it. It ends by itself when the peer falls silent, when Discord
// asks for a reconnect, and when the session is invalid: then reads return the [*ending], and writes are swallowed.
// Swallowed, not refused: discordgo answers a failed write with a Close of the whole session, which could meet the
// next connection, and a failed read with a close frame 1000, which would end the session on Discord's side.
type link struct {
	net.Conn
	handshake time.Duration
	deadAfter float64
	grace     time.Duration

	scan     scanner
	portion  [4096]byte
	interval time.Duration
	opened   bool // something came after HELLO

	writing sync.Mutex
	mu      sync.Mutex
	end     *ending
	done    chan struct{} // closed with the end
}

func newLink(c net.Conn, cfg Config) *link {
	l := &link{Conn: c, handshake: cfg.HandshakeTimeout, deadAfter: cfg.DeadAfter, grace: cfg.DeadGrace, done: make(chan struct{})}
	l.scan.blind = cfg.blind
	_ = c.SetReadDeadline(time.Now().Add(l.handshake))
	return l
}

// Read implements net.Conn. What came before the end is still read.
func (l *link) Read(p []byte) (int, error) {
	for {
		if n := copy(p, l.scan.out); n > 0 {
			if l.scan.out = l.scan.out[n:]; len(l.scan.out) == 0 {
				l.scan.out = nil
			}
			return n, nil
		}
		if end := l.ending(); end != nil {
			return 0, end
		}
		n, err := l.Conn.Read(l.portion[:])
		for _, sig := range l.scan.feed(l.portion[:n]) {
			l.heard(sig)
		}
		if err != nil {
			l.stop(l.readFailed(err))
		}
	}
}

func (l *link) readFailed(err error) *ending {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return &ending{kind: endNetwork, text: "connection lost: " + plain(err)}
	}
	if l.opened {
		return &ending{kind: endDead, text: fmt.Sprintf("no heartbeat acknowledged for %s", l.patience())}
	}
	return &ending{kind: endDead, unanswered: l.interval > 0, text: fmt.Sprintf("no HELLO, READY or RESUMED within %s", l.handshake)}
}

// patience is how long a live connection may go without an acknowledged heartbeat. However short the intervals are, an
// acknowledgement may be late by the grace on a busy machine.
func (l *link) patience() time.Duration {
	return max(time.Duration(l.deadAfter*float64(l.interval)), l.interval+l.grace)
}

func (l *link) heard(sig signal) {
	switch sig.kind {
	case sigHello:
		l.interval = sig.interval
		_ = l.Conn.SetReadDeadline(time.Now().Add(l.handshake))
	case sigReconnect:
		l.stop(&ending{kind: endReconnect, text: "Discord asked for a reconnect (op 7)"})
	case sigInvalid:
		l.stop(&ending{kind: endInvalid, resumable: sig.resumable, text: fmt.Sprintf("the session is invalid (op 9, resumable %t)", sig.resumable)})
	case sigClose:
		l.stop(&ending{kind: endClosed, code: sig.code, text: fmt.Sprintf("Discord closed the connection: %d %s", sig.code, sig.text)})
	case sigMessage, sigAck:
		// The first message after HELLO ends the handshake; from then on only an acknowledged heartbeat counts as life.
		if l.interval > 0 && (!l.opened || sig.kind == sigAck) {
			l.opened = true
			_ = l.Conn.SetReadDeadline(time.Now().Add(l.patience()))
		}
	}
}

// Write implements net.Conn.
func (l *link) Write(p []byte) (int, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.ending() != nil {
		return len(p), nil
	}
	_ = l.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := l.Conn.Write(p); err != nil {
		l.stop(&ending{kind: endNetwork, text: "write: " + plain(err)})
	}
	return len(p), nil
}

// bye tells Discord that the session is over (1000), so that it stops sending at once, and ends the link.
func (l *link) bye() {
	frame := []byte{0x88, 0x82, 0, 0, 0, 0, 0, 0} // final close frame of 2 bytes, masked with zero
	binary.BigEndian.PutUint16(frame[6:], 1000)
	_, _ = l.Write(frame) // never fails
	l.stop(&ending{kind: endLocal, text: "closed by us"})
}

// stop ends the link; the first reason holds.
func (l *link) stop(end *ending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end == nil {
		l.end = end
		close(l.done)
		_ = l.Conn.Close()
	}
}

func (l *link) ending() *ending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Close implements net.Conn.
func (l *link) Close() error {
	l.stop(&ending{kind: endNetwork, text: closedByLibrary})
	return nil
}

// SetDeadline, SetReadDeadline and SetWriteDeadline implement net.Conn. Deadlines are the link's own business: the
// WebSocket library clears them after its handshake.
func (l *link) SetDeadline(time.Time) error      { return nil }
func (l *link) SetReadDeadline(time.Time) error  { return nil }
func (l *link) SetWriteDeadline(time.Time) error { return nil }

var _ net.Conn = (*link)(nil)
