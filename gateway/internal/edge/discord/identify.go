package discord

import (
	"context"
	"sync"
	"time"
)

// IdentifyGate spaces IDENTIFYs: Discord allows one per 5 s for each key, which is shard modulo max_concurrency, over
// all processes of the bot. Several gateways share one gate by an implementation of their own.
type IdentifyGate interface {
	// Wait returns when the shard may IDENTIFY, or with ctx's error.
	Wait(ctx context.Context, shard, maxConcurrency int) error
}

// localGate is the gate of a bot whose shards all live in this process.
type localGate struct {
	every time.Duration
	mu    sync.Mutex
	next  map[int]time.Time // key → earliest next IDENTIFY
}

// NewIdentifyGate makes a gate for this process.
func NewIdentifyGate(every time.Duration) IdentifyGate {
	return &localGate{every: every, next: map[int]time.Time{}}
}

// Wait implements [IdentifyGate].
func (g *localGate) Wait(ctx context.Context, shard, maxConcurrency int) error {
	key := shard % max(maxConcurrency, 1)
	g.mu.Lock()
	now := time.Now()
	at := now
	if next := g.next[key]; next.After(now) {
		at = next
	}
	g.next[key] = at.Add(g.every)
	g.mu.Unlock()
	if !pause(ctx, at.Sub(now), nil) {
		return context.Cause(ctx)
	}
	return nil
}

var _ IdentifyGate = (*localGate)(nil)
