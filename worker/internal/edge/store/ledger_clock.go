package store

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	clockSamples = 5
	clockEvery   = 30 * time.Second
	// clockDrift is how much two clocks may drift apart between two looks: 100 µs per second is more than a quartz does.
	clockDrift = 100 * time.Microsecond
)

// serverClock tells the NATS server's time, so that all workers agree about the window, whatever their own clocks say.
// The server's time is taken at half of the round trip; the fastest of five tells it best.
type serverClock struct {
	source func() time.Time
	stream jetstream.Stream

	mu     sync.RWMutex
	taken  time.Time     // this process's clock when the offset was taken
	server time.Time     // the server's at that instant
	err    time.Duration // half of the round trip
}

func newServerClock(now func() time.Time, s jetstream.Stream) *serverClock {
	return &serverClock{source: now, stream: s}
}

// sync takes the offset anew.
func (c *serverClock) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	best := time.Duration(-1)
	var local, server time.Time
	for range clockSamples {
		t0 := c.source()
		info, err := c.stream.Info(ctx)
		if err != nil {
			return err
		}
		trip := c.source().Sub(t0)
		if best < 0 || trip < best {
			best, local, server = trip, t0.Add(trip/2), info.TimeStamp
		}
	}
	c.mu.Lock()
	c.taken, c.server, c.err = local, server, best/2
	c.mu.Unlock()
	return nil
}

// now returns the server's time. Between two looks it follows this process's monotonic clock, so a step of the wall
// clock moves nothing.
func (c *serverClock) now() time.Time {
	t := c.source()
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.server.Add(t.Sub(c.taken))
}

// local turns a time by the server's clock into one by this process's.
func (c *serverClock) local(server time.Time) time.Time {
	t := c.source()
	c.mu.RLock()
	defer c.mu.RUnlock()
	return t.Add(server.Sub(c.server.Add(t.Sub(c.taken))))
}

// error returns how far off now may be.
func (c *serverClock) error() time.Duration {
	t := c.source()
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.err + time.Duration(t.Sub(c.taken).Seconds()*float64(clockDrift))
}

// run looks again every half minute until stop is closed. A look that fails leaves the old offset, whose error grows.
func (c *serverClock) run(stop <-chan struct{}) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
			_ = c.sync(ctx)
			cancel()
		}
	}
}

// subjects returns the subjects that the stream holds messages on.
func (c *serverClock) subjects(ctx context.Context, filter string) (map[string]uint64, error) {
	info, err := c.stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, err
	}
	return info.State.Subjects, nil
}
