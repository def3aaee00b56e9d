package discord

import (
	"context"
	"slices"
	"sync"
	"time"
)

// GlobalPerSecond is what a bot may send in a second over all routes but interactions' (Discord, Rate Limits,
// "Global Rate Limit").
const GlobalPerSecond = 50

// globalWindow is Discord's second, and a little for clocks that round.
const globalWindow = 1005 * time.Millisecond

// global is the bot's limit over all routes, or this process's share of it. A request counts from its start until a
// second after its answer: Discord counted it somewhere between, so that no delay on the way can make it one too many.
// Callers hold a slot of their bucket already, so a busy channel never sits in this queue for nothing.
type global struct {
	turn chan struct{}

	mu       sync.Mutex
	rate     int // this process's share of GlobalPerSecond
	inflight int
	recent   []time.Time // answers of the last second, in order
	paused   time.Time
	free     bool          // the server tells no limits and never refused us: it has none
	strict   bool          // the server refused us globally once: it has one, whatever it tells
	changed  chan struct{} // closed and made anew with each answer
}

func newGlobal() *global {
	return &global{turn: make(chan struct{}, 1), rate: GlobalPerSecond, changed: make(chan struct{})}
}

// setRate sets what this process may send in a second.
func (g *global) setRate(perSecond int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rate = min(max(perSecond, 1), GlobalPerSecond)
}

// pauseFor holds everything back.
func (g *global) pauseFor(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.strict, g.free = true, false
	if until := time.Now().Add(d); until.After(g.paused) {
		g.paused = until
	}
}

// told learns from a successful answer of a route that Discord always limits: a server that tells no limit has none to
// keep (a test's, a proxy that does the limiting), until it refuses us once.
func (g *global) told(limits bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free = !limits && !g.strict
}

// take waits for a slot, in order of arrival. Each one taken is given back by answered.
func (g *global) take(ctx context.Context, route string) *APIError {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return limited(ctx, route, 0)
	}
	defer func() { <-g.turn }()
	for {
		wait, changed := g.try(time.Now())
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

// spare takes a slot only if it is free at once and nobody waits.
func (g *global) spare() bool {
	select {
	case g.turn <- struct{}{}:
	default:
		return false
	}
	defer func() { <-g.turn }()
	wait, _ := g.try(time.Now())
	return wait == 0
}

// try takes a slot and returns 0, or how long to wait; negative: until an answer comes.
func (g *global) try(now time.Time) (time.Duration, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused.After(now) {
		return g.paused.Sub(now), nil
	}
	if g.free {
		g.inflight++
		return 0, nil
	}
	g.recent = slices.DeleteFunc(g.recent, func(at time.Time) bool { return now.Sub(at) >= globalWindow })
	switch {
	case g.inflight+len(g.recent) < g.rate:
		g.inflight++
		return 0, nil
	case len(g.recent) > 0:
		return globalWindow - now.Sub(g.recent[0]), nil
	default:
		return -1, g.changed
	}
}

// answered starts the last second of a slot.
func (g *global) answered() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inflight--
	if !g.free {
		g.recent = append(g.recent, time.Now())
	}
	close(g.changed)
	g.changed = make(chan struct{})
}
