package ledgertest

import (
	"context"
	"time"
)

// stillness notes when the machine had no time for this process. What workers leave unused then tells of the machine,
// not of the ledger, so such windows are not judged; that no limit is passed must hold in them too.
type stillness struct{ spells [][2]time.Time }

const (
	// tick is how often the process looks at the clock, and tooLong how late a look must be to count as a stillness.
	tick    = 5 * time.Millisecond
	tooLong = 50 * time.Millisecond
)

// watch looks at the clock until ctx ends; the spells may be read after it has returned.
func (s *stillness) watch(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	last := time.Now()
	for ctx.Err() == nil {
		<-t.C
		now := time.Now()
		if now.Sub(last) > tooLong {
			s.spells = append(s.spells, [2]time.Time{last, now})
		}
		last = now
	}
}

// within says whether the machine stood still at some time in a window.
func (s *stillness) within(from, to time.Time) bool {
	for _, x := range s.spells {
		if x[0].Before(to) && x[1].After(from) {
			return true
		}
	}
	return false
}
