package budget

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// noon is far from every turn.
var noon = time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)

func mustLimits(t testing.TB, s string) Limits {
	t.Helper()
	l, err := ParseLimits(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// bench is a document and the calls that a test makes on it.
type bench struct {
	t *testing.T
	*Document
	n int
}

func newBench(t *testing.T, limits string) *bench {
	return &bench{t: t, Document: NewDocument(mustLimits(t, limits), noon)}
}

func (b *bench) ask(now time.Time, change func(*Ask)) (string, Verdict) {
	b.n++
	a := Ask{Lease: fmt.Sprint("call", b.n), Prompt: 10, Max: 50, Hold: time.Minute}
	if change != nil {
		change(&a)
	}
	return a.Lease, b.Reserve(now, a)
}

// end makes a call and ends it. It returns what Reserve said.
func (b *bench) end(now time.Time, o Outcome, until time.Time) Verdict {
	id, v := b.ask(now, nil)
	if v.Granted {
		b.Settle(now, Settlement{Lease: id, Granted: at(v.Lease.At), Outcome: o, Until: until})
	}
	return v
}

func (b *bench) state(now time.Time) (State, time.Time) { return b.Health.state(now.UnixMilli()) }

func TestTooManyRequestsCoolsLongerEachTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, "none")
	now := noon
	want := 5 * time.Second
	for range 12 {
		v := b.end(now, Outcome{Kind: RateLimited}, time.Time{})
		state, until := b.state(now)
		d := until.Sub(now)
		lo, hi := want, want+want/5
		if want >= 5*time.Minute {
			lo, hi = 4*time.Minute+30*time.Second, 5*time.Minute
		}
		if !v.Granted || state != StateCooling || d < lo || d > hi {
			t.Fatalf("granted %v, %s for %s, want %s to %s", v.Granted, state, d, lo, hi)
		}
		if _, v := b.ask(until.Add(-time.Millisecond), nil); v.Granted || v.Why != Cooling || !v.Until.Equal(until) {
			t.Fatalf("a cooling key: %+v", v)
		}
		now = until
		want = min(2*want, 5*time.Minute)
	}
	b.end(now, Outcome{Kind: Success}, time.Time{})
	b.end(now, Outcome{Kind: RateLimited}, time.Time{})
	if _, until := b.state(now); until.Sub(now) > 6*time.Second {
		t.Fatalf("after a success: %s", until.Sub(now))
	}
}

func TestCallsInFlightCoolOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, "none")
	var ids []string
	for range 8 {
		id, _ := b.ask(noon, nil)
		ids = append(ids, id)
	}
	for i, id := range ids {
		b.Settle(noon.Add(time.Duration(i+1)*time.Millisecond), Settlement{Lease: id, Granted: noon, Outcome: Outcome{Kind: RateLimited}})
	}
	if _, until := b.state(noon); until.Sub(noon) > 7*time.Second || b.Health.Streak != 1 {
		t.Fatalf("eight calls that were in flight together: %s, streak %d", until.Sub(noon), b.Health.Streak)
	}
}

func TestNamedTimesHold(t *testing.T) {
	t.Parallel()
	b := newBench(t, "none")
	for _, c := range []struct{ named, want time.Duration }{
		{90 * time.Second, 90 * time.Second}, {30 * time.Second, 90 * time.Second}, {2 * time.Hour, 2 * time.Hour},
		{1000 * time.Hour, 768 * time.Hour},
	} {
		id := "x"
		b.Settle(noon, Settlement{Lease: id, Granted: noon, Outcome: Outcome{Kind: RateLimited}, Until: noon.Add(c.named)})
		if _, until := b.state(noon); until.Sub(noon) != c.want {
			t.Errorf("named %s: cools for %s, want %s", c.named, until.Sub(noon), c.want)
		}
	}
	if b.Health.Streak != 0 {
		t.Error("a named time is no guess of ours")
	}
}

