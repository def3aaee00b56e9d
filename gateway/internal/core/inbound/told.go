package inbound

import (
	"sync"
	"time"
)

// maxTold bounds what is remembered of words that were said; beyond it, only the claims keep them from being repeated.
const maxTold = 20_000

// told remembers what this process has said until its window ends.
type told struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func newTold() *told { return &told{until: map[string]time.Time{}} }

// first says whether a name comes for the first time before it ends.
func (t *told) first(name string, ends time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if until, ok := t.until[name]; ok && until.After(now) {
		return false
	}
	if len(t.until) >= maxTold {
		for n, until := range t.until {
			if !until.After(now) {
				delete(t.until, n)
			}
		}
	}
	if len(t.until) < maxTold {
		t.until[name] = ends
	}
	return true
}
