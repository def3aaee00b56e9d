package plan_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/core/plan"
)

func limits(t testing.TB, s string) budget.Limits {
	t.Helper()
	l, err := budget.ParseLimits(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// original is the estimate with which the original bot was planned.
func original(t testing.TB) plan.Input {
	return plan.Input{Users: 20, Lines: 25, Hours: 2, Days: 30, TokensPerLine: 400, AnswerTokens: 100, Keys: 1,
		Limits: limits(t, "300req/1h,900req/month")}
}

func TestOriginalEstimate(t *testing.T) {
	t.Parallel()
	r := plan.Compute(original(t))
	if r.PerHour != 250 || r.PerMonth != 15000 || r.Fits || r.KeysNeeded != 17 {
		t.Fatalf("%+v", r)
	}
	hour, month := r.Limits[0], r.Limits[1]
	if !hour.Fits || hour.Demand != 250 || hour.Supply != 300 {
		t.Fatalf("hour %+v", hour)
	}
	if month.Fits || math.Abs(month.Load-16.667) > 0.001 || month.RunsOutDay != 2 {
		t.Fatalf("month %+v", month)
	}
}

func TestTextOfTheOriginalEstimate(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	code := plan.Run(strings.Fields("--users 20 --lines 25 --hours 2 --days 30 --limits 300req/1h,900req/month --keys 1"), &out, &errs)
	want := `Demand: 20 users × 25 lines a day over 2 hours
  an hour    250 questions
  a day      500 questions
  a month    15,000 questions on 30 days, 6,000,000 tokens

Supply of 1 key:
  300req/1h          demand 250 of 300, load 83 %: fits
  900req/month       demand 15,000 of 900, load 1,667 %: too much: 16.7 times the supply; runs out on day 2

It does not fit: load factor 16.7. 17 keys of this kind would carry it.
`
	if code != 0 || out.String() != want || errs.Len() > 0 {
		t.Fatalf("code %d\n%s%s", code, &out, &errs)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, limits, price string
		demand              float64
		fits                bool
		day                 int
		after               time.Duration
		keys                int
	}{
		{"a minute holds its share of an hour", "4req/1m", "", 250.0 / 60, false, 0, 57600 * time.Millisecond, 2},
		{"four hours hold the two that are active", "500req/4h", "", 500, true, 0, 0, 1},
		{"a day", "400req/day", "", 500, false, 0, 96 * time.Minute, 2},
		{"two days, too little", "499req/48h", "", 1000, false, 1, 0, 3},
		{"two days", "1000req/48h", "", 1000, true, 0, 0, 1},
		{"tokens of a month", "3000000tok/month", "", 6e6, false, 15, 0, 2},
		{"dollars", "1usd/month", "1/2", 15000 * (300*1e6 + 100*2e6), false, 4, 0, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := original(t)
			in.Limits = limits(t, c.limits)
			if c.price != "" {
				in.Price, _ = budget.ParsePrice(c.price)
			}
			if err := in.Check(); err != nil {
				t.Fatal(err)
			}
			l := plan.Compute(in).Limits[0]
			if math.Abs(l.Demand-c.demand) > 1e-6*c.demand || l.Fits != c.fits || l.RunsOutDay != c.day || l.RunsOutAfter != c.after || l.Keys != c.keys {
				t.Fatalf("%+v", l)
			}
		})
	}
}

func TestNoLimitAlwaysFits(t *testing.T) {
	t.Parallel()
	in := original(t)
	in.Limits = limits(t, "none")
	if r := plan.Compute(in); !r.Fits || r.KeysNeeded != 1 || !strings.Contains(plan.Text(in, r), "nothing is limited") {
		t.Fatalf("%+v", r)
	}
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--users 0", "--hours 25", "--limits 300", "--limits 1usd/month", "--price x", "--nope", "word", "--keys 0",
		"--users 1000000000 --lines 1000000 --days 31 --tokens-per-line 10000000 --limits 30000tok/month",
		"--users 1000000 --lines 100 --price 1000/1000", "--users 1000000 --lines 1000 --price 0/0.001 --limits 0.000000000001usd/87600h",
	} {
		var out, errs strings.Builder
		if code := plan.Run(strings.Fields(args), &out, &errs); code != 2 || out.Len() > 0 || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%s: code %d, %q", args, code, errs.String())
		}
	}
	var out, errs strings.Builder
	if code := plan.Run([]string{"--help"}, &out, &errs); code != 0 || !strings.Contains(errs.String(), "tokens-per-line") {
		t.Errorf("help: code %d, %q", code, errs.String())
	}
}

// The number of keys that is named carries the demand, and one less does not.
func TestKeysNeeded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		in := plan.Input{
			Users: rapid.IntRange(1, 5000).Draw(rt, "users"), Lines: rapid.IntRange(1, 100).Draw(rt, "lines"),
			Hours: rapid.IntRange(1, 24).Draw(rt, "hours"), Days: rapid.IntRange(1, 31).Draw(rt, "days"),
			TokensPerLine: rapid.IntRange(1, 2000).Draw(rt, "tokens"), Keys: 1,
		}
		text := rapid.SampledFrom([]string{"300req/1h", "300req/1h,900req/month", "30000tok/month", "50req/1m,1000tok/day"}).Draw(rt, "limits")
		in.Limits = limits(t, text)
		need := plan.Compute(in).KeysNeeded
		in.Keys = need
		if !plan.Compute(in).Fits {
			rt.Fatalf("%d keys do not carry %+v", need, in)
		}
		if in.Keys = need - 1; in.Keys > 0 && plan.Compute(in).Fits {
			rt.Fatalf("%d keys carry %+v already", in.Keys, in)
		}
	})
}

// The largest demand that is taken is still counted right.
func TestTheLargestDemand(t *testing.T) {
	t.Parallel()
	in := original(t)
	in.Users, in.Lines, in.Days, in.TokensPerLine, in.Limits = 1e9, 1000, 1, 1000, limits(t, "1tok/month,1req/87600h")
	if err := in.Check(); err != nil {
		t.Fatal(err)
	}
	r := plan.Compute(in)
	if r.Tokens != 1e15 || r.KeysNeeded != 1e15 || r.Fits || strings.Contains(plan.Text(in, r), "-") || r.Limits[1].Demand != 1e15 {
		t.Errorf("%+v\n%s", r, plan.Text(in, r))
	}
	if in.Users++; in.Check() == nil {
		t.Error("a demand that can't be counted is taken")
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	if code := plan.Run(strings.Fields("--json --limits 300req/1h,900req/month"), &out, &errs); code != 0 {
		t.Fatal(errs.String())
	}
	var got struct {
		Fits       bool    `json:"fits"`
		Load       float64 `json:"load"`
		KeysNeeded int     `json:"keys_needed"`
		RunsOutDay int     `json:"runs_out_day"`
		Demand     struct {
			PerHour  float64 `json:"per_hour"`
			PerMonth int64   `json:"per_month"`
		} `json:"demand"`
		Limits []struct {
			Limit string `json:"limit"`
			Fits  bool   `json:"fits"`
		} `json:"limits"`
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Fits || got.KeysNeeded != 17 || got.RunsOutDay != 2 || got.Demand.PerHour != 250 || got.Demand.PerMonth != 15000 ||
		math.Abs(got.Load-16.666667) > 1e-6 || len(got.Limits) != 2 || got.Limits[0].Limit != "300req/1h" || !got.Limits[0].Fits {
		t.Fatalf("%+v", got)
	}
}
