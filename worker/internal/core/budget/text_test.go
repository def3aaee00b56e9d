package budget

import (
	"strings"
	"testing"
	"time"
)

func TestParseLimits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"300req/1h":                    "300req/1h",
		" 300req/60m , 0.10usd/month ": "300req/1h,0.1usd/month",
		"1tok/24h,1req/day":            "1req/day,1tok/day",
		"0.000000000001usd/1m30s":      "0.000000000001usd/1m30s",
		"1000000usd/720h":              "1000000usd/720h",
		"5req/1500ms":                  "5req/1.5s",
		"none":                         "none",
		"10req/2h,20req/1h,30req/day":  "20req/1h,10req/2h,30req/day",
	} {
		l, err := ParseLimits(text)
		if err != nil || l.String() != want {
			t.Errorf("%q: %q, %v; want %q", text, l, err, want)
		}
	}
	for _, text := range []string{
		"", "300", "300req", "req/1h", "300req/", "300req/1", "300req/999ms", "-1req/1h", "0req/1h", "1.5req/1h", "1e3req/1h", "300req/week",
		"300cal/1h", "none,1req/1h", "1req/1h,2req/60m", "1req/1h,", "1000001usd/day", "99999999999999999999tok/day", "1req/-1h", "+1req/1h",
	} {
		l, err := ParseLimits(text)
		if err == nil {
			t.Errorf("%q was read as %q", text, l)
		} else if text != "" && !strings.Contains(err.Error(), "want ") && !strings.Contains(err.Error(), "second limit") {
			t.Errorf("%q: the error does not say what is expected: %v", text, err)
		}
	}
}

func TestPrices(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Price{
		"1.69/3.38": {1_690_000, 3_380_000}, "0/0": {}, "0.0375/0": {37_500, 0}, "0.0000001/1": {1, 1_000_000}, " 1 / 2 ": {1_000_000, 2_000_000},
	} {
		if p, err := ParsePrice(text); err != nil || p != want {
			t.Errorf("%q: %+v, %v; want %+v", text, p, err, want)
		}
	}
	for _, text := range []string{"", "1", "1/", "/1", "a/b", "-1/1", "1/2/3", "1e3/1", "9999999999999999/1"} {
		if p, err := ParsePrice(text); err == nil {
			t.Errorf("%q was read as %+v", text, p)
		}
	}
	if p, err := PricePerMillion(0.1, 0.3); err != nil || p != (Price{100_000, 300_000}) {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := PricePerMillion(-1, 0); err == nil {
		t.Errorf("%+v", p)
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	utc := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, c := range []struct{ window, at, start, end string }{
		{"1h", "2026-11-22T12:59:59.999Z", "2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z"},
		{"1h", "2026-11-22T18:00:00+05:30", "2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z"},
		{"day", "2026-11-22T23:30:00-02:00", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"},
		{"month", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"month", "2028-02-29T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		{"7h", "1970-01-01T06:59:00Z", "1970-01-01T00:00:00Z", "1970-01-01T07:00:00Z"},
		{"1s", "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"},
	} {
		w, err := ParseWindow(c.window)
		if err != nil {
			t.Fatal(err)
		}
		id := w.ID(utc(c.at))
		if s, e := w.Start(id), w.End(id); !s.Equal(utc(c.start)) || !e.Equal(utc(c.end)) {
			t.Errorf("%s at %s: from %s to %s", c.window, c.at, s, e)
		}
	}
}

// Where the month turns together with a window of a second, the second's margin counts.
func TestTheSmallestMarginCountsAtACommonTurn(t *testing.T) {
	t.Parallel()
	turn := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	both := []Window{Every(time.Second), Month}
	for _, c := range []struct {
		windows []Window
		off     time.Duration
		open    bool
	}{
		{both, -11 * time.Millisecond, true}, {both, -10 * time.Millisecond, false}, {both, 9 * time.Millisecond, false}, {both, 10 * time.Millisecond, true},
		{[]Window{Month}, -501 * time.Millisecond, true}, {[]Window{Month}, -500 * time.Millisecond, false},
		{[]Window{Month}, 499 * time.Millisecond, false}, {[]Window{Month}, 500 * time.Millisecond, true},
	} {
		g := gateFor(c.windows, turn.Add(c.off), time.Millisecond)
		if g.Open != c.open {
			t.Errorf("%v from the turn, %d windows: open %v", c.off, len(c.windows), g.Open)
		}
		if !g.Open && !g.Opens.After(turn.Add(c.off)) {
			t.Errorf("%v from the turn: opens %s", c.off, g.Opens)
		}
	}
	// A bad clock widens the margin, but not so far that a short window is lost.
	for clockError, want := range map[time.Duration]time.Duration{20 * time.Millisecond: 60 * time.Millisecond, time.Minute: 250 * time.Millisecond} {
		if m := Every(time.Second).margin(clockError); m != want {
			t.Errorf("clock off by %s: %s", clockError, m)
		}
	}
}

func FuzzParseLimits(f *testing.F) {
	for _, s := range []string{"300req/1h,0.10usd/month", "none", "1tok/1ns", "9223372036854775807tok/day", "0.0000000000001usd/1h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLimits(s)
		if err != nil {
			return
		}
		again, err := ParseLimits(l.String())
		if err != nil || again.String() != l.String() {
			t.Fatalf("%q became %q, then %q: %v", s, l, again, err)
		}
		d := NewDocument(l, noon)
		d.Reserve(noon, Ask{Lease: "a", Prompt: 1, Max: 1, Price: Price{1, 1}, Hold: time.Second})
	})
}

// Whatever stands in the bucket, a worker does not fall over it.
func FuzzDecode(f *testing.F) {
	d := NewDocument(Limits{{Requests, 3, Hour}, {Dollars, 5, Month}}, noon)
	d.Reserve(noon, Ask{Lease: "a", User: "u", Prompt: 1, Max: 1, Hold: time.Second, Crowd: &Crowd{Questions: 9}})
	d.Health.rest(noon.UnixMilli(), noon.UnixMilli())
	b, err := d.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"v":1,"l":"none","u":["req/1h 9223372036854775807 9223372036854775807"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Decode(b)
		if err != nil {
			return
		}
		d.Reserve(noon, Ask{Lease: "b", User: "u", Prompt: 10, Max: 40, Price: Price{1, 1}, Hold: time.Second, Crowd: NewCrowd(map[string]int{"x": 1 << 40})})
		d.Settle(noon, Settlement{Lease: "b", Outcome: Outcome{Kind: RateLimited}})
		d.View("k", noon)
		d.Reset(noon)
		if _, err := d.Encode(); err != nil {
			t.Fatal(err)
		}
	})
}
