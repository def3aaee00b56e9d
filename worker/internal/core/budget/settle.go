package budget

import (
	"hash/fnv"
	"time"
)

// Kind is how a call ended, as far as the budget cares. It is a closed set.
type Kind string

// The kinds.
const (
	// Success: an answer came. With UsageKnown its tokens are charged, else what was reserved.
	Success Kind = "success"
	// RateLimited: 429. The request stays charged, its tokens don't: the model did not run. The key cools.
	RateLimited Kind = "rate_limited"
	// NoCredit: 402. Charged like RateLimited. The key rests until the month turns.
	NoCredit Kind = "no_credit"
	// KeyRefused: 401 or 403. Charged like RateLimited. The key is refused until a probe succeeds.
	KeyRefused Kind = "refused"
	// Failed: it was sent, or may have been, and brought no answer. Charged as reserved, unless UsageKnown says that
	// the provider bills less (an error status: nothing but the request).
	Failed Kind = "failed"
	// NotSent: it provably never left this machine. Everything is given back.
	NotSent Kind = "not_sent"
)

// Outcome is how a call ended.
type Outcome struct {
	Kind       Kind
	UsageKnown bool // Prompt and Completion are the provider's figures
	Prompt     int64
	Completion int64
	// RetryAfter is how long from now the provider wants to be left alone (RateLimited only); 0: it didn't say.
	RetryAfter time.Duration
	// Late says that the request may have left after the grant's NotAfter: it is charged to both windows.
	Late bool
	// Hints are what the provider says is left; they can only raise what counts as used.
	Hints []Hint
}

// Hint is what the provider says is left in its current window of a kind.
type Hint struct {
	Unit   Unit
	Window Window
	Left   int64
}

// Settlement is the outcome of one lease.
type Settlement struct {
	Lease   string
	Granted time.Time // when the lease was granted
	Price   Price
	Outcome Outcome
	// Until is the Outcome's RetryAfter as a time by the server's clock; zero: none. It is fixed when the answer came,
	// so that neither a queue nor a retry of the write prolongs it.
	Until time.Time
}

// Settle charges what a call really used, into the windows that it was reserved in, and updates the key's health.
// It is idempotent: a lease that is gone (settled before, ended, lost) changes no counter, but a late settlement still
// reports the key's health. It says whether the document changed.
func (d *Document) Settle(now time.Time, s Settlement) (changed bool) {
	d.Advance(now)
	id, granted, o := s.Lease, s.Granted, s.Outcome
	l, found := d.Leases[id]
	if found {
		granted = at(l.At)
		delete(d.Leases, id)
		d.charge(l, s.Price, o)
	}
	health := d.Health.settle(d.Clock, granted.UnixMilli(), l.Probe && found, jitter(id), o.Kind, s.Until)
	for _, h := range o.Hints {
		for _, lim := range d.Limits {
			if u := d.use(lim.Unit, lim.Window); lim.Unit == h.Unit && lim.Window == h.Window && u.Used < lim.Amount-h.Left {
				u.Used, health = lim.Amount-max(h.Left, 0), true
			}
		}
	}
	return found || health
}

// charge replaces what a lease reserved by what its call used.
func (d *Document) charge(l Lease, price Price, o Outcome) {
	actual := l // what is charged in the end, in a lease's form
	requests := int64(1)
	switch {
	case o.Kind == NotSent:
		requests, actual.Prompt, actual.Max, actual.USD = 0, 0, 0, 0
	case o.UsageKnown:
		actual.Prompt, actual.Max = max(o.Prompt, 0), max(o.Completion, 0)
		actual.USD = price.Cost(actual.Prompt, actual.Max)
	case o.Kind == RateLimited, o.Kind == NoCredit, o.Kind == KeyRefused:
		actual.Prompt, actual.Max, actual.USD = 0, 0, 0
	}
	for i := range d.Uses {
		u := &d.Uses[i]
		reserved, used := l.amount(u.Unit), actual.amount(u.Unit)
		if u.Unit == Requests {
			used = requests
		}
		switch {
		case u.holds(l):
			u.Used = max(u.Used-reserved+used, 0)
		case u.carries(l) && o.Late:
			u.Used = max(u.Used-reserved+used, 0)
		case u.carries(l): // it left in time, so it belongs to the window before, whose counter is gone
			u.Used = max(u.Used-reserved, 0)
		}
	}
	if o.Kind == NotSent {
		d.uncountShare(l)
	}
}

// jitter returns a fraction in [0,1) that depends on the lease alone: every worker computes the same document.
func jitter(id string) float64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}
