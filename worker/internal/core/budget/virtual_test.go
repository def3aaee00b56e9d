package budget

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shelf holds a document as the store does: whoever takes it, takes it alone.
type shelf struct {
	mu  sync.Mutex
	doc *Document
}

// provider counts what reaches it, on its own clock.
type provider struct {
	mu     sync.Mutex
	limits Limits
	used   map[string]map[int64]int64
}

func (p *provider) arrive(tokens int64) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var booked []func()
	for _, l := range p.limits {
		by, id := p.used[l.String()], l.Window.ID(now)
		if l.Unit == Requests {
			by[id]++
		} else {
			booked = append(booked, func() { by[id] += tokens })
		}
	}
	return func() { // tokens are booked when the answer is ready, into the window of arrival
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, f := range booked {
			f()
		}
	}
}

// Hours of many workers under saturating demand in virtual time: clocks that are off by up to half of what they admit,
// calls that take seconds, crashes at any step. Counted by the provider: never over, and nearly everything used.
func TestWorkersInVirtualTime(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { saturate(t, seed) })
		})
	}
}

func saturate(t *testing.T, seed uint64) {
	const clockError = 20 * time.Millisecond
	limits := mustLimits(t, "300req/10m,60000tok/10m,150000tok/1h")
	p := &provider{limits: limits, used: map[string]map[int64]int64{}}
	for _, l := range limits {
		p.used[l.String()] = map[int64]int64{}
	}
	time.Sleep(time.Until(Hour.End(Hour.ID(time.Now())).Add(-time.Second)))
	s := &shelf{doc: NewDocument(limits, time.Now())}
	end := time.Now().Add(3 * time.Hour)
	for w := range 32 {
		go func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			offset := time.Duration(r.Int64N(int64(clockError))) - clockError/2
			now := func() time.Time { return time.Now().Add(offset) }
			for i := 0; time.Now().Before(end); i++ {
				id := fmt.Sprint(w, ".", i)
				s.mu.Lock()
				v := s.doc.Reserve(now(), Ask{Lease: id, Prompt: 60 + r.Int64N(60), Max: 200, Hold: 30 * time.Second, ClockError: clockError})
				s.mu.Unlock()
				if !v.Granted {
					time.Sleep(min(max(v.Until.Sub(now()), time.Millisecond), time.Second))
					continue
				}
				time.Sleep(time.Duration(r.Int64N(int64(5 * time.Millisecond)))) // on its way
				crash := r.IntN(100) == 0
				if crash && r.IntN(3) == 0 {
					continue // before it was sent
				}
				if now().After(v.NotAfter) {
					s.mu.Lock()
					s.doc.Settle(now(), Settlement{Lease: id, Outcome: Outcome{Kind: NotSent}})
					s.mu.Unlock()
					continue
				}
				prompt, completion := v.Lease.Prompt-r.Int64N(20), 1+r.Int64N(v.Lease.Max)
				book := p.arrive(prompt + completion)
				time.Sleep(time.Duration(r.Int64N(int64(3 * time.Second))))
				book()
				if crash {
					continue
				}
				s.mu.Lock()
				s.doc.Settle(now(), Settlement{Lease: id, Outcome: Outcome{Kind: Success, UsageKnown: true, Prompt: prompt, Completion: completion}})
				s.mu.Unlock()
			}
		}()
	}
	time.Sleep(time.Until(end.Add(time.Minute)))
	synctest.Wait()
	for _, l := range limits {
		for id, used := range p.used[l.String()] {
			if used > l.Amount {
				t.Errorf("%s, window %d: %d reached the provider", l, id, used)
			}
		}
	}
	// Tokens bind: the hour's 150,000 are used within its first three windows.
	hours, used := 0, int64(0)
	hour := limits[2]
	for id := Hour.ID(end) - 2; id <= Hour.ID(end); id++ {
		hours++
		used += p.used[hour.String()][id]
	}
	if used < int64(hours)*hour.Amount*98/100 {
		t.Errorf("%d of %d tokens used in %d hours", used, int64(hours)*hour.Amount, hours)
	}
}
