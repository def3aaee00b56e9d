package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"salamander.dev/shared/sim/hfsim"
)

// result is what the simulated Hugging Face counted in one run.
type result struct {
	plan
	calls, over int64
	shares      []float64 // of the binding limit, for each whole window and key that nothing disturbed
	left        int       // windows that something disturbed
	// primary is the longest time from a turn to the first call with the first key, in those windows.
	primary time.Duration
}

func (r result) String() string {
	mean, least := summary(r.shares)
	return fmt.Sprintf("%s: %d calls, %d over; %d windows, used %.2f %% (least %.2f %%), %d disturbed; primary %s after a turn",
		r.plan, r.calls, r.over, len(r.shares), 100*mean, 100*least, r.left, r.primary.Round(time.Millisecond))
}

// judge reads the books. A window counts if it lies wholly in the time of demand.
func (s *stage) judge() result {
	b := s.hf.Books()
	r := result{plan: s.plan, calls: b.Calls, over: b.Over}
	end := s.began.Add(s.length)
	for i := range s.keys {
		key := b.Key(fmt.Sprintf("key%d", i))
		limit := hfsim.MustLimits(s.kind.limits[0])[0]
		for _, w := range key.Windows {
			if w.Limit != limit || w.Start.Before(s.began) || w.End.After(end) {
				continue
			}
			if s.isDisturbed(w.Start, w.End) {
				r.left++
				continue
			}
			r.shares = append(r.shares, share(w))
			if i == 0 {
				r.primary = max(r.primary, s.firstCall(key.Name, w).Sub(w.Start))
			}
		}
	}
	return r
}

func (s *stage) isDisturbed(from, to time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.disturbed, func(d span) bool { return d.from.Before(to) && d.to.After(from) })
}

// share is how much of a window's limit was used.
func share(w hfsim.Window) float64 {
	used := float64(w.Used())
	if w.Limit.Unit == hfsim.Dollars {
		used /= 1e9
	}
	return used / w.Limit.Max
}

// firstCall is when the first call of a window came.
func (s *stage) firstCall(key string, w hfsim.Window) time.Time {
	for _, c := range s.hf.Calls(0) {
		if c.Key == key && !c.At.Before(w.Start) && c.At.Before(w.End) {
			return c.At
		}
	}
	return w.End
}

func summary(shares []float64) (mean, least float64) {
	if len(shares) == 0 {
		return 0, 0
	}
	for _, x := range shares {
		mean += x / float64(len(shares))
	}
	return mean, slices.Min(shares)
}

// totals sums up all runs.
type totals struct {
	runs, workers, nats, left int
	calls, over               int64
	primary                   time.Duration
	groups                    map[group][]float64
}

// group is what must be used how much.
type group struct {
	unit    string
	crashes bool
	want    float64
}

func newTotals() *totals { return &totals{groups: map[group][]float64{}} }

func (t *totals) add(r result) {
	t.runs++
	t.workers += len(r.workerKills)
	t.nats += len(r.natsKills)
	t.left += r.left
	t.calls += r.calls
	t.over += r.over
	t.primary = max(t.primary, r.primary)
	g := group{r.kind.unit, r.crashes(), r.want()}
	t.groups[g] = append(t.groups[g], r.shares...)
}

// fewWindows say little about a mean: as few as a short run leaves. Their use is shown, but not judged.
const fewWindows = 20

// report prints the sums and says whether all is as it must be.
func (t *totals) report() bool {
	fmt.Printf("\n%d runs, %d calls, %d workers and %d NATS servers killed: %d calls over a limit\n", t.runs, t.calls, t.workers, t.nats, t.over)
	ok := t.over == 0 && t.calls > 0
	for _, g := range slices.SortedFunc(maps.Keys(t.groups), func(a, b group) int {
		return slices.Compare([]string{a.unit, fmt.Sprint(a.crashes)}, []string{b.unit, fmt.Sprint(b.crashes)})
	}) {
		mean, least := summary(t.groups[g])
		if len(t.groups[g]) == 0 {
			fmt.Printf("%s, crashes %-5v: no whole window was left undisturbed, so use was not judged\n", g.unit, g.crashes)
			continue
		}
		enough := mean >= g.want
		ok = ok && (enough || len(t.groups[g]) < fewWindows)
		fmt.Printf("%s, crashes %-5v: %3d whole windows, used %.2f %% (least %.2f %%), want %.0f %%: %v%s\n", g.unit, g.crashes,
			len(t.groups[g]), 100*mean, 100*least, 100*g.want, map[bool]string{true: "ok", false: "TOO LITTLE"}[enough], map[bool]string{true: "", false: " (too few windows to judge)"}[len(t.groups[g]) >= fewWindows])
	}
	fmt.Printf("%d windows were left out, in which NATS or every worker was away, or the machine stood still for %s\n", t.left, stall)
	fmt.Printf("back on the first key at most %s after a turn\n", t.primary.Round(time.Millisecond))
	return ok
}
