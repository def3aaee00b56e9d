package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"salamander.dev/worker/internal/edge/store/ledgertest"
)

// sim runs the ledger under saturating demand and crashes, with a NATS server in a process of its own that is killed
// with SIGKILL, and prints what the provider counted. It fails if anything passed a limit, or if too little was used.
func sim(args []string) error {
	fs := flag.NewFlagSet("sim", flag.ContinueOnError)
	runs := fs.Int("runs", 20, "random runs")
	workers := fs.Int("workers", 0, "workers in each run; 0: 32 or 128 in turn")
	length := fs.Duration("for", 9*time.Second, "length of a run")
	seed := fs.Uint64("seed", uint64(time.Now().UnixNano()), "of the first run; the next have the next")
	if err := fs.Parse(args); err != nil {
		return err
	}
	t := totals{least: map[string]float64{}}
	for i := range *runs {
		if err := t.run(*seed+uint64(i), *workers, *length); err != nil {
			return err
		}
	}
	fmt.Printf("\n%d runs, %d calls, %d crashes, %d kills of NATS, %d buckets lost: %d requests or tokens over a limit\n",
		*runs, t.calls, t.crashes, t.kills, t.lost, t.over)
	for kind, m := range t.mean {
		fmt.Printf("undisturbed by NATS, %s: mean %.2f %%, least window %.2f %%, over %d windows\n", kind, 100*m.sum/float64(m.n), 100*t.least[kind], m.n)
	}
	fmt.Printf("%d of %d windows are not among these, since the machine stood still in them\n", t.still, t.windows)
	fmt.Printf("back on the primary at most %s after a turn (NATS undisturbed)\n", t.slowest.Round(time.Millisecond))
	if t.over > 0 || t.bad > 0 {
		return fmt.Errorf("%d over a limit, %d runs that left too much unused", t.over, t.bad)
	}
	return nil
}

type totals struct {
	calls, crashes, kills, lost, bad int
	windows, still                   int
	over                             int64
	slowest                          time.Duration
	mean                             map[string]*sum
	least                            map[string]float64
}

type sum struct {
	sum float64
	n   int
}

// kinds are the limits of runs, which unit binds, and how much of it must be used without and with crashes.
var kinds = []struct {
	limits, unit, binds string
	calm, crashing      float64
}{
	{"400req/2s,100000000tok/1m", "requests", "400req/2s", 0.99, 0.99},
	{"60000tok/2s,1000000req/1h", "tokens", "60000tok/2s", 0.98, 0.97},
	{"150req/1s,1000000req/month", "requests", "150req/1s", 0.99, 0.99},
}

func (t *totals) run(seed uint64, workers int, length time.Duration) error {
	r := rand.New(rand.NewPCG(seed, 7))
	dir, err := os.MkdirTemp("", "ledgersim")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ns, err := startNATS(dir)
	if err != nil {
		return err
	}
	defer func() { ns.Kill() }()
	k := kinds[seed%uint64(len(kinds))]
	cfg := ledgertest.Config{
		Seed: seed, URL: ns.url, Name: "sim", Workers: workers, Keys: 1 + r.IntN(2), Limits: k.limits, For: length,
		Skew: 2 * time.Second, Latency: 30 * time.Millisecond,
		Provision: func(ctx context.Context, nc *nats.Conn) error { return provision(ctx, nc, 1) },
	}
	if workers == 0 {
		cfg.Workers = []int{32, 128}[seed%2]
	}
	crash := r.IntN(2) == 0
	if crash {
		cfg.Crashes = 0.01
	}
	switch r.IntN(4) {
	case 0:
		cfg.RestartTimes = 1 + r.IntN(3)
		cfg.Restart = func() error { t.kills++; ns.Kill(); return ns.Start() }
	case 1:
		cfg.LoseBucket, cfg.Limits = true, "600req/2s,100000000tok/1m" // used up late, so that it is lost while it counts
		t.lost++
	}
	ctx, cancel := context.WithTimeout(context.Background(), length+30*time.Second)
	defer cancel()
	res, err := ledgertest.Run(ctx, cfg)
	if err != nil {
		return fmt.Errorf("seed %d: %w", seed, errors.Join(err, ctx.Err()))
	}
	t.calls += res.Calls
	t.crashes += res.Crashes
	t.over += res.Over
	fmt.Printf("seed %d: %3d workers, %d keys, %-27s crashes %.0f %%, NATS killed %d times, bucket lost %-5v: %d calls, %d over\n",
		seed, cfg.Workers, cfg.Keys, cfg.Limits, 100*cfg.Crashes, cfg.RestartTimes, cfg.LoseBucket, res.Calls, res.Over)
	if cfg.RestartTimes > 0 || cfg.LoseBucket {
		return nil
	}
	t.windows, t.still = t.windows+res.Windows, t.still+res.Still
	t.slowest = max(t.slowest, res.Slowest)
	want := k.calm
	if crash {
		want = k.crashing
	}
	for _, u := range res.Usage {
		if u.Limit != k.binds {
			continue
		}
		fmt.Println("   ", u)
		kind := k.unit
		if crash {
			kind += ", crashes at 1 % of calls"
		}
		t.add(kind, u)
		if u.Mean < want {
			t.bad++
		}
	}
	return nil
}

func (t *totals) add(kind string, u ledgertest.Usage) {
	if t.mean == nil {
		t.mean = map[string]*sum{}
	}
	if t.mean[kind] == nil {
		t.mean[kind] = &sum{}
		t.least[kind] = u.Min
	}
	t.mean[kind].sum += u.Mean * float64(u.Windows)
	t.mean[kind].n += u.Windows
	t.least[kind] = min(t.least[kind], u.Min)
}
