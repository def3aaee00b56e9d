package budget

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// modelCall is one call as the model remembers it: it keeps every call for ever and counts by going through all.
type modelCall struct {
	id                       string
	at, ends                 time.Time
	prompt, max, usd         int64
	settled                  bool
	late                     bool
	requests, tokens, actual int64 // charged; actual is money
}

// model is the simplest thing that tells what a document must count.
type model struct {
	limits Limits
	now    time.Time
	calls  []*modelCall
}

// used goes through all calls and sums up what counts in the window of now. A call counts in the window that it was
// granted in; one that was granted in the last stretch of the window before counts too, unless it was settled in time.
func (m *model) used(u Unit, w Window) int64 {
	var sum int64
	id := w.ID(m.now)
	for _, c := range m.calls {
		own := w.ID(c.at)
		lateZone := own+1 == id && w.End(own).Sub(c.at) <= w.lateZone()
		if own != id && (!lateZone || !c.ends.After(w.End(own)) || c.settled && !c.late) {
			continue
		}
		reserved := map[Unit]int64{Requests: 1, Tokens: c.prompt + c.max, Dollars: c.usd}
		charged := map[Unit]int64{Requests: c.requests, Tokens: c.tokens, Dollars: c.actual}
		if c.settled {
			sum += charged[u]
		} else {
			sum += reserved[u]
		}
	}
	return sum
}

// fits returns the max_tokens that the limits leave room for; -1: less than the floor.
func (m *model) fits(prompt, wish int64, p Price) int64 {
	best := int64(-1)
	for n := min(wish, MinMaxTokens); n <= wish; n++ {
		ok := true
		for _, l := range m.limits {
			need := map[Unit]int64{Requests: 1, Tokens: prompt + n, Dollars: prompt*p.In + n*p.Out}[l.Unit]
			ok = ok && m.used(l.Unit, l.Window)+need <= l.Amount
		}
		if !ok {
			break
		}
		best = n
	}
	return best
}

// nearTurn says whether a window that a limit names turns nearer than its margin.
func (m *model) nearTurn(clockError time.Duration) bool {
	turns := map[time.Time]time.Duration{}
	for _, l := range m.limits {
		id := l.Window.ID(m.now)
		for _, turn := range []time.Time{l.Window.Start(id), l.Window.End(id)} {
			e := min(max(l.Window.Length()/100, 3*clockError), 500*time.Millisecond, l.Window.Length()/4)
			if old, ok := turns[turn]; !ok || e < old {
				turns[turn] = e
			}
		}
	}
	for turn, e := range turns {
		if d := m.now.Sub(turn); d >= 0 && d < e || d < 0 && -d <= e {
			return true
		}
	}
	return false
}

var modelLimits = []string{
	"5req/1s", "20req/2s,90tok/1s", "300req/1h,3000tok/month", "12req/1m,0.001usd/day", "7req/90s,50req/1h,4000tok/day",
	"1000tok/1s,0.0009usd/2s,40req/1m", "none", "3req/1s,10req/month",
}

func TestDocumentAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limits, err := ParseLimits(rapid.SampledFrom(modelLimits).Draw(rt, "limits"))
		if err != nil {
			rt.Fatal(err)
		}
		// Just before a turn of everything, or anywhere.
		start := rapid.SampledFrom([]time.Time{
			time.Date(2026, 11, 30, 23, 59, 58, 500e6, time.UTC), time.Date(2027, 2, 3, 4, 5, 6, 0, time.UTC),
		}).Draw(rt, "start")
		m := &model{limits: limits, now: start}
		d := NewDocument(limits, start)
		price := Price{In: 1_000_000, Out: 2_000_000}
		clockError := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 40 * time.Millisecond}).Draw(rt, "clock error")
		open := func() (out []*modelCall) {
			for _, c := range m.calls {
				if !c.settled {
					out = append(out, c)
				}
			}
			return out
		}
		n := 0
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				d.Advance(m.now)
				for _, u := range d.Uses {
					if want := m.used(u.Unit, u.Window); u.Used != want {
						rt.Fatalf("%s/%s: used %d, model %d", u.Unit, u.Window, u.Used, want)
					}
				}
				for _, l := range limits {
					if used := d.use(l.Unit, l.Window).Used; used > l.Amount {
						rt.Fatalf("%s: used %d", l, used)
					}
				}
				b, err := d.Encode()
				if err != nil {
					rt.Fatal(err)
				}
				if d, err = Decode(b); err != nil {
					rt.Fatal(err)
				}
			},
			"wait": func(rt *rapid.T) {
				// A clock that is behind must change nothing, so some waits go back.
				step := rapid.SampledFrom([]time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(rt, "step")
				m.now = m.now.Add(step * time.Duration(rapid.IntRange(1, 9).Draw(rt, "times")))
			},
			"reserve": func(rt *rapid.T) {
				n++
				a := Ask{
					Lease: fmt.Sprint(n), Prompt: rapid.Int64Range(1, 80).Draw(rt, "prompt"), Max: rapid.Int64Range(1, 200).Draw(rt, "max"),
					Price: price, Hold: time.Duration(rapid.IntRange(1, 5000).Draw(rt, "hold")) * time.Millisecond, ClockError: clockError,
				}
				behind := time.Duration(rapid.IntRange(0, 3000).Draw(rt, "behind")) * time.Millisecond
				v := d.Reserve(m.now.Add(-behind), a)
				fits := m.fits(a.Prompt, a.Max, price)
				near := m.nearTurn(clockError)
				switch {
				case v.Granted && (near || fits < 0 || v.Lease.Max != fits):
					rt.Fatalf("granted %+v, near a turn %v, model grants %d", v.Lease, near, fits)
				case !v.Granted && !near && fits >= 0:
					rt.Fatalf("refused (%s until %s), model grants %d", v.Why, v.Until, fits)
				case !v.Granted && v.Why != TooBig && !v.Until.After(m.now):
					rt.Fatalf("%s until %s, which has passed", v.Why, v.Until)
				case v.Granted:
					for _, l := range limits {
						if end := l.Window.End(l.Window.ID(m.now)); !v.NotAfter.Before(end) || !v.NotAfter.After(m.now) {
							rt.Fatalf("may leave until %s, the window ends %s", v.NotAfter, end)
						}
					}
					m.calls = append(m.calls, &modelCall{id: a.Lease, at: m.now, ends: m.now.Add(a.Hold),
						prompt: a.Prompt, max: v.Lease.Max, usd: a.Prompt*price.In + v.Lease.Max*price.Out})
				}
				if again := d.Reserve(m.now, a); v.Granted && (!again.Granted || again.Lease != v.Lease || again.Changed || !again.NotAfter.Equal(v.NotAfter)) {
					rt.Fatalf("asked again: %+v, before %+v", again, v)
				}
			},
			"settle": func(rt *rapid.T) {
				calls := open()
				if len(calls) == 0 {
					rt.Skip("nothing runs")
				}
				c := rapid.SampledFrom(calls).Draw(rt, "call")
				o := Outcome{
					Kind:       rapid.SampledFrom([]Kind{Success, Failed, NotSent, Success}).Draw(rt, "kind"),
					UsageKnown: rapid.Bool().Draw(rt, "usage"), Late: rapid.Bool().Draw(rt, "late"),
				}
				o.Prompt, o.Completion = rapid.Int64Range(0, c.prompt).Draw(rt, "prompt"), rapid.Int64Range(0, c.max).Draw(rt, "completion")
				for range rapid.IntRange(1, 2).Draw(rt, "times") { // the second changes nothing
					d.Settle(m.now, Settlement{Lease: c.id, Granted: c.at, Price: price, Outcome: o})
				}
				if !m.now.Before(c.ends) {
					c.late = true // it had ended: nobody knows when it left, and it stays charged as reserved
					c.settled, c.requests, c.tokens, c.actual = true, 1, c.prompt+c.max, c.usd
					return
				}
				c.settled, c.late, c.requests, c.tokens, c.actual = true, o.Late, 1, c.prompt+c.max, c.usd
				if c.ends = m.now; o.Late {
					c.ends = m.now.Add(time.Nanosecond) // it left by now, so also when that is the turn
				}
				switch {
				case o.Kind == NotSent:
					c.requests, c.tokens, c.actual = 0, 0, 0
				case o.UsageKnown:
					c.tokens, c.actual = o.Prompt+o.Completion, o.Prompt*price.In+o.Completion*price.Out
				}
			},
		})
	})
}

