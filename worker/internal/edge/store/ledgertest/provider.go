// Package ledgertest puts ledgers under load and crashes, and lets a judge count who knows nothing of them: a provider
// that books what reaches it by its own clock. Tests run it for seconds, ledgerbench for as long as one likes.
package ledgertest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

// provider books requests and tokens of each key by the window in which the request arrived, on its own clock.
type provider struct {
	mu     sync.Mutex
	limits budget.Limits
	used   map[window]int64
	over   int64
	first  time.Time
	calls  int
}

// window is one window of one limit of one key.
type window struct {
	key   string
	limit budget.Limit
	id    int64
}

func newProvider(limits budget.Limits) *provider {
	return &provider{limits: limits, used: map[window]int64{}, first: time.Now()}
}

// arrive books a request; the function that it returns books the tokens of its answer. Both count what passes a limit.
func (p *provider) arrive(key string) (answer func(tokens int64)) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	windows := make([]window, len(p.limits))
	for i, l := range p.limits {
		windows[i] = window{key, l, l.Window.ID(now)}
		if l.Unit == budget.Requests {
			p.book(windows[i], 1)
		}
	}
	return func(tokens int64) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, w := range windows {
			if w.limit.Unit == budget.Tokens {
				p.book(w, tokens)
			}
		}
	}
}

func (p *provider) book(w window, n int64) {
	p.used[w] += n
	if over := p.used[w] - w.limit.Amount; over > 0 {
		p.over += min(over, n)
	}
}

// Usage is how much of the whole windows of one limit of one key was used.
type Usage struct {
	Key, Limit string
	Windows    int
	Mean, Min  float64 // of the amount, 1 is all
	Max        float64
}

// String is one line for people.
func (u Usage) String() string {
	return fmt.Sprintf("%s %s: %d whole windows, mean %.2f %%, least %.2f %%, most %.2f %%", u.Key, u.Limit, u.Windows, 100*u.Mean, 100*u.Min, 100*u.Max)
}

// usage sums up the windows that lie wholly between from and to, and in which the machine let the workers run.
func (p *provider) usage(keys []string, from, to time.Time, still *stillness) []Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Usage
	for _, key := range keys {
		for _, l := range p.limits {
			var shares []float64
			for id := l.Window.ID(from) + 1; !l.Window.End(id).After(to); id++ {
				if still.within(l.Window.Start(id), l.Window.End(id)) {
					continue
				}
				shares = append(shares, float64(p.used[window{key, l, id}])/float64(l.Amount))
			}
			if len(shares) == 0 {
				continue
			}
			u := Usage{Key: key, Limit: l.String(), Windows: len(shares), Min: slices.Min(shares), Max: slices.Max(shares)}
			for _, s := range shares {
				u.Mean += s / float64(len(shares))
			}
			out = append(out, u)
		}
	}
	return out
}
