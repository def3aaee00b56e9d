package budget

import "time"

// KeyView is one key as people and metrics see it.
type KeyView struct {
	Key    string
	State  State
	Until  time.Time // when the state ends by itself; zero: it doesn't
	Lost   bool      // the document was lost; some windows count as spent until they turn or an operator resets the key
	Limits []LimitView
	Leases int // calls that run, or ended without a word
}

// LimitView is one limit of a key. Amounts are requests, tokens or pico-dollars: see FormatAmount.
type LimitView struct {
	Limit    Limit
	Used     int64 // used or reserved; may pass the amount only if the limit was lowered
	Left     int64 // never negative
	ResetsAt time.Time
	// Runs out is when it will be used up if the window goes on as it went so far; zero: it lasts.
	RunsOut time.Time
}

// View returns what people and metrics see of a document at a time. It advances the document.
func (d *Document) View(key string, now time.Time) KeyView {
	t := d.Advance(now)
	v := KeyView{Key: key, Leases: len(d.Leases)}
	v.State, v.Until = d.Health.state(d.Clock)
	for _, l := range d.Limits {
		u := d.use(l.Unit, l.Window)
		start, end := l.Window.Start(u.ID), l.Window.End(u.ID)
		lv := LimitView{Limit: l, Used: u.Used, Left: max(l.Amount-u.Used, 0), ResetsAt: end}
		lv.RunsOut = runsOut(lv, t, start, end)
		v.Limits = append(v.Limits, lv)
		if d.Lost != 0 && l.Window.ID(at(d.Lost)) == u.ID {
			v.Lost = true
		}
	}
	return v
}

// runsOut goes on with the window's mean rate. The first hundredth of a window tells nothing.
func runsOut(l LimitView, now, start, end time.Time) time.Time {
	if l.Left == 0 {
		return now
	}
	passed := now.Sub(start)
	if l.Used == 0 || passed <= 0 || passed < end.Sub(start)/100 {
		return time.Time{}
	}
	more := float64(passed) / float64(l.Used) * float64(l.Left)
	if more >= float64(end.Sub(now)) {
		return time.Time{}
	}
	return now.Add(time.Duration(more))
}
