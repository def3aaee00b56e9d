package hfsim

import (
	"net/http"
	"slices"
	"time"
)

// ticket is a call on its way through the server.
type ticket struct {
	account *account
	call    *Call
	windows []*Window // one for each meter of the account, as of arrival
	rolling []*event  // the same; nil for limits that do not roll
	meters  []*meter
	blamed  []bool        // this call passed that limit
	deny    int           // status with which the books refuse it; 0: served
	wait    time.Duration // until the limit that refused admits again, simulator's time
}

// arrive books a call that has just come and says whether it may be served. Prices are in nano-dollars per token.
func (b *books) arrive(token string, c Call, now time.Time, prompt int, promptNano int64) *ticket {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.find(token)
	b.n++
	c.N, c.At, c.Key = b.n, now, a.key.Name
	call := &c
	b.remember(call)
	a.calls++
	a.inFlight++
	a.maxInFlight = max(a.maxInFlight, a.inFlight)
	b.inFlight++
	b.maxInFlight = max(b.maxInFlight, b.inFlight)

	t := &ticket{account: a, call: call, meters: a.meters}
	for i, m := range a.meters {
		w := m.window(now)
		if i == 0 {
			call.Window = m.limit.String() + " " + w.Start.Format(time.RFC3339Nano)
		}
		w.Requests++
		t.windows = append(t.windows, w)
		t.rolling = append(t.rolling, nil)
		t.blamed = append(t.blamed, false)
		b.admit(t, i, now, int64(prompt), promptNano)
	}
	switch {
	case a.key.Name == unknownKey || a.key.State == Unauthorized:
		t.deny = http.StatusUnauthorized
	case a.key.State == Forbidden:
		t.deny = http.StatusForbidden
	case a.key.State == Depleted:
		t.deny = http.StatusPaymentRequired
	}
	if t.deny == 0 {
		for i, m := range a.meters {
			if m.limit.Rolling {
				e := &event{at: now}
				if m.limit.Unit == Requests {
					e.amount = 1
				}
				m.events = append(m.events, e)
				t.rolling[i] = e
			}
		}
	}
	return t
}

// admit checks one limit for a call that has come. The lock is held.
func (b *books) admit(t *ticket, i int, now time.Time, prompt, promptNano int64) {
	m, w := t.meters[i], t.windows[i]
	used := w.Used()
	if m.limit.Rolling {
		used = m.rolled(now)
	}
	over, deny := false, 0
	switch m.limit.Unit {
	case Requests:
		if !m.limit.Rolling {
			used-- // this call itself
		}
		over, deny = used >= m.limit.ceiling(), http.StatusTooManyRequests
	case Tokens:
		over, deny = used+prompt > m.limit.ceiling(), http.StatusTooManyRequests
	case Dollars:
		over = used+promptNano > m.limit.ceiling()
		if used-m.unseen(now, b.server.MeterLag)+promptNano > m.limit.ceiling() {
			deny = http.StatusPaymentRequired
		}
	}
	if !over {
		return
	}
	b.blame(t, i)
	if deny == 0 || t.deny == http.StatusPaymentRequired {
		return
	}
	t.deny = deny
	wait := w.End.Sub(now)
	if m.limit.Rolling && len(m.events) > 0 {
		wait = m.events[0].at.Add(m.limit.every).Sub(now)
	}
	t.wait = max(t.wait, wait)
}

// blame marks a call as one that passed a limit. The lock is held.
func (b *books) blame(t *ticket, i int) {
	if t.blamed[i] {
		return
	}
	t.blamed[i] = true
	t.windows[i].Over++
	if !t.call.Over {
		t.call.Over = true
		t.account.over++
		b.over++
	}
}

// charge books what an answer used into the windows in which its call arrived.
func (b *books) charge(t *ticket, prompt, completion int, nano int64, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.call.PromptTokens, t.call.CompletionTokens, t.call.NanoUSD = prompt, completion, nano
	a := t.account
	a.prompt += int64(prompt)
	a.completion += int64(completion)
	a.nano += nano
	for i, m := range t.meters {
		w := t.windows[i]
		w.PromptTokens += int64(prompt)
		w.CompletionTokens += int64(completion)
		w.NanoUSD += nano
		if m.limit.Unit == Requests {
			continue
		}
		if m.limit.Unit == Dollars && b.server.MeterLag > 0 {
			m.lagging = append(m.lagging, &event{at: now, amount: nano})
		}
		used := w.Used()
		if e := t.rolling[i]; e != nil {
			e.amount = int64(prompt + completion)
			if m.limit.Unit == Dollars {
				e.amount = nano
			}
			used = m.rolled(now)
		}
		if used > m.limit.ceiling() {
			b.blame(t, i)
		}
	}
}

