package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/edge/store"
)

// health measures how long it takes until every worker knows what one learned about a key: that it cools, and, when a
// worker that starts finds a refused key accepted, that it is active again.
func health(args []string) error {
	fs := flag.NewFlagSet("health", flag.ContinueOnError)
	workers := fs.Int("workers", 32, "workers, each with a connection of its own")
	rounds := fs.Int("rounds", 50, "changes of each kind")
	if err := fs.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ledgerhealth")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ns, err := startNATS(dir)
	if err != nil {
		return err
	}
	defer ns.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var closed, opened []time.Duration
	for round := range *rounds {
		c, o, err := healthRound(ctx, ns.url, round, *workers)
		if err != nil {
			return err
		}
		closed, opened = append(closed, c...), append(opened, o...)
	}
	fmt.Printf("a key cools: every other of %d workers refuses it after p50 %s, p99 %s, at most %s\n", *workers, ms(closed, 50), ms(closed, 99), ms(closed, 100))
	fmt.Printf("a refused key is active again: every other uses it after p50 %s, p99 %s, at most %s\n", ms(opened, 50), ms(opened, 99), ms(opened, 100))
	return nil
}

// healthRound has one worker learn that a key cools and that another is refused, and a new one that it is accepted.
func healthRound(ctx context.Context, url string, round, workers int) (closed, opened []time.Duration, err error) {
	cooling, refused := fmt.Sprintf("c%d", round), fmt.Sprintf("r%d", round)
	fleet := make([]*store.Ledger, workers)
	for i := range fleet {
		l, end, err := healthLedger(ctx, url, fmt.Sprintf("w%d-%d", round, i), cooling, refused)
		if err != nil {
			return nil, nil, err
		}
		defer end()
		fleet[i] = l
	}
	if closed, err = spread(ctx, fleet, cooling, refused, budget.Outcome{Kind: budget.RateLimited, RetryAfter: time.Hour}, "a"); err != nil {
		return nil, nil, err
	}
	if _, err = spread(ctx, fleet, refused, cooling, budget.Outcome{Kind: budget.KeyRefused}, "b"); err != nil {
		return nil, nil, err
	}
	late, end, err := healthLedger(ctx, url, fmt.Sprintf("late%d", round), cooling, refused)
	if err != nil {
		return nil, nil, err
	}
	defer end()
	var all sync.WaitGroup
	times := make([]time.Time, workers)
	for i, l := range fleet {
		all.Go(func() { times[i] = granted(ctx, l, fmt.Sprintf("o%d", i), cooling) })
	}
	g, err := late.Reserve(ctx, request("late", cooling))
	if err == nil {
		err = late.Settle(ctx, g, budget.Outcome{Kind: budget.Success})
	}
	known := time.Now()
	all.Wait()
	for _, t := range times {
		opened = append(opened, max(t.Sub(known), 0))
	}
	return closed, opened, errors.Join(err, ctx.Err())
}

// spread settles a call of the first worker and returns how long the others go on with the key.
func spread(ctx context.Context, fleet []*store.Ledger, key, other string, o budget.Outcome, id string) ([]time.Duration, error) {
	g, err := fleet[0].Reserve(ctx, request(id, other))
	if err != nil {
		return nil, err
	}
	if err := fleet[0].Settle(ctx, g, o); err != nil {
		return nil, err
	}
	known := time.Now()
	took := make([]time.Duration, len(fleet)-1)
	errs := make([]error, len(fleet)-1)
	var all sync.WaitGroup
	for i, l := range fleet[1:] {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				g, err := l.Reserve(ctx, request(fmt.Sprintf("%s%d.%d", id, i, n), other))
				if err == nil {
					err = l.Settle(ctx, g, budget.Outcome{Kind: budget.NotSent})
				} else if !isUnknown(err) {
					took[i] = time.Since(known)
					return
				}
				errs[i] = err
			}
		})
	}
	all.Wait()
	return took, errors.Join(errs...)
}

// isUnknown says that an error tells nothing of the key.
func isUnknown(err error) bool {
	var wait *budget.WaitError
	return !errors.As(err, &wait) && !errors.Is(err, budget.ErrNoKeys)
}

// granted waits as a worker does until the key is granted.
func granted(ctx context.Context, l *store.Ledger, id, other string) time.Time {
	for n := 0; ctx.Err() == nil; n++ {
		changed := l.Changed()
		if _, err := l.Reserve(ctx, request(fmt.Sprintf("%s.%d", id, n), other)); err == nil {
			return time.Now()
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return time.Now()
}

func request(id, exclude string) budget.Request {
	return budget.Request{ID: id, PromptTokens: 100, MaxTokens: 100, Hold: time.Minute, Exclude: []string{exclude}}
}

func healthLedger(ctx context.Context, url, name string, keys ...string) (*store.Ledger, func(), error) {
	nc, err := connectNATS(url)
	if err != nil {
		return nil, nil, err
	}
	cfg := store.LedgerConfig{Instance: name, Log: zerolog.Nop()}
	limits, err := budget.ParseLimits(benchLimits)
	if err == nil {
		err = provision(ctx, nc, 1)
	}
	for _, k := range keys {
		cfg.Keys = append(cfg.Keys, store.LedgerKey{Name: k, Limits: limits})
	}
	var l *store.Ledger
	if err == nil {
		l, err = store.OpenLedger(ctx, nc, cfg)
	}
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return l, func() { _ = l.Close(ctx); nc.Close() }, nil
}
