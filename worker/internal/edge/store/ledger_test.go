package store_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/bus/bustest"
	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/edge/store"
)

func limits(t testing.TB, s string) budget.Limits {
	t.Helper()
	l, err := budget.ParseLimits(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// bundle is a server with buckets, and what a test needs to open ledgers on it.
type bundle struct {
	t   testing.TB
	srv *bustest.Server
	ctx context.Context
	n   int
}

func setup(t testing.TB) *bundle {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return &bundle{t: t, srv: bustest.Run(t), ctx: ctx}
}

// open opens a ledger over a connection of its own.
func (b *bundle) open(change func(*store.LedgerConfig), keys ...store.LedgerKey) (*store.Ledger, *bus.Bus) {
	b.t.Helper()
	bs := b.srv.Connect(control.Worker)
	b.n++
	cfg := store.LedgerConfig{Keys: keys, Instance: "w" + strconv.Itoa(b.n), Log: zerolog.Nop()}
	if change != nil {
		change(&cfg)
	}
	l, err := store.OpenLedger(b.ctx, bs.Conn(), cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			b.t.Error(err)
		}
	})
	if err := l.EnsureLimits(b.ctx, nobody); err != nil {
		b.t.Fatal(err)
	}
	return l, bs
}

func nobody(context.Context) ([]store.LiveWorker, error) { return nil, nil }

func request(id string) budget.Request {
	return budget.Request{ID: id, PromptTokens: 50, MaxTokens: 100, Hold: 5 * time.Second}
}

func TestReserveTakesTheFirstKeyAndThenTheNext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, store.LedgerKey{"first", limits(t, "2req/month")}, store.LedgerKey{"second", limits(t, "1req/month")})
	var keys []string
	for i := range 3 {
		g, err := l.Reserve(b.ctx, request(strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, g.Key)
		if err := l.Settle(b.ctx, g, budget.Outcome{Kind: budget.Success}); err != nil {
			t.Fatal(err)
		}
	}
	if keys[0] != "first" || keys[1] != "first" || keys[2] != "second" {
		t.Fatalf("keys %v", keys)
	}
	var wait *budget.WaitError
	if _, err := l.Reserve(b.ctx, request("x")); !errors.As(err, &wait) || wait.Reason != budget.Exhausted {
		t.Fatalf("want to wait for the turn, got %v", err)
	}
}

func TestManyWorkersNeverPassALimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const workers, limit = 8, 200
	var mu sync.Mutex
	granted := map[string]bool{}
	var wg sync.WaitGroup
	for w := range workers {
		l, _ := b.open(nil, store.LedgerKey{"k", limits(t, strconv.Itoa(limit)+"req/month")})
		for c := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					id := strconv.Itoa(w) + "." + strconv.Itoa(c) + "." + strconv.Itoa(i)
					g, err := l.Reserve(b.ctx, request(id))
					var wait *budget.WaitError
					if errors.As(err, &wait) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					granted[id] = true
					mu.Unlock()
					l.SettleLater(g, budget.Outcome{Kind: budget.Success, UsageKnown: true, Prompt: 10, Completion: 10})
				}
			})
		}
	}
	wg.Wait()
	if len(granted) != limit {
		t.Fatalf("%d grants, limit %d", len(granted), limit)
	}
}

// No t.Parallel: it looks at all goroutines of the process.
func TestCloseEndsEveryGoroutine(t *testing.T) {
	srv := bustest.Run(t)
	bs := srv.Connect(control.Worker)
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i := range 3 {
		l, err := store.OpenLedger(ctx, bs.Conn(), store.LedgerConfig{
			Instance: "w" + strconv.Itoa(i), Keys: []store.LedgerKey{{Name: "one", Limits: limits(t, "1req/month")}},
			Waiting: func(context.Context) (map[string]int, error) { return nil, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = l.Reserve(ctx, request("a"+strconv.Itoa(i)))
		_, _ = l.Reserve(ctx, request("b"+strconv.Itoa(i)))
		if err := l.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	goleak.VerifyNone(t, before)
}
