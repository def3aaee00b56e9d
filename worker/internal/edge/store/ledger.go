// Package store keeps what the workers know together in JetStream: the budget, conversation memory, attempts.
package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"salamander.dev/worker/internal/core/budget"
)

var _ budget.Ledger = (*Ledger)(nil)

// Ledger is the shared budget of all keys: one compare-and-set document for each key in a KV bucket, and one goroutine
// for each key that combines the calls of this process into one write. docs/budget.md tells the algorithm.
type Ledger struct {
	cfg     LedgerConfig
	nc      *nats.Conn
	bucket  jetstream.KeyValue
	control jetstream.KeyValue
	clock   *serverClock
	books   []*book // in configured order
	crowd   *crowdWatch
	changed *broadcast
	price   atomic.Pointer[budget.Price] // nil: not known

	stop     chan struct{}
	stopOnce sync.Once
	workers  sync.WaitGroup
	subs     []*nats.Subscription
}

// LedgerKey is one key, without its token.
type LedgerKey struct {
	Name   string
	Limits budget.Limits
}

// LedgerConfig says which keys there are, and how the ledger sees the world.
type LedgerConfig struct {
	// Keys in the order in which they are used. Required.
	Keys []LedgerKey
	// Price of a token; nil: not known (yet), see SetPrice. While it is not, keys with a limit in dollars grant nothing.
	Price *budget.Price
	// Instance names this process; unique among those that live. Required.
	Instance string
	// Budget and Control are the names of the KV buckets. Default "BUDGET", "CONTROL".
	Budget, Control string
	// Forward is the subject prefix under which processes hand each other reservations to be written together, followed
	// by "<instance>.<key>". Default "budget.v1.write".
	Forward string
	// NoForward has every process write for itself: slower under contention, and as correct.
	NoForward bool
	// Now is this process's clock. Default time.Now.
	Now func() time.Time
	// Waiting returns how many unanswered questions each user has; it is asked about once a second. Nil: no fair shares.
	Waiting func(ctx context.Context) (map[string]int, error)
	// Provision is called when the bucket is found to be gone, and must create it; nil: somebody else does.
	Provision func(ctx context.Context) error
	// Grace is how long a lease outlives the call's timeout, so that a settlement finds it. Default 10s.
	Grace time.Duration
	// Log gets what an operator must know: lost documents, refused keys. Required for that; the zero value is silent.
	Log zerolog.Logger
}

// keyName is what may stand in a KV key and in a subject.
var keyName = regexp.MustCompile(`^[-_A-Za-z0-9]+$`)

const (
	// storeTimeout bounds one request to the store.
	storeTimeout = 5 * time.Second
	// maxPending bounds the calls that wait for one key's next write; more than that block until there is room.
	maxPending = 1024
	// maxBatch bounds the calls that share one write.
	maxBatch = 256
)

