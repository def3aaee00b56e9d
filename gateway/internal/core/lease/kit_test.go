package lease_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/gateway/internal/core/lease"
)

// library is a book in memory that all gateways of a test share.
type library struct {
	mu       sync.Mutex
	revision uint64
	leases   map[int]lease.Lease
	members  map[string]uint64
	away     bool
}

func newLibrary() *library {
	return &library{leases: map[int]lease.Lease{}, members: map[string]uint64{}}
}

var errAway = errors.New("away")

// card is the library as one gateway uses it.
type card struct {
	*library
	name string
}

func (c card) Read(context.Context) (lease.Table, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return lease.Table{}, errAway
	}
	return lease.Table{Leases: maps.Clone(c.leases), Members: maps.Clone(c.members)}, nil
}

func (c card) Write(_ context.Context, shard int, l lease.Lease) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return 0, errAway
	}
	if c.leases[shard].Revision != l.Revision {
		return 0, nil
	}
	c.revision++
	l.Revision = c.revision
	c.leases[shard] = l
	return l.Revision, nil
}

func (c card) Join(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return errAway
	}
	c.revision++
	c.members[c.name] = c.revision
	return nil
}

func (c card) Leave(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, c.name)
	return nil
}

func (l *library) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// takes is how long a session takes to come up.
const takes = 800 * time.Millisecond

// host is one gateway's sessions.
type host struct {
	mu     sync.Mutex
	up     map[int]time.Time
	starts int
	takes  time.Duration
	dead   bool // of a process that was killed
}

func (h *host) StartShard(shard, _ int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.up[shard]; !ok {
		h.up[shard] = time.Now()
		h.starts++
	}
	return nil
}

func (h *host) StopShard(shard int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.up, shard)
}

func (h *host) ShardLive(shard int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.up[shard]
	return ok && !h.dead && time.Since(at) >= h.takes
}

// town is a set of gateways that divide shards in virtual time.
type town struct {
	t     *testing.T
	total int
	book  *library
	all   map[string]*inhabitant
	names int
	takes time.Duration // that sessions of gateways that join from now on need to come up
}

type inhabitant struct {
	*lease.Keeper
	host *host
	stop func()
	// gate, while it is taken, keeps the gateway from everything, as a stall of its machine does.
	gate chan struct{}
}

// stalling is a card that waits while its gateway stalls.
type stalling struct {
	card
	gate chan struct{}
}

func (s stalling) Join(ctx context.Context) error {
	select {
	case s.gate <- struct{}{}:
		<-s.gate
		return s.card.Join(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newTown(t *testing.T, total int) *town {
	return &town{t: t, total: total, book: newLibrary(), all: map[string]*inhabitant{}, takes: takes}
}

// join starts a gateway. It ends with the test.
func (w *town) join() string {
	w.t.Helper()
	w.names++
	name := fmt.Sprint("gateway-", w.names)
	in := &inhabitant{host: &host{up: map[int]time.Time{}, takes: w.takes}, gate: make(chan struct{}, 1)}
	k, err := lease.New(stalling{card{w.book, name}, in.gate}, in.host, lease.Config{Owner: name, Total: w.total})
	if err != nil {
		w.t.Fatal(err)
	}
	in.Keeper = k
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Run(ctx, func(error) {})
	}()
	in.stop = func() { cancel(); <-done }
	w.all[name] = in
	return name
}

// drain ends a gateway as SIGTERM does.
func (w *town) drain(name string) {
	w.all[name].stop()
	delete(w.all, name)
}

// kill ends a gateway as SIGKILL does: it says goodbye to nobody.
func (w *town) kill(name string) {
	in := w.all[name]
	delete(w.all, name)
	in.host.mu.Lock()
	in.host.dead = true
	in.host.mu.Unlock()
	in.gate <- struct{}{} // for ever
}

// serving is who has a live session for each shard.
func (w *town) serving() map[int][]string {
	who := map[int][]string{}
	for _, name := range slices.Sorted(maps.Keys(w.all)) {
		for shard := range w.total {
			if w.all[name].host.ShardLive(shard) {
				who[shard] = append(who[shard], name)
			}
		}
	}
	return who
}

// gap is a shard that nobody serves, or -1.
func (w *town) gap() int {
	who := w.serving()
	for shard := range w.total {
		if len(who[shard]) == 0 {
			return shard
		}
	}
	return -1
}

// pass lets virtual time pass in steps and has look called after each.
func (w *town) pass(d time.Duration, look func(at time.Duration)) {
	const step = 100 * time.Millisecond
	for at := step; at <= d; at += step {
		time.Sleep(step)
		synctest.Wait()
		if look != nil {
			look(at)
		}
	}
}

// even fails the test unless every shard has one gateway and each gateway its share.
func (w *town) even() {
	w.t.Helper()
	counts := map[string]int{}
	for shard, who := range w.serving() {
		if len(who) != 1 {
			w.t.Errorf("shard %d is served by %v", shard, who)
		}
		for _, name := range who {
			counts[name]++
		}
	}
	if shard := w.gap(); shard >= 0 {
		w.t.Errorf("nobody serves shard %d", shard)
	}
	for name, in := range w.all {
		n := len(w.all)
		if c := counts[name]; c < w.total/n || c > (w.total+n-1)/n {
			w.t.Errorf("%s serves %d of %d shards among %d gateways", name, c, w.total, n)
		}
		if why := in.Down(); why != "" {
			w.t.Errorf("%s is down: %s", name, why)
		}
	}
}
