package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// kind is one way in which things go wrong, and how long that lasts: how long a process is away or frozen, how long
// Discord refuses connections. The zero bounds are of what happens in an instant.
type kind struct{ least, most time.Duration }

// kinds are all troubles. A freeze outlasts what a process is waited for, so that it wakes up as a zombie.
var kinds = map[string]kind{
	"kill-worker":    {10 * time.Millisecond, 2 * time.Second},
	"kill-gateway":   {10 * time.Millisecond, 2 * time.Second},
	"kill-nats":      {10 * time.Millisecond, 2 * time.Second},
	"kill-gateways":  {100 * time.Millisecond, 4 * time.Second}, // all of them: nobody hears what is asked
	"kill-workers":   {100 * time.Millisecond, 4 * time.Second},
	"kill-all":       {100 * time.Millisecond, 3 * time.Second},
	"nats-away":      {3 * time.Second, 12 * time.Second},
	"term-worker":    {10 * time.Millisecond, 2 * time.Second},
	"term-gateway":   {10 * time.Millisecond, 2 * time.Second},
	"term-nats":      {10 * time.Millisecond, 2 * time.Second},
	"freeze-worker":  {2 * time.Second, 14 * time.Second},
	"freeze-gateway": {2 * time.Second, 14 * time.Second},
	"freeze-nats":    {300 * time.Millisecond, 5 * time.Second},
	"refuse":         {200 * time.Millisecond, 3 * time.Second},
	"close":          {},
	"close-4000":     {},
	"op7":            {},
	"op7-first":      {},
	"op9":            {},
	"op9-resumable":  {},
	"half-open":      {},
	"hello-lost":     {},
	"no-ack":         {8 * time.Second, 12 * time.Second},
}

// trouble is one entry of a schedule.
type trouble struct {
	at    time.Duration // after the start
	kind  string
	pick  float64 // which of the processes of a role, from 0 to below 1, counted from the oldest
	lasts time.Duration
}

// schedule draws what goes wrong within length, every one to four seconds. It follows from the seed alone. Every kind
// comes once before one comes again. only, comma separated, limits the kinds; empty: all.
func schedule(seed uint64, length time.Duration, only string) ([]trouble, error) {
	names := slices.Sorted(maps.Keys(kinds))
	if only != "" {
		names = strings.Split(only, ",")
		for _, n := range names {
			if _, ok := kinds[n]; !ok {
				return nil, fmt.Errorf("trouble %q: expected one of %s", n, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
			}
		}
	}
	r := rand.New(rand.NewPCG(seed, 2))
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(r.Int64N(int64(most-least)+1))
	}
	var all []trouble
	var deck []string
	for at := between(time.Second, 4*time.Second); at < length; at += between(time.Second, 4*time.Second) {
		if len(deck) == 0 {
			deck = slices.Clone(names)
			r.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		t := trouble{at: at, kind: deck[0], pick: r.Float64(), lasts: between(kinds[deck[0]].least, kinds[deck[0]].most)}
		all, deck = append(all, t), deck[1:]
	}
	return all, nil
}

// write prints a schedule, and how often each kind is in it.
func write(w io.Writer, all []trouble) {
	counts := map[string]int{}
	for _, t := range all {
		counts[t.kind]++
		fmt.Fprintf(w, "%8s %-15s", t.at.Round(time.Millisecond), t.kind)
		if t.lasts > 0 {
			fmt.Fprintf(w, " for %s", t.lasts.Round(time.Millisecond))
		}
		fmt.Fprintln(w)
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Compare(a, b) })
	for _, n := range names {
		fmt.Fprintf(w, "%s %d  ", n, counts[n])
	}
	fmt.Fprintln(w)
}