// Whatever limits are changed to, what is known to be used stays counted, and nothing goes below zero afterwards.
func TestChangedLimitsForgetNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(name string) Limits {
			l, err := ParseLimits(rapid.SampledFrom([]string{"50req/1h", "9req/2s", "50req/month,900tok/1h", "none", "70req/day", "5000tok/90s", "60req/10m", "60req/30m", "80req/7m", "80req/6h", "90req/48h"}).Draw(rt, name))
			if err != nil {
				rt.Fatal(err)
			}
			return l
		}
		now := time.Date(2026, 11, 22, 12, 20, 0, 100e6, time.UTC)
		d := NewDocument(pick("first"), now)
		granted := 0
		var ids []string
		var at []time.Time
		for i := range rapid.IntRange(1, 60).Draw(rt, "asks") {
			a := Ask{Lease: fmt.Sprint(i), Prompt: 1, Max: 40, Hold: time.Hour}
			if d.Reserve(now, a).Granted {
				granted++
				ids, at = append(ids, a.Lease), append(at, now)
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(rt, "pause")) * time.Millisecond)
			if rapid.IntRange(0, 9).Draw(rt, "change") == 0 {
				d.SetLimits(pick("next"), now)
			}
		}
		for _, w := range []Window{Hour, Day, Month} {
			if used := d.use(Requests, w).Used; used != int64(granted) {
				rt.Fatalf("%s: %d used, %d granted", w, used, granted)
			}
		}
		d.Advance(now)
		for _, u := range d.Uses {
			inside := int64(0)
			for _, t := range at {
				if u.Window.ID(t) == u.ID {
					inside++
				}
			}
			if u.Unit == Requests && u.Used < inside {
				rt.Fatalf("req/%s: %d used, %d granted in this window", u.Window, u.Used, inside)
			}
		}
		for _, id := range ids {
			d.Settle(now, Settlement{Lease: id, Outcome: Outcome{Kind: NotSent}})
		}
		for _, u := range d.Uses {
			if u.Used < 0 || (slices.Contains([]Window{Hour, Day, Month}, u.Window) && u.Used != 0) {
				rt.Fatalf("%s/%s: %d used after everything was given back", u.Unit, u.Window, u.Used)
			}
		}
	})
}

func TestASmallerWindowKnowsWhatWasUsed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 21, 0, 0, time.UTC)
	for _, c := range []struct {
		name, before, after string
		used                int64
		later               time.Duration // until the change
	}{
		{"half an hour lies in the hour", "20req/1h", "6req/30m", 5, 0},
		{"the smallest that contains it counts", "90req/8h", "6req/10m", 5, 0},
		{"seven minutes over the turn of the hour lie in the day", "20req/1h", "6req/7m", 8, 40 * time.Minute},
		{"six hours lie in the day", "20req/1h", "30req/6h", 8, 0},
		{"two days lie in the month", "20req/1h", "300req/48h", 9, 0},
		{"what was counted is exact", "20req/1h", "300req/day", 8, 0},
		{"other units don't count", "20req/1h", "1000000tok/30m", 5 * 50, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before, _ := ParseLimits(c.before)
			after, err := ParseLimits(c.after)
			if err != nil {
				t.Fatal(err)
			}
			d := NewDocument(before, now.AddDate(0, 0, -10))
			n := 0
			spend := func(at time.Time, calls int) {
				for range calls {
					n++
					if v := d.Reserve(at, Ask{Lease: fmt.Sprint(n), Prompt: 10, Max: 40, Hold: time.Second}); !v.Granted {
						t.Fatalf("%+v", v)
					}
				}
			}
			spend(now.AddDate(0, 0, -3), 1)
			spend(now.Add(-2*time.Hour), 3)
			spend(now, 5)
			d.SetLimits(after, now.Add(c.later+2*time.Second)) // no call runs any more
			l := after[0]
			if used := d.use(l.Unit, l.Window).Used; used != c.used {
				t.Errorf("%d used, want %d", used, c.used)
			}
		})
	}
}

func TestParsedLimitsPrintAndReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching(`[1-9][0-9]{0,5}(req|tok|usd)/([1-9][0-9]?(s|m|h)|day|month)`).Draw(rt, "limit")
		l, err := ParseLimits(text)
		if err != nil {
			rt.Fatal(err)
		}
		again, err := ParseLimits(l.String())
		if err != nil || !again.Equal(l) || again[0] != l[0] {
			rt.Fatalf("%s became %s: %v", text, again, err)
		}
	})
}

func TestSumsSaturate(t *testing.T) {
	t.Parallel()
	p := Price{In: math.MaxInt64 / 2, Out: math.MaxInt64 / 2}
	if c := p.Cost(1_000_000, 1_000_000); c != math.MaxInt64 {
		t.Fatal(c)
	}
	limits, _ := ParseLimits("1usd/month")
	d := NewDocument(limits, time.Now())
	if v := d.Reserve(time.Now(), Ask{Lease: "a", Prompt: 1 << 40, Max: 1 << 40, Price: p, Hold: time.Second}); v.Why != TooBig {
		t.Fatalf("%+v", v)
	}
}
