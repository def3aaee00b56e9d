package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/edge/store"
)

// Config is one run.
type Config struct {
	Seed    uint64
	URL     string // of a NATS server with JetStream
	Name    string // prefix of key names, so that runs on one server don't meet
	Workers int    // each a ledger of its own over a connection of its own, with one call at a time
	Keys    int
	Limits  string // of each key
	For     time.Duration
	// Skew is how far a worker's clock may be off, at most, to either side.
	Skew time.Duration
	// Crashes is the share of calls in which the worker dies, at any step; another starts in its place.
	Crashes float64
	// Latency is the mean time that the provider takes.
	Latency time.Duration
	// Restart, if set, is called RestartTimes times during the run: it ends the NATS server and starts it again.
	Restart      func() error
	RestartTimes int
	// LoseBucket deletes the budget's bucket, three times in a run.
	LoseBucket bool
	// Provision creates the buckets. Required.
	Provision func(ctx context.Context, nc *nats.Conn) error
}

// Result is what the provider counted.
type Result struct {
	Calls, Crashes int
	Over           int64 // requests and tokens over a limit; must be 0
	Usage          []Usage
	// Windows of the first limit there were, and those of them in which the machine stood still: they are not judged.
	Windows, Still int
	// Slowest is the longest time from the turn of a window to the first call with the primary.
	Slowest time.Duration
}

// run is the state that all workers share.
type run struct {
	Config
	limits   budget.Limits
	keys     []store.LedgerKey
	provider *provider
	crashes  atomic.Int64
	calls    atomic.Int64
	serial   atomic.Int64 // of workers

	mu    sync.Mutex
	first map[int64]time.Time // first call with the primary in each window
}

// Run lets the workers ask for as much as they can, for a while, and returns what the provider saw.
func Run(ctx context.Context, cfg Config) (Result, error) {
	limits, err := budget.ParseLimits(cfg.Limits)
	if err != nil {
		return Result{}, err
	}
	r := &run{Config: cfg, limits: limits, provider: newProvider(limits), first: map[int64]time.Time{}}
	var names []string
	for i := range cfg.Keys {
		name := fmt.Sprintf("%s-%d", cfg.Name, i)
		names = append(names, name)
		r.keys = append(r.keys, store.LedgerKey{Name: name, Limits: limits})
	}
	nc, err := nats.Connect(cfg.URL, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		return Result{}, err
	}
	defer nc.Close()
	if err := cfg.Provision(ctx, nc); err != nil {
		return Result{}, err
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, cfg.For)
	defer cancel()
	errs := make(chan error, cfg.Workers+1)
	var wg sync.WaitGroup
	for i := range cfg.Workers {
		wg.Go(func() {
			if err := r.worker(ctx, rand.New(rand.NewPCG(cfg.Seed, uint64(i)))); err != nil {
				errs <- err
				cancel()
			}
		})
	}
	var still stillness
	wg.Go(func() { still.watch(ctx) })
	wg.Go(func() {
		if err := r.trouble(ctx, nc); err != nil {
			errs <- err
			cancel()
		}
	})
	wg.Wait()
	select {
	case err := <-errs:
		return Result{}, err
	default:
	}
	res := Result{Calls: int(r.calls.Load()), Crashes: int(r.crashes.Load()), Over: r.provider.over}
	res.Usage = r.provider.usage(names, begin.Add(time.Second), begin.Add(cfg.For), &still)
	w := limits[0].Window
	for id := w.ID(begin.Add(time.Second)) + 1; !w.End(id).After(begin.Add(cfg.For)); id++ {
		res.Windows++
		if still.within(w.Start(id), w.End(id)) {
			res.Still++
			continue
		}
		if t, ok := r.first[id]; ok {
			res.Slowest = max(res.Slowest, t.Sub(w.Start(id)))
		} else {
			res.Slowest = w.Length()
		}
	}
	return res, nil
}

// trouble restarts the server and deletes the bucket at random moments.
func (r *run) trouble(ctx context.Context, nc *nats.Conn) error {
	rnd := rand.New(rand.NewPCG(r.Seed, 1<<40))
	n := r.RestartTimes
	if r.LoseBucket {
		n += 3
	}
	for i := range n {
		t := time.NewTimer(time.Duration(rnd.Int64N(2 * int64(r.For) / int64(n+1))))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		if i < r.RestartTimes {
			if err := r.Restart(); err != nil {
				return fmt.Errorf("restart NATS: %w", err)
			}
			continue
		}
		js, err := jetstream.New(nc)
		if err != nil {
			return err
		}
		if err := js.DeleteStream(ctx, "KV_BUDGET"); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) && ctx.Err() == nil {
			return fmt.Errorf("delete the bucket: %w", err)
		}
	}
	return nil
}

