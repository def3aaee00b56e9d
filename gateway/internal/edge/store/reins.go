package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// Reins carry moderators' orders: claims, desired state, the fleet and the books.
type Reins struct {
	bus    *bus.Bus
	mirror *bus.Mirror
	// dropped is told how many waiting questions an order removed.
	dropped func(n int)
}

// NewReins makes Reins. mirror is this process's copy of the desired state; dropped is told how many waiting questions
// an order removed from the queue.
func NewReins(b *bus.Bus, mirror *bus.Mirror, dropped func(n int)) *Reins {
	return &Reins{bus: b, mirror: mirror, dropped: dropped}
}

// Claim implements [moderation.Claims].
func (r *Reins) Claim(ctx context.Context, name string, since uint64, done bool) (bool, error) {
	if err := r.bus.AwaitConnected(ctx); err != nil {
		return false, err
	}
	return r.bus.Hold(ctx, name, since, done)
}

// Keep implements [moderation.Claims].
func (r *Reins) Keep(ctx context.Context, name string, done bool) error {
	return r.bus.Keep(ctx, name, done)
}

// Look implements [moderation.Claims].
func (r *Reins) Look(ctx context.Context, name string) (mark uint64, done bool, err error) {
	return r.bus.Held(ctx, name)
}

// Apply implements [moderation.State].
func (r *Reins) Apply(ctx context.Context, o control.Order) (before, after control.Desired, revision uint64, changed bool, err error) {
	return r.bus.ApplyOrder(ctx, o)
}

// Mute implements [moderation.State].
func (r *Reins) Mute(ctx context.Context, o control.Order) (uint64, error) {
	return r.bus.ApplyMute(ctx, o)
}

// Desired implements [moderation.State]: it reads from the leader, since it is asked about what was just written.
func (r *Reins) Desired(ctx context.Context, s control.Scope) (control.Desired, error) {
	if err := r.mirror.Reach(ctx, control.Order{Scope: s}); err != nil {
		return control.Desired{}, err
	}
	return r.mirror.Desired(s), nil
}

// Sync implements [moderation.Fleet]. After a stop, what still waits in the queue goes: nothing new is taken meanwhile.
// After a reboot the workers drop what is older than it, since newer questions are taken already.
func (r *Reins) Sync(ctx context.Context, s control.Sync) (applied []control.Applied, silent []string, err error) {
	applied, silent, err = r.bus.Sync(ctx, s)
	if err != nil || s.Order.Verb != control.Stop {
		return applied, silent, err
	}
	n, err := NewRecords(r.bus).DropWaiting(ctx, s.Order.Scope, s.Order.Command)
	r.dropped(n)
	return applied, silent, err
}

// Status implements [moderation.Fleet].
func (r *Reins) Status(ctx context.Context, o control.Order) ([]control.Applied, []string, error) {
	return r.bus.Status(ctx, o)
}

// How often the book of the living is read during a reboot, and how long replacements are waited for once every old
// worker has left: without a supervisor none will come.
const (
	rebootEvery     = 250 * time.Millisecond
	replacedWithin  = time.Minute
	livingReadBound = 2 * time.Second
)

// AwaitReboot implements [moderation.Fleet]. The book still names workers that were killed a moment ago, for whom no
// replacement is waited.
func (r *Reins) AwaitReboot(ctx context.Context, epoch chat.Snowflake, expected int) (done int, silent []string, err error) {
	tick := time.NewTicker(rebootEvery)
	defer tick.Stop()
	before, started := -1, time.Time{}
	var leftAt time.Time
	for {
		old, fresh, err := r.workers(ctx, epoch)
		if err == nil {
			done, silent = fresh, old
			if before < 0 {
				before, started = cmp.Or(expected, len(old)+fresh), time.Now()
			}
			if len(old) > 0 {
				leftAt = time.Time{}
			} else if leftAt.IsZero() {
				leftAt = time.Now()
			}
			if len(old) == 0 && (fresh >= before || time.Since(leftAt) > replacedWithin) && time.Since(started) >= rebootEvery {
				return done, nil, nil
			}
		}
		select {
		case <-ctx.Done():
			if before < 0 {
				return 0, nil, errors.Join(err, ctx.Err())
			}
			return done, silent, nil
		case <-tick.C:
		}
	}
}

// workers reads who lives: names of workers that began before an epoch, and how many began after it.
func (r *Reins) workers(ctx context.Context, epoch chat.Snowflake) (old []string, fresh int, err error) {
	ctx, cancel := context.WithTimeout(ctx, livingReadBound)
	defer cancel()
	living, err := r.bus.Living(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, l := range living {
		switch {
		case l.Service != control.Worker:
		case l.Epoch >= epoch:
			fresh++
		default:
			old = append(old, l.Instance)
		}
	}
	slices.Sort(old)
	return old, fresh, nil
}

// Waiting implements [moderation.Books].
func (r *Reins) Waiting(ctx context.Context, s control.Scope) (int, error) {
	return r.bus.Waiting(ctx, s)
}

// Budget implements [moderation.Books].
func (r *Reins) Budget(ctx context.Context, o control.Order) (control.BudgetReport, error) {
	report, err := r.bus.Budget(ctx, o)
	return report, noWorker(err)
}

func noWorker(err error) error {
	if errors.Is(err, bus.ErrNoWorker) {
		return moderation.ErrNoWorker
	}
	return err
}

// Forget implements [moderation.Books].
func (r *Reins) Forget(ctx context.Context, o control.Order) (control.Forgotten, error) {
	f, err := r.bus.Forget(ctx, o)
	return f, noWorker(err)
}

var (
	_ moderation.Claims = (*Reins)(nil)
	_ moderation.State  = (*Reins)(nil)
	_ moderation.Fleet  = (*Reins)(nil)
	_ moderation.Books  = (*Reins)(nil)
)