// OpenLedger connects the ledger to its buckets, learns the server's time and reads every key's document. It writes
// nothing: call EnsureLimits before the first Reserve. Close it before the connection.
func OpenLedger(ctx context.Context, nc *nats.Conn, cfg LedgerConfig) (*Ledger, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	for s, def := range map[*string]string{&cfg.Budget: "BUDGET", &cfg.Control: "CONTROL", &cfg.Forward: "budget.v1.write"} {
		if *s == "" {
			*s = def
		}
	}
	if cfg.Grace == 0 {
		cfg.Grace = 10 * time.Second
	}
	if !keyName.MatchString(cfg.Instance) {
		return nil, fmt.Errorf("open ledger: instance %q: want letters, digits, - and _", cfg.Instance)
	}
	for _, k := range cfg.Keys {
		if !keyName.MatchString(k.Name) {
			return nil, fmt.Errorf("open ledger: key name %q: want letters, digits, - and _", k.Name)
		}
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(storeTimeout))
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &Ledger{cfg: cfg, nc: nc, stop: make(chan struct{}), changed: newBroadcast()}
	l.price.Store(cfg.Price)
	if l.bucket, err = js.KeyValue(ctx, cfg.Budget); err != nil {
		return nil, fmt.Errorf("open ledger: bucket %s: %w", cfg.Budget, err)
	}
	if l.control, err = js.KeyValue(ctx, cfg.Control); err != nil {
		return nil, fmt.Errorf("open ledger: bucket %s: %w", cfg.Control, err)
	}
	stream, err := js.Stream(ctx, "KV_"+cfg.Budget)
	if err != nil {
		return nil, fmt.Errorf("open ledger: bucket %s: %w", cfg.Budget, err)
	}
	l.clock = newServerClock(cfg.Now, stream)
	if err := l.clock.sync(ctx); err != nil {
		return nil, fmt.Errorf("open ledger: learn the server's time: %w", err)
	}
	l.crowd = newCrowdWatch(cfg.Waiting)
	for _, k := range cfg.Keys {
		b := newBook(l, k)
		if err := b.peek(ctx); err != nil {
			return nil, fmt.Errorf("open ledger: key %s: %w", k.Name, err)
		}
		l.books = append(l.books, b)
	}
	if err := l.subscribe(); err != nil {
		l.unsubscribe()
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	for _, b := range l.books {
		l.workers.Go(b.run)
		l.workers.Go(b.watch)
	}
	l.workers.Go(func() { l.clock.run(l.stop) })
	l.workers.Go(func() { l.crowd.run(l.stop) })
	l.workers.Go(l.reconnects)
	return l, nil
}

// Close writes what is pending, until ctx ends, and stops. Reserve fails afterwards. Twice is fine.
func (l *Ledger) Close(ctx context.Context) error {
	l.unsubscribe() // first, so that nobody hands us calls any more
	l.stopOnce.Do(func() { close(l.stop) })
	done := make(chan struct{})
	go func() { l.workers.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("close ledger: %w", ctx.Err())
		for _, b := range l.books {
			b.abort()
		}
		<-done
	}
	return err
}

// ErrNoPrice says that a limit counts dollars, and that the price of a token is not known.
var ErrNoPrice = errors.New("a limit in usd, and no price is known")

// SetPrice tells what a token costs from now on.
func (l *Ledger) SetPrice(p budget.Price) {
	l.price.Store(&p)
	l.changed.send()
}

// priceFor returns what a token costs; known is false where a limit of the key counts dollars and nobody told.
func (l *Ledger) priceFor(b *book) (p budget.Price, known bool) {
	if p := l.price.Load(); p != nil {
		return *p, true
	}
	return budget.Price{}, !b.ours.Needs(budget.Dollars)
}

// errClosed says that the ledger was closed.
var errClosed = errors.New("the ledger is closed")

// Reserve implements budget.Ledger. It passes keys over whose price is missing, and returns [ErrNoPrice] where the others
// don't grant: the price may come any moment, sooner than another key's window turns, so nobody is told to wait for that.
func (l *Ledger) Reserve(ctx context.Context, r budget.Request) (budget.Grant, error) {
	ask := budget.Ask{
		Lease: r.ID, User: budget.HashUser(r.User), Prompt: int64(r.PromptTokens), Max: int64(r.MaxTokens),
		Hold: r.Hold + l.cfg.Grace, Crowd: l.crowd.get(), ClockError: l.clock.error(),
	}
	var c choice
	var unpriced error
	for _, b := range l.books {
		if slices.Contains(r.Exclude, b.name) {
			c.tried(b.health())
			continue
		}
		price, known := l.priceFor(b)
		if !known {
			unpriced = fmt.Errorf("key %s: %w", b.name, ErrNoPrice)
			continue
		}
		ask.Price = price
		v, err := b.reserve(ctx, ask)
		if err != nil {
			return budget.Grant{}, fmt.Errorf("reserve with key %s: %w", b.name, err)
		}
		if v.Granted {
			return l.grant(b, ask, v), nil
		}
		c.denied(v)
	}
	if unpriced != nil && c.share.IsZero() {
		return budget.Grant{}, unpriced
	}
	return budget.Grant{}, c.error(l.clock)
}

// grant turns a verdict into what the caller may do, by this process's clock.
func (l *Ledger) grant(b *book, a budget.Ask, v budget.Verdict) budget.Grant {
	g := budget.Grant{
		Lease: a.Lease, Key: b.name, PromptTokens: int(v.Lease.Prompt), MaxTokens: int(v.Lease.Max),
		At: time.UnixMilli(v.Lease.At), Probe: v.Lease.Probe, Price: a.Price,
		Deadline: l.clock.local(time.UnixMilli(v.Lease.Expires).Add(-l.cfg.Grace)),
	}
	if !v.NotAfter.IsZero() {
		g.NotAfter = l.clock.local(v.NotAfter)
	}
	return g
}

// choice collects what the keys said.
type choice struct {
	refused, tooBig, keys int
	until                 time.Time // server's clock
	why                   budget.Reason
	share                 time.Time
}

func (c *choice) denied(v budget.Verdict) {
	c.keys++
	switch v.Why {
	case budget.Refused:
		c.refused++
	case budget.TooBig:
		c.tooBig++
	case budget.OverShare:
		if c.share.IsZero() || v.Until.Before(c.share) {
			c.share = v.Until
		}
	default:
		c.wait(v.Until, v.Why)
	}
}

// tried takes in a key that the question has tried already.
func (c *choice) tried(state budget.State, until, now time.Time) {
	c.keys++
	if state == budget.StateRefused {
		c.refused++
		return
	}
	if until.IsZero() {
		until = now.Add(time.Second)
	}
	c.wait(until, budget.Tried)
}

func (c *choice) wait(until time.Time, why budget.Reason) {
	if c.until.IsZero() || until.Before(c.until) {
		c.until, c.why = until, why
	}
}

// error returns why no key was granted. A key that is too small or refused is no reason to wait for another that may
// open; a share is the sooner of both.
func (c *choice) error(clock *serverClock) error {
	switch {
	case !c.share.IsZero():
		return &budget.ShareError{RetryAfter: max(c.share.Sub(clock.now()), 5*time.Millisecond)}
	case !c.until.IsZero():
		return &budget.WaitError{Until: clock.local(c.until), Reason: c.why}
	case c.keys > 0 && c.tooBig == c.keys:
		return budget.ErrTooBig
	default:
		return budget.ErrNoKeys
	}
}

// Settle implements budget.Ledger.
func (l *Ledger) Settle(ctx context.Context, g budget.Grant, o budget.Outcome) error {
	b := l.book(g.Key)
	if b == nil {
		return fmt.Errorf("settle: no key %q", g.Key)
	}
	if err := b.settle(ctx, l.settlement(g, o)); err != nil {
		return fmt.Errorf("settle with key %s: %w", g.Key, err)
	}
	if g.Probe && o.Kind == budget.Success { // the key is open again, and this process knows it first
		b.deny.drop()
		l.changed.send()
	}
	return nil
}

// SettleLater implements budget.Ledger. It blocks only while maxPending calls wait for the store.
func (l *Ledger) SettleLater(g budget.Grant, o budget.Outcome) {
	if b := l.book(g.Key); b != nil {
		b.settleLater(l.settlement(g, o), g.Deadline.Add(l.cfg.Grace).Sub(l.cfg.Now()))
	}
}

func (l *Ledger) settlement(g budget.Grant, o budget.Outcome) budget.Settlement {
	s := budget.Settlement{Lease: g.Lease, Granted: g.At, Price: g.Price, Outcome: o}
	if o.RetryAfter > 0 {
		s.Until = l.clock.now().Add(o.RetryAfter)
	}
	if o.Kind == budget.KeyRefused {
		l.cfg.Log.Error().Str("key", g.Key).Msg("Hugging Face refuses this key; it is not used until a worker that starts finds it accepted: check the token and its permissions")
	}
	return s
}

func (l *Ledger) book(key string) *book {
	for _, b := range l.books {
		if b.name == key {
			return b
		}
	}
	return nil
}

// Changed implements budget.Ledger.
func (l *Ledger) Changed() <-chan struct{} { return l.changed.wait() }

// Now returns the server's time, by which windows turn.
func (l *Ledger) Now() time.Time { return l.clock.now() }

// ClockOffset returns how far this process's clock is behind the server's, and how exactly that is known.
func (l *Ledger) ClockOffset() (offset, accuracy time.Duration) {
	return l.clock.now().Sub(l.cfg.Now()), l.clock.error()
}

// Snapshot implements budget.Ledger.
func (l *Ledger) Snapshot(ctx context.Context) ([]budget.KeyView, error) {
	views := make([]budget.KeyView, 0, len(l.books))
	for _, b := range l.books {
		d, err := b.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("read budget of key %s: %w", b.name, err)
		}
		views = append(views, d.View(b.name, l.clock.now()))
	}
	return views, nil
}
