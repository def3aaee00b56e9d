package discord

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// bucket is one rate limit of Discord's: so many requests until a moment at which all are free again. Callers are
// served in the order in which they came, and can give up at any time.
type bucket struct {
	turn chan struct{} // held by the one who is next; Go serves blocked senders in order

	mu       sync.Mutex
	known    bool // the server told its limit
	free     bool // the server answered without telling one
	limit    int
	left     int           // what we may still send in this window
	lowest   int           // the least that the server said is left in this window
	inflight int           // sent, not answered
	waiting  int           // callers in take
	per      time.Duration // length of a window as far as known, else 0
	reset    time.Time     // end of this window; zero: none is open
	changed  chan struct{} // closed and made anew when an answer changes something
	used     time.Time
}

// budget is what a bucket starts with: n requests per window. Without a window it is n at a time, until an answer tells.
type budget struct {
	n   int
	per time.Duration
}

func newBucket(start budget) *bucket {
	n := max(start.n, 1)
	return &bucket{
		turn: make(chan struct{}, 1), changed: make(chan struct{}), used: time.Now(),
		limit: n, left: n, lowest: n, per: start.per,
	}
}

// take waits for a slot. A slot that can't be had before ctx's deadline is refused at once, as [outbound.ClassRetry].
func (b *bucket) take(ctx context.Context, route string) *APIError {
	b.note(+1)
	defer b.note(-1)
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return limited(ctx, route, 0)
	}
	defer func() { <-b.turn }()
	for {
		wait, changed := b.try(time.Now())
		switch {
		case wait == 0:
			return nil
		case wait > 0 && beyond(ctx, wait):
			return limited(ctx, route, wait)
		case !pause(ctx, wait, changed):
			return limited(ctx, route, 0)
		}
	}
}

// spare takes a slot only if nobody waits and another would be left: for typing, which must be in nobody's way.
func (b *bucket) spare() bool {
	b.mu.Lock()
	low := b.waiting > 0 || (b.known && b.limit > 1 && b.left <= 1 && b.reset.After(time.Now()))
	b.mu.Unlock()
	if low {
		return false
	}
	wait, _ := b.try(time.Now())
	return wait == 0
}

func (b *bucket) note(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting += n
}

func (b *bucket) busy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting > 0
}

// try takes a slot and returns 0, or returns how long to wait; negative: until an answer changes something.
func (b *bucket) try(now time.Time) (time.Duration, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = now
	if !b.reset.IsZero() && !now.Before(b.reset) {
		// Requests under way may be counted in the new window.
		b.left, b.lowest, b.reset = b.limit-b.inflight, b.limit, time.Time{}
	}
	if b.free && b.reset.IsZero() {
		b.inflight++
		return 0, nil
	}
	if b.left <= 0 {
		if b.reset.IsZero() {
			return -1, b.changed
		}
		return b.reset.Sub(now), b.changed
	}
	b.left--
	b.inflight++
	if b.reset.IsZero() && b.per > 0 {
		b.reset = now.Add(b.per)
	}
	return 0, nil
}

// answered gives a slot back with what the answer said; a nil header is no answer at all.
func (b *bucket) answered(status int, h http.Header, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.inflight--
	b.used = now
	said, told := readLimit(h)
	switch {
	case status == http.StatusTooManyRequests:
		b.free, b.left, b.lowest = false, 0, 0
		if told {
			b.known, b.limit = true, said.limit
		}
		b.reset = now.Add(max(wait, said.resetAfter))
	case told && b.known && b.per > 0 && b.reset.Sub(now.Add(said.resetAfter)) > b.per/2:
		// The answer is about the window before this one.
		b.left = b.lowest - b.inflight
	case told:
		same := b.known && b.reset.After(now) // our end of a window is never earlier than the server's
		if !same {
			b.lowest = said.limit
		}
		if said.remaining == said.limit-1 {
			b.per = said.resetAfter
		}
		if end := now.Add(said.resetAfter); !same || end.After(b.reset) {
			b.reset = end
		}
		b.known, b.free, b.limit = true, false, said.limit
		b.lowest = min(b.lowest, said.remaining)
		b.left = b.lowest - b.inflight // those under way may be counted already: never too many
	case !b.known && status >= 200 && status < 300:
		b.free, b.reset = true, time.Time{}
	case b.reset.IsZero():
		b.left++
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// idle says that nothing would be forgotten with the bucket.
func (b *bucket) idle(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inflight == 0 && b.waiting == 0 && !b.reset.After(now) && now.Sub(b.used) > bucketIdle
}
