package store

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"salamander.dev/worker/internal/core/budget"
)

const (
	// watchPause is the least time between two looks at a document that others write.
	watchPause = 10 * time.Millisecond
	// compareEvery is how often a refusal is checked against the store although nobody nudged.
	compareEvery = 900 * time.Millisecond
	// wakeSpread is over how long the processes spread as a window opens.
	wakeSpread = 15 * time.Millisecond
)

// denials remembers that a key is exhausted, cooling, resting or refused, so that no question and no round trip goes
// to it. Only refusals are remembered: a wrong one costs a moment, never budget.
type denials struct {
	mu  sync.Mutex
	ask budget.Ask // the smallest ask that was refused
	v   budget.Verdict
	set bool
}

// put remembers a refusal.
func (n *denials) put(a budget.Ask, v budget.Verdict) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if v.Granted || v.Why == budget.OverShare || v.Why == budget.TooBig {
		return
	}
	if n.set && n.v.Until.Equal(v.Until) && smaller(n.ask, a) {
		return
	}
	n.ask, n.v, n.set = a, v, true
}

// find returns the remembered refusal if it holds for the ask.
func (n *denials) find(a budget.Ask, now time.Time) (budget.Verdict, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.set {
		return budget.Verdict{}, false
	}
	if !n.v.Until.IsZero() && !now.Before(n.v.Until) {
		n.set = false
		return budget.Verdict{}, false
	}
	if n.v.Why == budget.Exhausted && !smaller(n.ask, a) {
		return budget.Verdict{}, false
	}
	return n.v, true
}

func (n *denials) get() (budget.Ask, budget.Verdict, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ask, n.v, n.set
}

func (n *denials) drop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.set = false
}

// smaller says whether a needs no more than b.
func smaller(a, b budget.Ask) bool {
	return a.Prompt <= b.Prompt && min(a.Max, budget.MinMaxTokens) <= min(b.Max, budget.MinMaxTokens)
}

// subscribe takes the calls of other processes.
func (l *Ledger) subscribe() error {
	if l.cfg.NoForward {
		return nil
	}
	for _, b := range l.books {
		s, err := l.nc.Subscribe(l.forwardSubject(l.cfg.Instance, b.name), b.serve)
		if err != nil {
			return err
		}
		l.subs = append(l.subs, s)
	}
	return nil
}

func (l *Ledger) unsubscribe() {
	for _, s := range l.subs {
		_ = s.Unsubscribe()
	}
}

// nudge has watch look.
func (b *book) nudge() {
	select {
	case b.nudged <- struct{}{}:
	default:
	}
}

// watch drops refusals that no longer hold, and wakes who waits: at the time that the refusal named, and when another
// process's write or a periodic look shows that the key would admit again.
//
// It listens to writes only while a refusal is remembered: a busy document is written a thousand times in a second,
// and who is granted needs no news. kv.Watch is not used: it goes silent for 20 s after a restart of the server, while
// a core subscription is back with the connection. It also shows writes that were refused, so what it brings is a
// reason to look, never the truth.
func (b *book) watch() {
	var sub *nats.Subscription
	timer := time.NewTimer(compareEvery)
	defer timer.Stop()
	defer func() {
		if sub != nil {
			_ = sub.Unsubscribe()
		}
	}()
	for {
		sure := false // whether a look must ask the store
		select {
		case <-b.ledger.stop:
			return
		case <-b.nudged:
		case <-timer.C:
			sure = true
		}
		_, _, waits := b.deny.get()
		switch {
		case waits && sub == nil:
			// The look below reads after the server knows of the subscription, so that no write falls in between.
			sure = true
			sub, _ = b.ledger.nc.Subscribe("$KV."+b.ledger.cfg.Budget+"."+b.name, func(m *nats.Msg) {
				b.saw(m.Data) // perhaps refused by the server: good enough for estimates
				b.nudge()
			})
		case !waits && sub != nil:
			_ = sub.Unsubscribe()
			sub = nil
		}
		timer.Reset(b.look(sure))
		b.pause(b.aborted, watchPause)
	}
}

// look checks the remembered refusal and returns when to check again. Unless it is to be sure, it asks the store only if
// the document that was heard of last would admit: a busy key is written all the time, and most writes free nothing.
func (b *book) look(sure bool) time.Duration {
	ask, v, set := b.deny.get()
	if !set {
		return compareEvery
	}
	now := b.ledger.clock.now()
	admits := !v.Until.IsZero() && !now.Before(v.Until)
	if !admits {
		ask.FirstTry, ask.Crowd = false, nil
		if sure || b.hearsay(now, ask) {
			ctx, cancel := context.WithTimeout(b.aborted, storeTimeout)
			d, err := b.read(ctx)
			cancel()
			admits = err == nil && d.Reserve(now, ask).Granted
		}
	}
	if admits {
		b.deny.drop()
		b.ledger.changed.send()
		return compareEvery
	}
	if v.Until.IsZero() {
		return compareEvery
	}
	return min(v.Until.Sub(now)+rand.N(wakeSpread), compareEvery)
}

// hearsay says whether the document that was heard of last would admit; true if none was.
func (b *book) hearsay(now time.Time, ask budget.Ask) bool {
	r := b.recent.Load()
	if r == nil {
		return true
	}
	d, err := budget.Decode(r.value)
	return err != nil || d.Reserve(now, ask).Granted
}

// reconnects has every book look after each reconnect: what was written while the connection was away came as no nudge.
func (l *Ledger) reconnects() {
	changed := l.nc.StatusChanged(nats.CONNECTED)
	defer l.nc.RemoveStatusListener(changed)
	for {
		select {
		case <-l.stop:
			return
		case _, ok := <-changed:
			if !ok { // the connection was closed for good
				return
			}
			for _, b := range l.books {
				b.recent.Store(nil)
				b.nudge()
			}
		}
	}
}
