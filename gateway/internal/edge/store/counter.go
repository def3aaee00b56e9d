package store

import (
	"context"
	"errors"
	"slices"
	"sync"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
)

// maxTallies bounds the tallies that are remembered; a forgotten one costs a read.
const maxTallies = 20_000

// Counter counts questions per user and window over all gateways: under a key lie the ids that were counted, written by
// compare-and-set. What was read or written last is remembered, so that the usual case is one round trip.
type Counter struct {
	bus *bus.Bus

	mu    sync.Mutex
	known map[string]tally
}

type tally struct {
	ids      []chat.MessageID
	revision uint64
}

// NewCounter makes a Counter.
func NewCounter(b *bus.Bus) *Counter { return &Counter{bus: b, known: map[string]tally{}} }

// Count implements [inbound.Counter].
func (c *Counter) Count(ctx context.Context, key string, m chat.MessageID, limit int) (bool, error) {
	t := c.recall(key)
	for {
		if slices.Contains(t.ids, m) {
			return true, nil
		}
		if len(t.ids) >= limit {
			return false, nil // ids are never taken out, so an old tally is good enough to refuse
		}
		next := tally{ids: append(slices.Clone(t.ids), m)}
		revision, err := c.bus.Rate().Update(ctx, key, next.ids, t.revision)
		if err == nil {
			next.revision = revision
			c.keep(key, next)
			return true, nil
		}
		if !errors.Is(err, bus.ErrConflict) {
			return false, err // it may be written: the next try reads it
		}
		t = tally{}
		if t.revision, _, err = c.bus.Rate().Get(ctx, key, &t.ids); err != nil {
			return false, err
		}
		c.keep(key, t)
	}
}

func (c *Counter) recall(key string) tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[key]
}

func (c *Counter) keep(key string, t tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.known[key]; ok && old.revision > t.revision {
		return
	}
	if len(c.known) >= maxTallies {
		clear(c.known)
	}
	c.known[key] = t
}

var _ inbound.Counter = (*Counter)(nil)