func TestNoCreditRestsUntilTheMonthTurns(t *testing.T) {
	t.Parallel()
	b := newBench(t, "none")
	b.end(noon, Outcome{Kind: NoCredit}, time.Time{})
	turn := time.Date(2026, 12, 1, 0, 0, 2, 0, time.UTC)
	if state, until := b.state(noon); state != StateResting || !until.Equal(turn) {
		t.Fatalf("%s until %s", state, until)
	}
	if _, v := b.ask(noon.Add(24*time.Hour-time.Millisecond), nil); v.Granted || v.Why != Resting || !v.Until.Equal(noon.Add(24*time.Hour)) {
		t.Fatalf("before the first probe: %+v", v)
	}
	// One probe a day, however many ask.
	now := noon.Add(24 * time.Hour)
	id, v := b.ask(now, nil)
	if !v.Granted || !v.Lease.Probe {
		t.Fatalf("the first probe: %+v", v)
	}
	if _, v := b.ask(now.Add(time.Second), nil); v.Granted || !v.Until.Equal(now.Add(24*time.Hour)) {
		t.Fatalf("a second probe on the same day: %+v", v)
	}
	b.Settle(now, Settlement{Lease: id, Granted: now, Outcome: Outcome{Kind: NoCredit}})
	if _, v := b.ask(now.Add(23*time.Hour), nil); v.Granted {
		t.Fatal("the failed probe opened the key")
	}
	now = now.Add(24 * time.Hour)
	id, _ = b.ask(now, nil)
	b.Settle(now, Settlement{Lease: id, Granted: now, Outcome: Outcome{Kind: Success}})
	if state, _ := b.state(now); state != StateActive {
		t.Fatalf("after a probe that succeeded: %s", state)
	}
	// And without any probe the month's turn ends it.
	b.end(now, Outcome{Kind: NoCredit}, time.Time{})
	if _, v := b.ask(turn, nil); !v.Granted || v.Lease.Probe {
		t.Fatalf("after the month's turn: %+v", v)
	}
}

func TestCrashedProbeIsFollowedByTheNextDay(t *testing.T) {
	t.Parallel()
	b := newBench(t, "none")
	b.end(noon, Outcome{Kind: NoCredit}, time.Time{})
	b.ask(noon.Add(24*time.Hour), nil) // never settled
	if _, v := b.ask(noon.Add(47*time.Hour), nil); v.Granted {
		t.Fatal("a second probe within a day")
	}
	if _, v := b.ask(noon.Add(48*time.Hour), nil); !v.Granted || !v.Lease.Probe {
		t.Fatalf("the next day's probe: %+v", v)
	}
}

func TestNoCreditOfLastMonthDoesNotCloseThisOne(t *testing.T) {
	t.Parallel()
	b := newBench(t, "none")
	before := time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC)
	id, _ := b.ask(before, nil)
	b.Settle(before.Add(2*time.Second), Settlement{Lease: id, Granted: before, Outcome: Outcome{Kind: NoCredit}})
	if state, _ := b.state(before.Add(2 * time.Second)); state != StateActive {
		t.Fatal(state)
	}
}

func TestRefusedKeyIsTriedByWhoStarts(t *testing.T) {
	t.Parallel()
	b := newBench(t, "none")
	old, _ := b.ask(noon, nil)
	b.end(noon, Outcome{Kind: KeyRefused}, time.Time{})
	if _, v := b.ask(noon.Add(time.Second), nil); v.Granted || v.Why != Refused || !v.Until.IsZero() {
		t.Fatalf("%+v", v)
	}
	now := noon.Add(time.Second)
	b.Settle(now, Settlement{Lease: old, Granted: noon, Outcome: Outcome{Kind: Success}})
	if state, _ := b.state(now); state != StateRefused {
		t.Fatal("a success from before the refusal opened the key")
	}
	id, v := b.ask(now, func(a *Ask) { a.FirstTry = true })
	if !v.Granted || !v.Lease.Probe {
		t.Fatalf("%+v", v)
	}
	late, _ := b.ask(now, func(a *Ask) { a.FirstTry = true })
	b.Settle(now.Add(time.Second), Settlement{Lease: id, Granted: now, Outcome: Outcome{Kind: Success}})
	b.Settle(now.Add(2*time.Second), Settlement{Lease: late, Granted: now, Outcome: Outcome{Kind: KeyRefused}})
	if state, _ := b.state(now.Add(2 * time.Second)); state != StateActive {
		t.Fatal("a refusal from before the success closed the key again")
	}
	if _, v := b.ask(now.Add(3*time.Second), nil); !v.Granted || v.Lease.Probe {
		t.Fatalf("active for all: %+v", v)
	}
}

