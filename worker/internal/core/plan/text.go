package plan

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

// Text returns the answer for people.
func Text(in Input, r Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Demand: %s users × %s lines a day over %s\n",
		group(int64(in.Users)), group(int64(in.Lines)), plural(in.Hours, "hour"))
	fmt.Fprintf(&b, "  an hour    %s questions\n", number(r.PerHour))
	fmt.Fprintf(&b, "  a day      %s questions\n", group(r.PerDay))
	fmt.Fprintf(&b, "  a month    %s questions on %s, %s tokens", group(r.PerMonth), plural(in.Days, "day"), group(r.Tokens))
	if !in.Price.IsZero() {
		fmt.Fprintf(&b, ", $%s", dollars(float64(r.Dollars)))
	}
	fmt.Fprintf(&b, "\n\nSupply of %s:\n", plural(in.Keys, "key"))
	if len(r.Limits) == 0 {
		b.WriteString("  no limit\n")
	}
	for _, l := range r.Limits {
		verdict := "fits"
		if !l.Fits {
			verdict = fmt.Sprintf("too much: %s times the supply", factor(l.Load))
			switch {
			case l.RunsOutDay > 0:
				verdict += fmt.Sprintf("; runs out on day %d", l.RunsOutDay)
			case l.RunsOutAfter > 0:
				window := "the window"
				if l.Limit.Window.Length() == 24*time.Hour {
					window = "the hours of each day"
				}
				verdict += "; runs out " + short(l.RunsOutAfter) + " into " + window
			}
		}
		fmt.Fprintf(&b, "  %-18s demand %s of %s, load %s: %s\n",
			l.Limit, amount(l.Limit.Unit, l.Demand), amount(l.Limit.Unit, l.Supply), percent(l.Load), verdict)
	}
	b.WriteString("\n")
	switch {
	case len(r.Limits) == 0:
		b.WriteString("It fits: nothing is limited.\n")
	case r.Fits:
		fmt.Fprintf(&b, "It fits: load factor %s; %s would carry it.\n", factor(r.Load), plural(r.KeysNeeded, "key"))
	default:
		fmt.Fprintf(&b, "It does not fit: load factor %s. %s of this kind would carry it.\n", factor(r.Load), plural(r.KeysNeeded, "key"))
	}
	return b.String()
}

type jsonResult struct {
	Fits       bool        `json:"fits"`
	Load       float64     `json:"load"`
	KeysNeeded int         `json:"keys_needed"`
	RunsOutDay int         `json:"runs_out_day,omitempty"` // the earliest of all limits
	Demand     jsonDemand  `json:"demand"`
	Limits     []jsonLimit `json:"limits"`
}

type jsonDemand struct {
	PerHour  float64 `json:"per_hour"`
	PerDay   int64   `json:"per_day"`
	PerMonth int64   `json:"per_month"`
	Tokens   int64   `json:"tokens_per_month"`
	Dollars  float64 `json:"usd_per_month,omitempty"`
}

type jsonLimit struct {
	Limit               string  `json:"limit"`
	Demand              float64 `json:"demand"`
	Supply              float64 `json:"supply"`
	Fits                bool    `json:"fits"`
	Load                float64 `json:"load"`
	Keys                int     `json:"keys_needed"`
	RunsOutDay          int     `json:"runs_out_day,omitempty"`
	RunsOutAfterSeconds float64 `json:"runs_out_after_seconds,omitempty"`
}

// JSON returns the answer for programs: numbers as in Result, money in dollars.
func JSON(r Result) string {
	out := jsonResult{
		Fits: r.Fits, Load: round(r.Load), KeysNeeded: r.KeysNeeded, Limits: []jsonLimit{},
		Demand: jsonDemand{PerHour: round(r.PerHour), PerDay: r.PerDay, PerMonth: r.PerMonth, Tokens: r.Tokens,
			Dollars: round(float64(r.Dollars) / 1e12)},
	}
	for _, l := range r.Limits {
		scale := 1.0
		if l.Limit.Unit == budget.Dollars {
			scale = 1e12
		}
		if l.RunsOutDay > 0 && (out.RunsOutDay == 0 || l.RunsOutDay < out.RunsOutDay) {
			out.RunsOutDay = l.RunsOutDay
		}
		out.Limits = append(out.Limits, jsonLimit{
			Limit: l.Limit.String(), Demand: round(l.Demand / scale), Supply: round(l.Supply / scale), Fits: l.Fits,
			Load: round(l.Load), Keys: l.Keys, RunsOutDay: l.RunsOutDay, RunsOutAfterSeconds: round(l.RunsOutAfter.Seconds()),
		})
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil { // no field can fail
		return "{}"
	}
	return string(b) + "\n"
}

// round keeps six significant places behind the point.
func round(f float64) float64 { return math.Round(f*1e6) / 1e6 }

func amount(u budget.Unit, f float64) string {
	if u == budget.Dollars {
		return "$" + dollars(f)
	}
	return number(f)
}

// dollars prints pico-dollars with as many places as are of use.
func dollars(pico float64) string {
	d := pico / 1e12
	if d >= 1 {
		return strconv.FormatFloat(d, 'f', 2, 64)
	}
	return strconv.FormatFloat(d, 'f', 4, 64)
}

// number prints a whole number with thousands, or one place.
func number(f float64) string {
	if f == math.Trunc(f) || f >= 1000 {
		return group(int64(math.Round(f)))
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}

func factor(f float64) string {
	if f < 0.995 {
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}

func percent(f float64) string { return group(int64(math.Round(f*100))) + " %" }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return group(int64(n)) + " " + noun + "s"
}

func short(d time.Duration) string { return budget.Every(d.Round(time.Second)).String() }

// group prints an integer with commas between thousands.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
