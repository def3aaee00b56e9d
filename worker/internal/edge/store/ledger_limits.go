package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

// LiveWorker is another worker that lives.
type LiveWorker struct {
	Instance string
	// Limits are those of its settings by key name, as BUDGET_LIMITS spells them.
	Limits map[string]string
	// Agreed says that it has ensured its limits, and goes on with whatever the documents hold since.
	Agreed bool
}

// holds says whether the worker stands for the limits that the document of a key holds. One that has agreed does, also
// when they were changed under it; one that starts does if they are what its settings say.
func (w LiveWorker) holds(key string, held budget.Limits) bool {
	text, has := w.Limits[key]
	theirs, err := budget.ParseLimits(text)
	return has && (w.Agreed || err == nil && theirs.Equal(held))
}

// ErrUnknownKey says that the ledger has no key of that name.
var ErrUnknownKey = errors.New("no key of this name was ever used")

// errMoved says that the limits changed while they were looked at.
var errMoved = errors.New("the limits changed")

// EnsureLimits makes the documents hold this process's limits. If a document holds others, and a worker that lives holds
// those, it returns a *budget.LimitsConflictError and changes nothing. Publish this process's own limits in LIVE
// before, so that two workers that start at once see each other.
func (l *Ledger) EnsureLimits(ctx context.Context, live func(ctx context.Context) ([]LiveWorker, error)) error {
	for _, b := range l.books {
		for {
			err := b.ensureLimits(ctx, live)
			if errors.Is(err, errMoved) {
				continue
			}
			if err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// CheckLimits returns the error with which EnsureLimits would refuse, and writes nothing.
func (l *Ledger) CheckLimits(ctx context.Context, live func(ctx context.Context) ([]LiveWorker, error)) error {
	for _, b := range l.books {
		if _, err := b.agree(ctx, live); err != nil {
			return err
		}
	}
	return nil
}

func (b *book) ensureLimits(ctx context.Context, live func(ctx context.Context) ([]LiveWorker, error)) error {
	held, err := b.agree(ctx, live)
	if err != nil || held.Equal(b.ours) {
		return err
	}
	return b.setLimits(ctx, b.ours, held.String())
}

// agree returns the limits that the document holds, or that a living worker has others than ours.
func (b *book) agree(ctx context.Context, live func(ctx context.Context) ([]LiveWorker, error)) (held budget.Limits, err error) {
	err = b.submit(&call{ctx: ctx, fresh: true, made: time.Now(), apply: func(d *budget.Document, _ time.Time) bool {
		held = d.Limits
		return false
	}})
	if err != nil {
		return held, fmt.Errorf("read the limits of key %s: %w", b.name, err)
	}
	if held.Equal(b.ours) {
		return held, nil
	}
	workers, err := live(ctx)
	if err != nil {
		return held, fmt.Errorf("look for live workers: %w", err)
	}
	for _, w := range workers {
		if w.Instance != b.ledger.cfg.Instance && w.holds(b.name, held) {
			return held, &budget.LimitsConflictError{Key: b.name, Theirs: held.String(), Ours: b.ours.String(), Instance: w.Instance}
		}
	}
	return held, nil
}

// setLimits writes limits; expect is what the document must hold for that, empty: anything.
func (b *book) setLimits(ctx context.Context, limits budget.Limits, expect string) error {
	moved := false
	err := b.submit(&call{ctx: ctx, apply: func(d *budget.Document, now time.Time) bool {
		moved = expect != "" && d.Limits.String() != expect && !d.Limits.Equal(limits)
		if moved || d.Limits.Equal(limits) {
			return false
		}
		d.SetLimits(limits, now)
		return true
	}})
	if err != nil {
		return fmt.Errorf("set the limits of key %s: %w", b.name, err)
	}
	if moved {
		return errMoved
	}
	b.deny.drop()
	b.ledger.changed.send()
	return nil
}

// SetLimits changes a key's limits whatever workers live; they go on with the new ones. What was used stays counted.
func (l *Ledger) SetLimits(ctx context.Context, key string, limits budget.Limits) error {
	b := l.book(key)
	if b == nil {
		return fmt.Errorf("set limits: %w: %q", ErrUnknownKey, key)
	}
	return b.setLimits(ctx, limits, "")
}

// Reset forgets what was used of a key in its current windows, and its health. Calls that run stay counted.
func (l *Ledger) Reset(ctx context.Context, key string) error {
	b := l.book(key)
	if b == nil {
		return fmt.Errorf("reset: %w: %q", ErrUnknownKey, key)
	}
	// Applied once, and not to what others write meanwhile: a second application after an unclear write does no harm
	// but to forget what was used between both.
	err := b.submit(&call{ctx: ctx, apply: func(d *budget.Document, now time.Time) bool {
		d.Reset(now)
		return true
	}})
	if err != nil {
		return fmt.Errorf("reset key %s: %w", key, err)
	}
	b.deny.drop()
	l.changed.send()
	return nil
}

// Keys returns the names of all keys that have a document, sorted.
func (l *Ledger) Keys(ctx context.Context) ([]string, error) {
	prefix := "$KV." + l.cfg.Budget + "."
	subjects, err := l.clock.subjects(ctx, prefix+">")
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var names []string
	for s := range subjects {
		names = append(names, strings.TrimPrefix(s, prefix))
	}
	slices.Sort(names)
	return names, nil
}