// finish books the end of a call.
func (b *books) finish(t *ticket, status int, fault Kind, gone bool, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.call.Status, t.call.Fault, t.call.Gone, t.call.Took, t.call.Done = status, fault, gone, took, true
	t.account.statuses[status]++
	t.account.inFlight--
	b.inFlight--
}

// remember keeps the latest MaxCalls calls. The lock is held.
func (b *books) remember(c *Call) {
	if len(b.calls) >= 2*b.server.MaxCalls { // halve, so that the copying is cheap per call
		b.calls = slices.Clone(b.calls[b.server.MaxCalls:])
		b.dropped += int64(b.server.MaxCalls)
	}
	b.calls = append(b.calls, c)
}

// window is the aligned window of a time.
func (m *meter) window(now time.Time) *Window {
	start, end := m.limit.bounds(now)
	w := m.windows[start]
	if w == nil {
		w = &Window{Limit: m.limit, Start: start, End: end}
		m.windows[start] = w
	}
	return w
}

// rolled is the use within the last window, for a limit that rolls.
func (m *meter) rolled(now time.Time) int64 {
	cut := now.Add(-m.limit.every)
	m.events = slices.DeleteFunc(m.events, func(e *event) bool { return !e.at.After(cut) })
	var sum int64
	for _, e := range m.events {
		sum += e.amount
	}
	return sum
}

// unseen is what a lagging meter has not noticed yet.
func (m *meter) unseen(now time.Time, lag time.Duration) int64 {
	cut := now.Add(-lag)
	m.lagging = slices.DeleteFunc(m.lagging, func(e *event) bool { return !e.at.After(cut) })
	var sum int64
	start, _ := m.limit.bounds(now)
	for _, e := range m.lagging {
		if !e.at.Before(start) {
			sum += e.amount
		}
	}
	return sum
}

// Books sums up all calls so far.
func (s *Server) Books() Books {
	s.once.Do(s.setup)
	now := s.now()
	b := &s.books
	b.mu.Lock()
	defer b.mu.Unlock()
	out := Books{Now: now, Calls: b.n, Over: b.over, InFlight: b.inFlight, MaxInFlight: b.maxInFlight, Keys: []KeyBook{}}
	for _, a := range b.order {
		out.Keys = append(out.Keys, a.book())
	}
	return out
}

// Key is the sum of one key; the zero KeyBook if it never appeared.
func (b Books) Key(name string) KeyBook {
	for _, k := range b.Keys {
		if k.Name == name {
			return k
		}
	}
	return KeyBook{Name: name}
}

func (a *account) book() KeyBook {
	k := KeyBook{
		Name: a.key.Name, State: a.key.State, Limits: append([]Limit{}, a.key.Limits...),
		Calls: a.calls, Over: a.over, InFlight: a.inFlight, MaxInFlight: a.maxInFlight,
		Statuses: make(map[int]int64, len(a.statuses)), PromptTokens: a.prompt, CompletionTokens: a.completion,
		NanoUSD: a.nano, Windows: []Window{},
	}
	for status, n := range a.statuses {
		k.Statuses[status] = n
	}
	for _, m := range a.meters {
		from := len(k.Windows)
		for _, w := range m.windows {
			k.Windows = append(k.Windows, *w)
		}
		slices.SortFunc(k.Windows[from:], func(x, y Window) int { return x.Start.Compare(y.Start) })
	}
	return k
}

// Calls returns copies of the remembered calls whose number is greater than after, oldest first.
func (s *Server) Calls(after int64) []Call {
	s.once.Do(s.setup)
	b := &s.books
	b.mu.Lock()
	defer b.mu.Unlock()
	from := max(0, min(int64(len(b.calls)), after-b.dropped))
	out := make([]Call, 0, int64(len(b.calls))-from)
	for _, c := range b.calls[from:] {
		out = append(out, *c)
	}
	return out
}

// Over is how many calls passed a limit of their key: 0, or the client's budget is broken.
func (s *Server) Over() int64 { return s.Books().Over }

// ForgetUse forgets what a key used in its windows, as a provider does that tops it up. Its calls and sums stay; what calls
// in flight will use counts for the sums alone.
func (s *Server) ForgetUse(name string) {
	s.once.Do(s.setup)
	b := &s.books
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.byName[name]; a != nil {
		a.meters = nil
		a.limit(a.key.Limits)
	}
}

// ResetBooks forgets every call and every use; keys, their states and limits stay. Calls in flight are forgotten too.
func (s *Server) ResetBooks() {
	s.once.Do(s.setup)
	b := &s.books
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls, b.dropped, b.n, b.over, b.maxInFlight = nil, 0, 0, 0, b.inFlight
	for _, a := range b.order {
		a.calls, a.over, a.prompt, a.completion, a.nano, a.maxInFlight = 0, 0, 0, 0, 0, a.inFlight
		a.statuses = map[int]int64{}
		a.meters = nil
		a.limit(a.key.Limits)
	}
}
