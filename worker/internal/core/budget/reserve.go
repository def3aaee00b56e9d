package budget

import (
	"time"
)

// MinMaxTokens is the least max_tokens that a call is lowered to where less budget is left; an answer below it is not
// worth a call.
const MinMaxTokens = 32

// Ask is one wish for a reservation, as one key's document sees it.
type Ask struct {
	Lease  string // unique id of the call
	User   string // hashed user, see HashUser; empty: takes no part in fair shares
	Prompt int64  // tokens, safe upper bound
	Max    int64  // max_tokens wished
	Price  Price
	Hold   time.Duration // how long the lease lives: longer than the call may take
	// Crowd are the hashed users that have questions waiting; nil: no fair shares.
	Crowd *Crowd
	// FirstTry says that this process has not tried the key since it started: it may try one that is refused.
	FirstTry bool
	// ClockError is how far the asker's clock may be off.
	ClockError time.Duration
}

// floor returns the least max_tokens that the asker accepts.
func (a Ask) floor() int64 { return min(a.Max, MinMaxTokens) }

// need returns what the ask takes of a unit when max_tokens is granted.
func (a Ask) need(u Unit, maxTokens int64) int64 {
	switch u {
	case Requests:
		return 1
	case Tokens:
		return addSat(a.Prompt, maxTokens)
	default:
		return a.Price.Cost(a.Prompt, maxTokens)
	}
}

// Reason says why a key does not admit a call. It is a closed set, fit for a metric label.
type Reason string

// The reasons.
const (
	Exhausted Reason = "exhausted" // a limit has no room for it; until the turn, or until a running call needs less
	Turning   Reason = "turning"   // too near to the turn of a window
	Cooling   Reason = "cooling"   // after a 429
	Resting   Reason = "resting"   // after a 402
	Refused   Reason = "refused"   // after a 401 or 403
	TooBig    Reason = "too_big"   // larger than a limit: never
	OverShare Reason = "share"     // others who were served less are waiting
	Tried     Reason = "tried"     // this question has tried every key
)

// Verdict is what a document says to an Ask.
type Verdict struct {
	Granted bool
	// Lease and NotAfter are valid if Granted. NotAfter is by the server's clock; zero: no limit turns.
	Lease    Lease
	NotAfter time.Time
	// Again says that the lease existed before: a repeated ask got the same answer.
	Again bool
	// Why and Until are valid if not Granted. Until is the earliest instant at which the same ask may be granted if
	// nothing else changes; zero if no time will help (Refused, TooBig).
	Why   Reason
	Until time.Time
	// Changed says that the document must be stored for the verdict to hold.
	Changed bool
}

// Reserve takes what a call needs from every limit at once, or says why not. It advances the document to now.
func (d *Document) Reserve(now time.Time, a Ask) Verdict {
	t := d.Advance(now)
	gate := gateFor(d.Limits.windows(), t, a.ClockError)
	if l, ok := d.Leases[a.Lease]; ok {
		first := gateFor(d.Limits.windows(), at(l.At), a.ClockError)
		return Verdict{Granted: true, Again: true, Lease: l, NotAfter: first.NotAfter}
	}
	if d.tooBig(a) {
		return Verdict{Why: TooBig}
	}
	probe := false
	switch h := &d.Health; {
	case h.Refused != 0:
		if !a.FirstTry {
			return Verdict{Why: Refused}
		}
		probe = true
	case h.RestUntil > d.Clock:
		if d.Clock < h.NextProbe {
			return Verdict{Why: Resting, Until: at(min(h.NextProbe, h.RestUntil))}
		}
		probe = true
	case h.CoolUntil > d.Clock:
		return Verdict{Why: Cooling, Until: at(h.CoolUntil)}
	}
	if !gate.Open {
		return Verdict{Why: Turning, Until: gate.Opens}
	}
	maxTokens, until := d.fit(t, a)
	if maxTokens < 0 {
		return Verdict{Why: Exhausted, Until: until}
	}
	if over, until := d.overShare(t, a); over && !probe {
		return Verdict{Why: OverShare, Until: until}
	}
	l := Lease{
		At: d.Clock, Expires: d.Clock + max(a.Hold.Milliseconds(), 1), Prompt: a.Prompt, Max: maxTokens,
		USD: a.Price.Cost(a.Prompt, maxTokens), User: a.User, Probe: probe,
	}
	for i := range d.Uses {
		d.Uses[i].Used = addSat(d.Uses[i].Used, l.amount(d.Uses[i].Unit))
	}
	if d.Leases == nil {
		d.Leases = map[string]Lease{}
	}
	d.Leases[a.Lease] = l
	if probe && d.Health.RestUntil > d.Clock {
		d.Health.NextProbe = d.Clock + probeEvery.Milliseconds()
	}
	d.countShare(l, a)
	return Verdict{Granted: true, Lease: l, NotAfter: gate.NotAfter, Changed: true}
}

// tooBig says whether the ask, lowered as far as it goes, exceeds a limit even in an empty window.
func (d *Document) tooBig(a Ask) bool {
	for _, l := range d.Limits {
		if a.need(l.Unit, a.floor()) > l.Amount {
			return true
		}
	}
	return false
}

// fit returns the most max_tokens, up to the wish, that every limit has room for; -1 if that is below the floor, and
// then the time at which the last of the limits that are in the way turns.
func (d *Document) fit(t time.Time, a Ask) (maxTokens int64, until time.Time) {
	maxTokens = a.Max
	fits := true
	for _, l := range d.Limits {
		left := l.Amount - d.use(l.Unit, l.Window).Used
		m := a.Max
		switch l.Unit {
		case Requests:
			if left < 1 {
				m = -1
			}
		case Tokens:
			m = left - a.Prompt
		case Dollars:
			rest := left - a.Price.Cost(a.Prompt, 0)
			if rest < 0 {
				m = -1
			} else if a.Price.Out > 0 {
				m = rest / a.Price.Out
			}
		}
		if m < a.floor() {
			fits = false
			end := l.Window.End(l.Window.ID(t))
			end = end.Add(l.Window.margin(a.ClockError))
			if end.After(until) {
				until = end
			}
		}
		maxTokens = min(maxTokens, m)
	}
	if !fits {
		return -1, until
	}
	return maxTokens, time.Time{}
}
