package discordsim

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

// session is what IDENTIFY makes: an event log with sequence numbers. It outlives its
// connection for a while, so that RESUME can replay what was missed.
type session struct {
	id       string
	shard    int
	count    int
	intents  Intent
	compress bool
	limit    int // events kept
	book     *sessionBook

	mu    sync.Mutex // guards the rest; taken after Server.mu
	log   []entry    // ascending by seq without gaps
	seq   int64
	conn  *conn     // nil while nobody is connected
	freed time.Time // when conn became nil
}

type entry struct {
	seq    int64
	name   string
	data   json.RawMessage
	replay bool // false: RESUMED, which a later resume must not repeat
}

func newSessionID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// append adds an event and returns its sequence number.
func (ss *session) append(name string, data json.RawMessage, replay bool) int64 {
	ss.mu.Lock()
	ss.seq++
	ss.log = append(ss.log, entry{ss.seq, name, data, replay})
	if len(ss.log) > 2*ss.limit {
		ss.log = append(make([]entry, 0, 2*ss.limit+1), ss.log[len(ss.log)-ss.limit:]...)
	}
	c, seq := ss.conn, ss.seq
	ss.mu.Unlock()
	if c != nil {
		c.poke()
	}
	return seq
}

// after returns up to n entries past seq; ok is false when they are no longer kept.
func (ss *session) after(seq int64, n int) (batch []entry, ok bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if seq >= ss.seq {
		return nil, seq == ss.seq
	}
	first := ss.log[0].seq
	if seq+1 < first {
		return nil, false
	}
	from := int(seq + 1 - first)
	return append([]entry(nil), ss.log[from:min(from+n, len(ss.log))]...), true
}

// covers reports whether a resume from seq is possible, and whether seq was ever sent.
func (ss *session) covers(seq int64) (kept, sent bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return seq == ss.seq || len(ss.log) > 0 && seq+1 >= ss.log[0].seq, seq <= ss.seq
}

// attach makes c the session's connection and returns the one that it replaces.
func (ss *session) attach(c *conn) *conn {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	old := ss.conn
	ss.conn = c
	return old
}

// detach frees the session of c; it reports false when another one took over already.
func (ss *session) detach(c *conn, now time.Time) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.conn != c {
		return false
	}
	ss.conn, ss.freed = nil, now
	return true
}

func (ss *session) expired(now time.Time, ttl time.Duration) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.conn == nil && now.Sub(ss.freed) > ttl
}

func (e entry) frame() []byte {
	b := make([]byte, 0, len(e.data)+len(e.name)+48)
	b = append(b, `{"t":"`...)
	b = append(b, e.name...)
	b = append(b, `","s":`...)
	b = strconv.AppendInt(b, e.seq, 10)
	b = append(b, `,"op":0,"d":`...)
	b = append(b, e.data...)
	return append(b, '}')
}
