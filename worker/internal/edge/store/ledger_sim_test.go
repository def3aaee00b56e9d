package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"salamander.dev/shared/bus/bustest"
	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/edge/store/ledgertest"
)

// attempts is how often a simulation that left too much unused is tried.
const attempts = 3

func simulate(t *testing.T, cfg ledgertest.Config) ledgertest.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := ledgertest.Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d calls, %d crashes, primary at most %s after a turn; the machine stood still in %d of %d windows", r.Calls, r.Crashes, r.Slowest, r.Still, r.Windows)
	return r
}

// left names the limits of which less than a share was used.
func left(r ledgertest.Result, requests, tokens float64) (unused []string) {
	if r.Calls == 0 && r.Still < r.Windows {
		return []string{"no call was made"}
	}
	for _, u := range r.Usage {
		want := requests
		if u.Limit == "30000tok/2s" {
			want = tokens
		}
		if u.Limit != "1000000tok/1m" && u.Limit != "100000req/1h" && u.Mean < want {
			unused = append(unused, fmt.Sprintf("%s: want at least %.0f %%", u, 100*want))
		}
	}
	return unused
}

// A few seconds of what `ledgerbench sim` does for as long as one likes: the provider counts, by its own clock.
func TestSimulation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*ledgertest.Config, *bustest.Server)
		// least share of requests and tokens that must be used in all whole windows together; 0: not judged.
		requests, tokens float64
	}{
		{"requests bind, clocks 2 s off", func(c *ledgertest.Config, _ *bustest.Server) {
			c.Limits = "200req/2s,1000000tok/1m"
		}, 0.99, 0},
		{"tokens bind", func(c *ledgertest.Config, _ *bustest.Server) {
			c.Limits = "30000tok/2s,100000req/1h"
		}, 0, 0.98},
		{"two keys, one call in a hundred crashes", func(c *ledgertest.Config, _ *bustest.Server) {
			c.Limits, c.Keys, c.Crashes = "100req/2s,1000000tok/1m", 2, 0.01
		}, 0.99, 0},
		{"NATS restarts", func(c *ledgertest.Config, s *bustest.Server) {
			c.Limits, c.Crashes, c.RestartTimes = "150req/1s,25000tok/1s", 0.01, 2
			c.Restart = func() error { s.Stop(); s.Start(); return nil }
		}, 0, 0},
		{"the bucket is lost", func(c *ledgertest.Config, _ *bustest.Server) {
			// A window takes most of its length to be used up, so that it is lost while it counts.
			c.Limits, c.LoseBucket = "600req/2s", true
		}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := bustest.Run(t)
			bs := srv.Connect(control.Worker)
			cfg := ledgertest.Config{
				Seed: 1, URL: srv.URL(), Name: "sim", Workers: 32, Keys: 1, Skew: 2 * time.Second,
				Latency:   40 * time.Millisecond,
				Provision: func(ctx context.Context, _ *nats.Conn) error { return bs.Provision(ctx) },
			}
			c.change(&cfg, srv)
			// That nothing passes a limit must hold in every attempt. That all of it is used needs a machine that lets the
			// workers run: where it did not, they get another attempt.
			var unused []string
			for attempt := range attempts {
				cfg.For = time.Duration(1+attempt) * 7 * time.Second
				r := simulate(t, cfg)
				if r.Over != 0 {
					t.Fatalf("%d requests or tokens over a limit in %d calls", r.Over, r.Calls)
				}
				if unused = left(r, c.requests, c.tokens); len(unused) == 0 {
					return
				}
				cfg.Seed++
				cfg.Name += "x" // keys of their own
			}
			t.Error(unused)
		})
	}
}
