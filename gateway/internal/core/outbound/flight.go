package outbound

import (
	"context"
	"sync"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// flight is one request to Discord that shows something to people. It waits (for rate limits, between tries) until it
// departs, is on the wire until it lands, and may do so again. Once it is revoked it never departs any more: so a stop
// has to wait for what is on the wire only.
type flight struct {
	guild  chat.GuildID
	cancel context.CancelFunc
	over   chan struct{} // closed when nobody flies any more

	mu      sync.Mutex
	revoked bool
	landed  chan struct{} // not nil while on the wire; closed when it lands
}

type flightKey struct{}

// Depart is called right before a request goes over the wire; false means that it must not, because its server was
// stopped. Land is called when its answer is there or never comes. Requests that are no posts of answers always may.
func Depart(ctx context.Context) (land func(), ok bool) {
	f := flightOf(ctx)
	if f == nil {
		return func() {}, true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.revoked {
		f.cancel() // nor is it tried again
		return nil, false
	}
	landed := make(chan struct{})
	f.landed = landed
	return sync.OnceFunc(func() { close(landed) }), true
}

func flightOf(ctx context.Context) *flight {
	f, _ := ctx.Value(flightKey{}).(*flight)
	return f
}

// away says whether it is on the wire. There is none before it begins.
func (f *flight) away() bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.awayLocked() != nil
}

// awayLocked returns what is closed when it lands if it is on the wire.
func (f *flight) awayLocked() <-chan struct{} {
	if f.landed == nil {
		return nil
	}
	select {
	case <-f.landed:
		return nil
	default:
		return f.landed
	}
}

// flights are all that are under way.
type flights struct {
	mu   sync.Mutex
	open map[*flight]struct{}
}

// begin registers a flight. Whoever begins looks at the state only then, so that a stop either is seen or sees it.
func (fs *flights) begin(ctx context.Context, g chat.GuildID) (context.Context, func()) {
	f := &flight{guild: g, over: make(chan struct{})}
	ctx, f.cancel = context.WithCancel(context.WithValue(ctx, flightKey{}, f))
	fs.mu.Lock()
	if fs.open == nil {
		fs.open = map[*flight]struct{}{}
	}
	fs.open[f] = struct{}{}
	fs.mu.Unlock()
	return ctx, func() {
		fs.mu.Lock()
		delete(fs.open, f)
		fs.mu.Unlock()
		f.cancel()
		close(f.over)
	}
}

// ashore is how long halt waits, once a flight has landed, until whoever it is for knows.
const ashore = 100 * time.Millisecond

// halt revokes every flight of a scope and waits until those on the wire have landed, or ctx ends.
func (fs *flights) halt(ctx context.Context, scope control.Scope) error {
	fs.mu.Lock()
	away := map[*flight]<-chan struct{}{}
	for f := range fs.open {
		if !of(scope, f.guild) {
			continue
		}
		if landed := f.revoke(); landed != nil {
			away[f] = landed
		}
	}
	fs.mu.Unlock()
	for _, landed := range away {
		select {
		case <-landed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	over := time.NewTimer(ashore)
	defer over.Stop()
	for f := range away {
		select {
		case <-f.over:
		case <-over.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// revoke keeps a flight on the ground; it returns what is closed when it lands if it is on the wire.
func (f *flight) revoke() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoked = true
	landed := f.awayLocked()
	if landed == nil {
		f.cancel()
	}
	return landed
}
