package budget

import (
	"fmt"
	"strings"
	"time"
)

// Window is a kind of window: how long, and where it begins. Windows of a duration are aligned to the Unix epoch, so
// "1h" turns at the full hour in UTC; a month is a calendar month in UTC. The zero Window is not valid.
type Window struct {
	every time.Duration // 0 for a month
	month bool
}

// The windows that every document counts, whether a limit names them or not: so a limit that is changed to one of
// them knows what was used before the change.
var (
	Hour  = Window{every: time.Hour}
	Day   = Window{every: 24 * time.Hour}
	Month = Window{month: true}
)

// Every returns the window of a duration of one second or more.
func Every(d time.Duration) Window { return Window{every: d} }

// ParseWindow reads a Go duration of 1s or more, "day" or "month". "24h" is the same window as "day".
func ParseWindow(s string) (Window, error) {
	switch s = strings.TrimSpace(s); s {
	case "day":
		return Day, nil
	case "month":
		return Month, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second || d > 10*365*24*time.Hour {
		return Window{}, fmt.Errorf("window %q: want a duration of 1s or more (e.g. 1h), day or month", s)
	}
	return Window{every: d}, nil
}

// String returns the shortest text that ParseWindow reads back: "1h", "90s" as "1m30s", "day", "month".
func (w Window) String() string {
	switch w {
	case Day:
		return "day"
	case Month:
		return "month"
	}
	s := w.every.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// ID returns the number of the window that holds t. Consecutive windows have consecutive numbers, and a number is
// never used again: a reset is a new number, not a job that somebody has to run.
func (w Window) ID(t time.Time) int64 {
	if w.month {
		u := t.UTC()
		return int64(u.Year())*12 + int64(u.Month()) - 1
	}
	n, every := t.UnixNano(), int64(w.every)
	id := n / every
	if n%every < 0 {
		id--
	}
	return id
}

// Start returns the first instant of the window with that number.
func (w Window) Start(id int64) time.Time {
	if w.month {
		return time.Date(int(id/12), time.Month(id%12+1), 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Unix(0, id*int64(w.every)).UTC()
}

// End returns the first instant after the window with that number: the turn.
func (w Window) End(id int64) time.Time { return w.Start(id + 1) }

// Length returns how long the window is; a month counts as 30 days.
func (w Window) Length() time.Duration {
	if w.month {
		return 30 * 24 * time.Hour
	}
	return w.every
}

// lateZone is the last stretch of a window: a call that is granted in it might be held up (a stalled process, a slow
// connection, a provider that is slow to look) and reach the provider after the turn. Such a lease counts in both
// windows until it is settled. On a machine that was asked for thirty times what it has, a tenth of a window was too little.
func (w Window) lateZone() time.Duration { return min(time.Second, w.Length()/2) }

// inLateZone says whether t lies in the last stretch of its window.
func (w Window) inLateZone(t time.Time) bool {
	return !t.Before(w.End(w.ID(t)).Add(-w.lateZone()))
}

// Blackout bounds, see margin.
const (
	maxBlackout     = 500 * time.Millisecond
	clockErrorTimes = 3
)

// margin is ε: how long before and after a turn nothing is sent. 1 % of the window, at least three times the measured
// clock error, at most 500 ms and at most a quarter of the window.
func (w Window) margin(clockError time.Duration) time.Duration {
	e := max(w.Length()/100, clockErrorTimes*clockError)
	return min(e, maxBlackout, w.Length()/4)
}

// Gate says when a call may be sent, seen from one instant.
type Gate struct {
	// Open says whether a call may be sent now.
	Open bool
	// NotAfter is the last instant at which a call that is granted now may leave. Valid if Open.
	NotAfter time.Time
	// Opens is the earliest instant at which the gate opens. Valid if not Open.
	Opens time.Time
}

// gateFor keeps calls away from turns, where two clocks may disagree about the window. Where several windows turn
// at the same instant, the smallest margin of them counts: a second's window that turns together with the month must
// not lose half of itself. Without windows the gate is always open.
func gateFor(windows []Window, now time.Time, clockError time.Duration) Gate {
	marginAt := func(turn time.Time) time.Duration {
		var least time.Duration = -1
		for _, w := range windows {
			if !w.Start(w.ID(turn)).Equal(turn) {
				continue
			}
			if m := w.margin(clockError); least < 0 || m < least {
				least = m
			}
		}
		return max(least, 0)
	}
	g := Gate{Open: true}
	later := func(t time.Time) {
		g.Open = false
		if t.After(g.Opens) {
			g.Opens = t
		}
	}
	for _, w := range windows {
		id := w.ID(now)
		start, end := w.Start(id), w.End(id)
		if opens := start.Add(marginAt(start)); now.Before(opens) {
			later(opens)
		}
		closes := end.Add(-marginAt(end))
		if !now.Before(closes) {
			later(end.Add(marginAt(end)))
		}
		if g.NotAfter.IsZero() || closes.Before(g.NotAfter) {
			g.NotAfter = closes
		}
	}
	return g
}
