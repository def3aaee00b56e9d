package budget

import "time"

// Health is what the provider said about a key. The zero value is a healthy key. Times are Unix milliseconds.
type Health struct {
	// CoolSince and CoolUntil frame the latest cooling; Streak counts 429s in a row that named no time.
	CoolSince int64 `json:"cs,omitempty"`
	CoolUntil int64 `json:"cu,omitempty"`
	Streak    int   `json:"st,omitempty"`
	// RestSince is when a 402 came, RestUntil when the month has turned, NextProbe when one call may try before that.
	RestSince int64 `json:"rs,omitempty"`
	RestUntil int64 `json:"ru,omitempty"`
	NextProbe int64 `json:"np,omitempty"`
	// Refused is when a 401 or 403 came; 0: not refused. It ends with the success of a probe.
	Refused int64 `json:"rf,omitempty"`
	// Proven is when a probe last succeeded: what calls from before it say is old news.
	Proven int64 `json:"ok,omitempty"`
}

const (
	firstCooling = 5 * time.Second
	maxCooling   = 5 * time.Minute
	// maxNamedCooling bounds what a provider may ask for: the longest window is a month.
	maxNamedCooling = 32 * 24 * time.Hour
	probeEvery      = 24 * time.Hour
	// restMargin is waited beyond the month's turn, so that a provider whose clock is a little late does not answer 402
	// again and close the new month.
	restMargin = 2 * time.Second
)

// advance forgets what has ended. The streak stays: only a success ends it.
func (h *Health) advance(now int64) {
	if h.RestUntil != 0 && now >= h.RestUntil {
		h.RestSince, h.RestUntil, h.NextProbe = 0, 0, 0
	}
	if h.CoolUntil != 0 && now >= h.CoolUntil {
		h.CoolUntil = 0 // CoolSince stays, so that an answer from before it still counts as one from before
	}
}

// settle takes in how a call ended that was granted at the given time. It says whether anything changed. Answers of
// calls that were granted before the state began are news of the same event: they neither prolong nor end it.
func (h *Health) settle(now, granted int64, probe bool, jitter float64, kind Kind, until time.Time) bool {
	before := *h
	switch kind {
	case Success:
		if h.Streak > 0 && granted >= h.CoolSince {
			h.Streak = 0
		}
		if probe {
			h.Refused = 0
			h.RestSince, h.RestUntil, h.NextProbe = 0, 0, 0
			h.Proven = now
		}
	case RateLimited:
		h.cool(now, granted, jitter, until)
	case NoCredit:
		if granted >= h.Proven {
			h.rest(now, granted)
		}
	case KeyRefused:
		if h.Refused == 0 && granted >= h.Proven {
			h.Refused = now
		}
	}
	return *h != before
}

// cool takes in a 429.
func (h *Health) cool(now, granted int64, jitter float64, named time.Time) {
	if !named.IsZero() {
		until := min(named.UnixMilli(), now+maxNamedCooling.Milliseconds())
		if until > max(h.CoolUntil, now) {
			if h.CoolUntil == 0 {
				h.CoolSince = now
			}
			h.CoolUntil = until
		}
		return
	}
	if h.CoolSince != 0 && granted < h.CoolSince {
		return // one of several calls in flight when the cooling began
	}
	d := firstCooling
	for range h.Streak {
		if d *= 2; d >= maxCooling {
			break
		}
	}
	d += time.Duration(jitter * float64(d) / 5)
	if d > maxCooling {
		d = maxCooling - time.Duration(jitter*float64(maxCooling)/10)
	}
	h.Streak = min(h.Streak+1, 16)
	h.CoolSince = now
	h.CoolUntil = max(h.CoolUntil, now+d.Milliseconds())
}

// rest takes in a 402: credits are counted by calendar month.
func (h *Health) rest(now, granted int64) {
	month := Month.ID(at(now))
	if Month.ID(at(granted)) < month {
		return // the answer is about the month before
	}
	if h.RestUntil != 0 {
		return // known; the probe that brought this has set the time of the next
	}
	h.RestSince = now
	h.RestUntil = Month.End(month).Add(restMargin).UnixMilli()
	h.NextProbe = now + probeEvery.Milliseconds()
}

// State is a key's state, as people and metrics see it. It is a closed set.
type State string

// The states. An exhausted key is active: its limits say so.
const (
	StateActive  State = "active"
	StateCooling State = "cooling"
	StateResting State = "resting"
	StateRefused State = "refused"
)

// States are all states, for metrics.
var States = []State{StateActive, StateCooling, StateResting, StateRefused}

// state returns the state at a time and when it ends; zero: not by itself.
func (h Health) state(now int64) (State, time.Time) {
	switch {
	case h.Refused != 0:
		return StateRefused, time.Time{}
	case h.RestUntil > now:
		return StateResting, at(h.RestUntil)
	case h.CoolUntil > now:
		return StateCooling, at(h.CoolUntil)
	}
	return StateActive, time.Time{}
}
