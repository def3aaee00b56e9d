package discord

import (
	"sync"

	"salamander.dev/gateway/internal/core/inbound"
)

// queue stands between Discord's read loop, which must never wait (its acknowledgements would go unread, and the shard
// would take itself for dead), and the core. When it is full, everything is refused from then on until it is empty
// again, and the gap is told as a session that was lost: what the core has handled then ends before the gap, and
// catch-up fetches it.
type queue struct {
	events chan inbound.Event

	mu      sync.Mutex
	gap     bool
	dropped uint64 // in this gap
	closed  bool
}

func newQueue(size int) *queue { return &queue{events: make(chan inbound.Event, size)} }

// push never blocks; first says that a gap began with this event.
func (q *queue) push(e inbound.Event) (ok, first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, false
	}
	if !q.gap {
		select {
		case q.events <- e:
			return true, false
		default:
		}
	}
	first, q.gap = !q.gap, true
	q.dropped++
	return false, first
}

// mended ends a gap once the queue is empty, and says how many events fell into it.
func (q *queue) mended() (dropped uint64, was bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.gap || len(q.events) > 0 {
		return 0, false
	}
	dropped, q.gap, q.dropped = q.dropped, false, 0
	return dropped, true
}

// close lets the consumer end after what is queued. Twice is fine.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.events)
	}
}
