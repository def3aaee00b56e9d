package hfsim_test

import (
	"reflect"
	"testing"
	"time"

	"salamander.dev/shared/sim/hfsim"
)

func TestClientSteersAServerInAnotherProcess(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *hfsim.Server) { s.Keys = []hfsim.Key{{Name: "one", Token: "t1"}} })
	c := hfsim.NewClient(b.URL(), nil)
	defer c.Close()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	must(c.Apply(ctx, hfsim.Settings{
		Reply:   &hfsim.ReplySettings{Mode: "echo"},
		Latency: &hfsim.LatencySettings{Median: time.Millisecond},
		Rates:   &hfsim.RateSettings{Shares: map[hfsim.Kind]float64{hfsim.Internal: 1}, Seed: 3},
	}))
	if got := b.ask("t1", "hi").status; got != 500 {
		t.Errorf("rates were not set: %d", got)
	}
	must(c.ClearFaults(ctx))
	if text, _, _, _ := b.ask("t1", "hi").content(t); text != "echo: hi" {
		t.Errorf("reply was not set: %q", text)
	}

	must(c.SetKeys(ctx, hfsim.Key{Name: "two", Token: "t2", Limits: hfsim.MustLimits("1req/month")}))
	if first, second := b.ask("t2", "hi").status, b.ask("t2", "hi").status; first != 200 || second != 429 {
		t.Errorf("new key: %d, %d", first, second)
	}
	must(c.SetState(ctx, "one", hfsim.Depleted))
	if got := b.ask("t1", "hi").status; got != 402 {
		t.Errorf("state was not set: %d", got)
	}
	must(c.SetState(ctx, "one", hfsim.Active))

	order := hfsim.Fault{Kind: hfsim.RateLimited, Key: "one", Question: "hi", Count: 2, Hint: hfsim.HintNone,
		Wait: 3 * time.Second, Pause: time.Millisecond, Status: 1, Body: "{}"}
	must(c.Inject(ctx, order, hfsim.Fault{Kind: hfsim.Hang, Count: 1}))
	orders, err := c.Faults(ctx)
	must(err)
	if len(orders) != 2 || !reflect.DeepEqual(orders[0], order) {
		t.Errorf("orders came back as %+v", orders)
	}
	must(c.ClearFaults(ctx))

	books, err := c.Books(ctx)
	must(err)
	own := b.Books()
	own.Now = books.Now
	if books.Calls != 5 || books.Over != 1 || len(books.Key("two").Windows) != 1 {
		t.Errorf("books %+v", books)
	}
	if two := books.Key("two"); two.Windows[0].Limit.String() != "1req/month" || two.Windows[0].Used() != 2 {
		t.Errorf("book of the new key %+v", two)
	}
	calls, err := c.Calls(ctx, 2)
	must(err)
	if !reflect.DeepEqual(calls, b.Calls(2)) {
		t.Errorf("calls differ: %+v and %+v", calls, b.Calls(2))
	}
	must(c.ResetBooks(ctx))
	if n := b.Books().Calls; n != 0 {
		t.Errorf("%d calls after a reset", n)
	}
}

func TestAdminRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	c := hfsim.NewClient(b.AdminURL(), nil)
	defer c.Close()
	ctx := t.Context()
	for what, err := range map[string]error{
		"fault":  c.Inject(ctx, hfsim.Fault{Kind: "earthquake"}),
		"state":  c.SetState(ctx, "one", "sleepy"),
		"reply":  c.Apply(ctx, hfsim.Settings{Reply: &hfsim.ReplySettings{Mode: "parrot"}}),
		"rate":   c.Apply(ctx, hfsim.Settings{Rates: &hfsim.RateSettings{Shares: map[hfsim.Kind]float64{"earthquake": 1}}}),
		"noname": c.SetKeys(ctx, hfsim.Key{Token: "t"}),
	} {
		if err == nil {
			t.Errorf("unknown %s was accepted", what)
		}
	}
}

func TestLatencies(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		set         hfsim.LatencySettings
		least, most time.Duration
	}{
		"fixed":      {hfsim.LatencySettings{Median: time.Second}, time.Second, time.Second},
		"uniform":    {hfsim.LatencySettings{Median: time.Second, Most: 2 * time.Second, Seed: 1}, time.Second, 2 * time.Second},
		"log-normal": {hfsim.LatencySettings{Median: time.Second, Most: 5 * time.Second, Sigma: 1, Seed: 1}, time.Millisecond, 5 * time.Second},
	}
	for name, test := range tests {
		f, below := test.set.Func(), 0
		for n := range int64(1000) {
			d := f(hfsim.Request{N: n})
			if d < test.least || d > test.most || d != f(hfsim.Request{N: n}) {
				t.Fatalf("%s: %v at call %d", name, d, n)
			}
			if d < time.Second {
				below++
			}
		}
		if name == "log-normal" && (below < 400 || below > 600) {
			t.Errorf("log-normal: %d of 1000 below the median", below)
		}
	}
}
