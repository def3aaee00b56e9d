package hfsim

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Unit is what a limit counts.
type Unit string

// The units of limits.
const (
	Requests Unit = "req"
	Tokens   Unit = "tok" // prompt and completion
	Dollars  Unit = "usd"
)

// Limit is what one key may use in one window. Written "300req/1h", "0.10usd/month", "300req/1h rolling".
type Limit struct {
	Max    float64 // in Unit
	Unit   Unit
	Window string // a Go duration of a whole number of milliseconds, "day" or "month"
	// Rolling counts the last Window before each call; otherwise windows are aligned in UTC (durations to the epoch).
	Rolling bool

	every time.Duration // 0 for a month
}

// ParseLimit reads one limit.
func ParseLimit(text string) (Limit, error) {
	var l Limit
	body, rolling := strings.CutSuffix(strings.TrimSpace(text), " rolling")
	l.Rolling = rolling
	amount, window, ok := strings.Cut(body, "/")
	if !ok {
		return Limit{}, fmt.Errorf("limit %q: want <n>(req|tok|usd)/<window>", text)
	}
	for _, u := range []Unit{Requests, Tokens, Dollars} {
		if n, is := strings.CutSuffix(amount, string(u)); is {
			v, err := strconv.ParseFloat(n, 64)
			if err != nil || v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
				return Limit{}, fmt.Errorf("limit %q: bad number %q", text, n)
			}
			l.Max, l.Unit = v, u
		}
	}
	if l.Unit == "" {
		return Limit{}, fmt.Errorf("limit %q: unit must be req, tok or usd", text)
	}
	l.Window = window
	switch window {
	case "month":
		if rolling {
			return Limit{}, fmt.Errorf("limit %q: a month does not roll", text)
		}
	case "day":
		l.every = 24 * time.Hour
	default:
		d, err := time.ParseDuration(window)
		if err != nil || d < time.Millisecond || d%time.Millisecond != 0 {
			return Limit{}, fmt.Errorf("limit %q: bad window %q", text, window)
		}
		l.every = d
	}
	return l, nil
}

// MustLimits reads comma separated limits and panics on a wrong one; for literals in tests.
func MustLimits(text string) []Limit {
	limits, err := ParseLimits(text)
	if err != nil {
		panic(err)
	}
	return limits
}

// ParseLimits reads comma separated limits; "" and "none" mean none.
func ParseLimits(text string) ([]Limit, error) {
	if t := strings.TrimSpace(text); t == "" || t == "none" {
		return nil, nil
	}
	var limits []Limit
	for part := range strings.SplitSeq(text, ",") {
		l, err := ParseLimit(part)
		if err != nil {
			return nil, err
		}
		limits = append(limits, l)
	}
	return limits, nil
}

// String writes the limit as ParseLimit reads it.
func (l Limit) String() string {
	s := strconv.FormatFloat(l.Max, 'f', -1, 64) + string(l.Unit) + "/" + l.Window
	if l.Rolling {
		s += " rolling"
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Limit) UnmarshalText(text []byte) error {
	parsed, err := ParseLimit(string(text))
	if err == nil {
		*l = parsed
	}
	return err
}

// bounds are the aligned window that t lies in: start inclusive, end exclusive.
func (l Limit) bounds(t time.Time) (start, end time.Time) {
	t = t.UTC()
	if l.Window == "month" {
		start = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 1, 0)
	}
	ms, w := t.UnixMilli(), l.every.Milliseconds()
	first := ms - ((ms%w)+w)%w
	return time.UnixMilli(first).UTC(), time.UnixMilli(first + w).UTC()
}

// ceiling is the limit in whole counting units: requests, tokens or nano-dollars.
func (l Limit) ceiling() int64 {
	if l.Unit == Dollars {
		return int64(math.Round(l.Max * nanoPerDollar))
	}
	return int64(l.Max)
}

const nanoPerDollar = 1e9