// What the provider did not run costs a request and no tokens; what may have run costs what was reserved.
func TestWhatOutcomesCost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome       Outcome
		requests, tok int64
	}{
		{Outcome{Kind: Success, UsageKnown: true, Prompt: 7, Completion: 20}, 1, 27},
		{Outcome{Kind: Success}, 1, 60},
		{Outcome{Kind: Failed}, 1, 60},
		{Outcome{Kind: Failed, UsageKnown: true}, 1, 0},
		{Outcome{Kind: RateLimited}, 1, 0},
		{Outcome{Kind: NoCredit}, 1, 0},
		{Outcome{Kind: KeyRefused}, 1, 0},
		{Outcome{Kind: NotSent}, 0, 0},
		{Outcome{Kind: Success, UsageKnown: true, Prompt: 70, Completion: 20}, 1, 90}, // more than was reserved: honest
	} {
		b := newBench(t, "10req/1h,1000tok/1h")
		b.end(noon, c.outcome, time.Time{})
		if r, k := b.use(Requests, Hour).Used, b.use(Tokens, Hour).Used; r != c.requests || k != c.tok {
			t.Errorf("%+v: %d requests, %d tokens; want %d, %d", c.outcome, r, k, c.requests, c.tok)
		}
	}
}

func TestHintsOnlyRaise(t *testing.T) {
	t.Parallel()
	b := newBench(t, "100req/1h")
	hint := func(left int64) {
		b.end(noon, Outcome{Kind: Success, Hints: []Hint{{Requests, Hour, left}}}, time.Time{})
	}
	hint(90)
	if used := b.use(Requests, Hour).Used; used != 10 {
		t.Fatal(used)
	}
	hint(99)
	if used := b.use(Requests, Hour).Used; used != 11 {
		t.Fatal(used)
	}
}

func TestLostDocumentIsSpent(t *testing.T) {
	t.Parallel()
	d := LostDocument(mustLimits(t, "10req/1h,20req/month"), noon, 41)
	b := &bench{t: t, Document: d}
	if _, v := b.ask(noon, nil); v.Granted || v.Why != Exhausted {
		t.Fatalf("%+v", v)
	}
	if v := d.View("k", noon); !v.Lost || v.Limits[0].Left != 0 || v.Limits[1].Left != 0 {
		t.Fatalf("%+v", v)
	}
	turn := time.Date(2026, 12, 1, 0, 0, 1, 0, time.UTC)
	if _, v := b.ask(turn.Add(-time.Hour), nil); v.Granted {
		t.Fatal("the month is still spent")
	}
	if _, v := b.ask(turn, nil); !v.Granted || d.View("k", turn).Lost {
		t.Fatalf("after both turned: %+v", v)
	}
	c := &bench{t: t, Document: LostDocument(mustLimits(t, "10req/month"), noon, 41)}
	c.Reset(noon)
	if _, v := c.ask(noon, nil); !v.Granted || c.View("k", noon).Lost {
		t.Fatalf("after the operator's word: %+v", v)
	}
}

func TestResetKeepsWhatRuns(t *testing.T) {
	t.Parallel()
	b := newBench(t, "3req/1h")
	b.end(noon, Outcome{Kind: Success}, time.Time{})
	b.end(noon, Outcome{Kind: Success}, time.Time{})
	b.ask(noon, nil)
	b.Reset(noon.Add(time.Second))
	if used := b.use(Requests, Hour).Used; used != 1 {
		t.Fatal(used)
	}
}

// Whatever is said about a key in whatever order, the document stays readable and a healthy state is always reached
// again by time alone, unless the key is refused.
func TestHealthAlwaysEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := NewDocument(nil, noon)
		now := noon
		for i := range rapid.IntRange(1, 40).Draw(rt, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(rt, "pause")) * time.Second)
			id := fmt.Sprint(i)
			v := d.Reserve(now, Ask{Lease: id, Max: 1, Hold: time.Minute})
			o := Outcome{Kind: rapid.SampledFrom([]Kind{Success, RateLimited, NoCredit, Failed}).Draw(rt, "kind")}
			s := Settlement{Lease: id, Granted: at(v.Lease.At), Outcome: o}
			if rapid.Bool().Draw(rt, "named") {
				s.Until = now.Add(time.Duration(rapid.IntRange(-10, 1e6).Draw(rt, "seconds")) * time.Second)
			}
			if v.Granted {
				d.Settle(now, s)
			}
		}
		for range 4 {
			state, until := d.View("k", now).State, d.View("k", now).Until
			if state == StateActive {
				return
			}
			if !until.After(now) || until.Sub(now) > 33*24*time.Hour {
				rt.Fatalf("%s until %s at %s", state, until, now)
			}
			now = until
		}
		rt.Fatal("never active again")
	})
}