// worker lives, dies and is started again until ctx ends.
func (r *run) worker(ctx context.Context, rnd *rand.Rand) error {
	for ctx.Err() == nil {
		if err := r.life(ctx, rnd); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// errDied ends a life.
var errDied = errors.New("died")

func (r *run) life(ctx context.Context, rnd *rand.Rand) error {
	nc, err := nats.Connect(r.URL, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.RetryOnFailedConnect(true))
	if err != nil {
		return err
	}
	defer nc.Close()
	skew := time.Duration(0)
	if r.Skew > 0 {
		skew = time.Duration(rnd.Int64N(2*int64(r.Skew))) - r.Skew
	}
	name := fmt.Sprintf("w%d", r.serial.Add(1))
	var l *store.Ledger
	for l == nil { // the server may be away just now
		l, err = store.OpenLedger(ctx, nc, store.LedgerConfig{
			Keys: r.keys, Instance: name, Now: func() time.Time { return time.Now().Add(skew) }, Log: zerolog.Nop(),
			Forward:   "budget.v1.write." + r.Name,
			Provision: func(ctx context.Context) error { return r.Provision(ctx, nc) },
		})
		if err == nil {
			err = l.EnsureLimits(ctx, func(context.Context) ([]store.LiveWorker, error) { return nil, nil })
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if l != nil {
				kill(l)
				l = nil
			}
			pause(ctx, 50*time.Millisecond)
		}
	}
	defer kill(l)
	for n := 0; ctx.Err() == nil; n++ {
		err := r.call(ctx, l, nc, rnd, skew, fmt.Sprintf("%s.%d", name, n))
		if errors.Is(err, errDied) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kill ends a ledger as SIGKILL would: nothing is flushed.
func kill(l *store.Ledger) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.Close(ctx)
}

// call makes one call, or dies in it. What the provider sees of it is decided before the answer is known to us.
func (r *run) call(ctx context.Context, l *store.Ledger, nc *nats.Conn, rnd *rand.Rand, skew time.Duration, id string) error {
	dies := -1
	if rnd.Float64() < r.Crashes {
		dies = rnd.IntN(5)
	}
	die := func(step int) bool {
		if dies == step {
			r.crashes.Add(1)
			nc.Close()
			return true
		}
		return false
	}
	changed := l.Changed()
	req := budget.Request{ID: id, PromptTokens: 60 + rnd.IntN(60), MaxTokens: 200, Hold: 3 * time.Second}
	if dies == 0 { // at some instant of the reservation
		t := time.AfterFunc(time.Duration(rnd.Int64N(int64(2*time.Millisecond))), nc.Close)
		defer t.Stop()
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, _ = l.Reserve(short, req)
		die(0)
		return errDied
	}
	g, err := l.Reserve(ctx, req)
	var wait *budget.WaitError
	switch {
	case errors.As(err, &wait):
		t := time.NewTimer(wait.Until.Sub(time.Now().Add(skew)))
		defer t.Stop()
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
		}
		return nil
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("reserve: %w", err)
	case err != nil:
		return nil
	}
	if die(1) {
		return errDied
	}
	pause(ctx, time.Duration(rnd.Int64N(int64(time.Millisecond)))) // a little of life between the grant and the wire
	if !time.Now().Add(skew).Before(g.NotAfter) {
		return r.settle(ctx, l, g, budget.Outcome{Kind: budget.NotSent})
	}
	r.calls.Add(1)
	r.reached(g.Key)
	answer := r.provider.arrive(g.Key)
	prompt, completion := g.PromptTokens-rnd.IntN(20), 1+rnd.IntN(g.MaxTokens)
	pause(ctx, r.Latency/2+time.Duration(rnd.Int64N(int64(r.Latency))))
	answer(int64(prompt + completion))
	if die(2) {
		return errDied
	}
	o := budget.Outcome{Kind: budget.Success, UsageKnown: true, Prompt: int64(prompt), Completion: int64(completion)}
	if dies == 3 { // while the settlement is on its way
		l.SettleLater(g, o)
		die(3)
		return errDied
	}
	if rnd.IntN(20) == 0 { // a duplicate
		if err := r.settle(ctx, l, g, o); err != nil {
			return err
		}
	}
	if err := r.settle(ctx, l, g, o); err != nil {
		return err
	}
	if die(4) {
		return errDied
	}
	return nil
}

func (r *run) settle(ctx context.Context, l *store.Ledger, g budget.Grant, o budget.Outcome) error {
	if err := l.Settle(ctx, g, o); err != nil && ctx.Err() == nil {
		return fmt.Errorf("settle: %w", err)
	}
	return nil
}

// reached notes the first call with the primary in each window.
func (r *run) reached(key string) {
	if key != r.keys[0].Name {
		return
	}
	now := time.Now()
	id := r.limits[0].Window.ID(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.first[id]; !ok {
		r.first[id] = now
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
