package bus

import (
	"context"
	"errors"
	"time"
)

// Space lets one caller after another pass, at least every apart, over all processes; a caller waits for its turn. An
// error says that NATS can't tell now, or that ctx ended. A clock that is ahead of the others delays the next caller by
// at most every; one that is behind lets it pass that much too early.
func (b *Bus) Space(ctx context.Context, name string, every time.Duration) error {
	var seen uint64
	var since time.Time
	for {
		var next time.Time // the earliest next turn, by the clock of who was let pass last
		revision, ok, err := b.once().Get(ctx, name, &next)
		if err != nil {
			return err
		}
		now := time.Now()
		if revision != seen || since.IsZero() {
			seen, since = revision, now
		}
		wait := min(next.Sub(now), every-now.Sub(since))
		if !ok || wait <= 0 {
			if _, err = b.once().Update(ctx, name, now.Add(every).UTC(), revision); err == nil || !errors.Is(err, ErrConflict) {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
