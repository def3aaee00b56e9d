package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/edge/store"
)

// stateChanged is called by the mirror, and must not block.
func (l *instance) stateChanged(control.Scope) {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// obey carries out changes of the desired state, also those that nobody told this process of.
func (l *instance) obey(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.changed:
		}
		l.obeyer.Obey(ctx, control.Fleet)
		if l.mirror.Desired(control.Fleet).Epoch > l.epoch {
			l.once.Do(func() { close(l.reboot) })
		}
	}
}

// entry is this process among the living.
func (l *instance) entry() control.Live {
	_, inflight := l.answers.Running(control.Fleet)
	return control.Live{
		Instance: l.name, Service: control.Worker, Started: l.started, Epoch: l.epoch, Revision: l.mirror.Revision(),
		Inflight: inflight, Limits: l.cfg.LimitTexts(),
	}
}

// errUnseen says that this worker's own entry can't be seen yet.
var errUnseen = errors.New("this worker is not in the book of the living yet")

// agree makes sure that no living worker holds other limits. This worker's settings are in the book before, so that of
// two that start at once at least one sees the other; and it looks again once it has said that it agreed, so that limits
// that were written in between are noticed.
func (l *instance) agree(ctx context.Context) error {
	if l.reborn { // it goes on with what held in its life before
		l.agreed.Store(true)
		return nil
	}
	living, err := l.bus.Living(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(living, func(x control.Live) bool { return x.Instance == l.name }) {
		return errUnseen
	}
	for range 2 {
		if err := l.ledger.EnsureLimits(ctx, l.others); err != nil {
			l.agreed.Store(false)
			return err
		}
		l.agreed.Store(true)
	}
	return nil
}

// others returns the workers that live, each as it is now: an entry stays for a while after a process was killed, so
// each is asked.
func (l *instance) others(ctx context.Context) ([]store.LiveWorker, error) {
	now := time.Now().UTC()
	applied, _, err := l.bus.Status(ctx, control.Order{
		// Nobody's command: a question between workers, in the form that every process answers.
		Command: chat.SnowflakeAt(now), Verb: control.Status, Scope: control.Fleet, Origin: "1", By: "1",
		Ground: control.Operator, At: now,
	})
	if err != nil {
		return nil, err
	}
	answered := map[string]control.Applied{}
	for _, a := range applied {
		answered[a.Instance] = a
	}
	living, err := l.bus.Living(ctx)
	if err != nil {
		return nil, err
	}
	var all []store.LiveWorker
	for _, x := range living {
		if x.Service != control.Worker || x.Instance == l.name {
			continue
		}
		if a, ok := answered[x.Instance]; ok {
			all = append(all, store.LiveWorker{Instance: x.Instance, Limits: x.Limits, Agreed: a.Agreed})
			continue
		}
		if err := l.gone(ctx, x); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// gone returns nil if a worker that did not answer is not connected any more, or has no key that this one has. One that
// is there and silent may hold limits: it must answer, or its entry must end, before this one may say which hold.
func (l *instance) gone(ctx context.Context, x control.Live) error {
	for _, key := range keyNames(l.cfg) {
		if _, has := x.Limits[key]; !has {
			continue
		}
		there, err := l.ledger.Listens(ctx, x.Instance, key)
		if err != nil {
			return err
		}
		if there {
			return fmt.Errorf("worker %s is there and does not answer, so which limits hold is not known", x.Instance)
		}
	}
	return nil
}

// rebootLease is held by the worker that leaves.
const rebootLease = "reboot"

// awaitTurn waits for a fleet-wide reboot and then for this worker's turn; false when ctx ended first.
func (l *instance) awaitTurn(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-l.reboot:
	}
	l.log.Info().Msg("a reboot was ordered; waiting for this worker's turn")
	for {
		held, err := l.bus.Acquire(ctx, rebootLease, l.name)
		if err == nil && held {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// keepTurn renews the lease until ctx ends.
func (l *instance) keepTurn(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(bus.LiveTTL / 3):
		}
		// A lease that got lost means that two workers leave at once: slower answers for a moment, nothing worse.
		_, _ = l.bus.Acquire(ctx, rebootLease, l.name)
	}
}

// release lets the next worker leave.
func (l *instance) release(work context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), time.Second)
	defer cancel()
	if err := l.bus.Release(ctx, rebootLease, l.name); err != nil {
		l.log.Warn().Err(err).Msg("the reboot lease was not given back; it ends by itself")
	}
}
