package bus

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
)

// maxHeld bounds the questions that wait in one process for their turn.
const maxHeld = 1024

// Waiting questions look again by themselves, ever more seldom, in case a nudge was lost; and soon after a nudge, which may
// be faster than the acknowledgement that it tells of.
const (
	firstLook  = 200 * time.Millisecond
	lastLook   = 10 * time.Second
	secondLook = 10 * time.Millisecond
)

// room holds younger questions of users whose older question is still open. Each waits for the nudge that something on
// its subject was settled, and looks again then. Without the room a younger question would go back and forth between
// server and workers for as long as the older one takes.
type room struct {
	c      *QuestionConsumer
	mu     sync.Mutex
	held   map[*delivery]chan struct{}
	closed bool
}

func newRoom(c *QuestionConsumer) *room {
	return &room{c: c, held: map[*delivery]chan struct{}{}}
}

func (r *room) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.held)
}

// hold takes a delivery over; the caller's slot is its own again.
func (r *room) hold(work context.Context, d *delivery) {
	r.mu.Lock()
	if r.closed || len(r.held) >= maxHeld {
		full := !r.closed
		r.mu.Unlock()
		if full {
			d.settle(retry.After(2*time.Second + rand.N(3*time.Second)))
		} else {
			d.settle(retry.After(0))
		}
		return
	}
	nudge := make(chan struct{}, 1)
	r.held[d] = nudge
	r.c.wg.Add(1)
	r.mu.Unlock()
	go func() {
		defer r.c.wg.Done()
		r.wait(work, d, nudge)
	}()
}

func (r *room) leave(d *delivery) {
	r.mu.Lock()
	delete(r.held, d)
	r.mu.Unlock()
}

func (r *room) wait(work context.Context, d *delivery, nudge chan struct{}) {
	q := d.question
	sub, err := r.c.bus.nc.Subscribe(settledSubject(q.Guild, q.Channel, q.User), func(*nats.Msg) { poke(nudge) })
	if err == nil {
		defer func() { _ = sub.Unsubscribe() }()
	}
	poke(nudge) // look once more now that the nudge can't be missed
	look := firstLook
	timer := time.NewTimer(look)
	defer timer.Stop()
	for own := true; ; own = false {
		select {
		case <-work.Done():
		case <-nudge:
			if !own {
				look = secondLook
			}
		case <-timer.C:
			look = min(2*look, lastLook)
		}
		timer.Reset(look)
		r.mu.Lock()
		closed := r.closed
		r.mu.Unlock()
		if closed || work.Err() != nil {
			r.leave(d)
			d.settle(retry.After(0))
			return
		}
		if !r.c.handler.Urgent(q) {
			first, err := r.c.first(work, d)
			if err == nil && first != 0 && first < d.seq && look >= doubtAfter && r.c.learnFloor(work) {
				first, err = r.c.first(work, d)
			}
			if err != nil || (first != 0 && first < d.seq) {
				continue
			}
		}
		r.leave(d)
		select {
		case r.c.slots <- struct{}{}:
			r.c.busy.Add(1)
			defer r.c.release()
			r.c.answer(work, d)
		default:
			d.settle(retry.After(0)) // every slot is taken here: another worker may be free
		}
		return
	}
}

// wake pokes those that match.
func (r *room) wake(match func(chat.Question) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for d, nudge := range r.held {
		if match(d.question) {
			poke(nudge)
		}
	}
}

// close hands back everything that waits.
func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, nudge := range r.held {
		poke(nudge)
	}
}

// poke wakes a waiter without blocking.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
