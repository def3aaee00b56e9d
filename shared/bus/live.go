package bus

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"salamander.dev/shared/control"
)

// Announce keeps the process's entry in the book of the living until ctx ends, then removes it. entry is asked anew
// for every renewal.
func (b *Bus) Announce(ctx context.Context, entry func() control.Live) {
	tick := time.NewTicker(LiveTTL / 3)
	defer tick.Stop()
	back := make(chan struct{}, 1)
	b.OnReturn(func() { poke(back) })
	for {
		l := entry()
		if err := b.live().Put(ctx, liveKey(l), l); err != nil && ctx.Err() == nil {
			b.log.Debug().Err(err).Msg("the entry among the living was not renewed; trying again")
		}
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = b.live().Delete(end, liveKey(l)) // else it ends by itself after LiveTTL
			return
		case <-tick.C:
		case <-back:
		}
	}
}

func liveKey(l control.Live) string { return string(l.Service) + "." + Token(l.Instance) }

// Living reads the book: every process that renewed its entry within LiveTTL.
func (b *Bus) Living(ctx context.Context) ([]control.Live, error) {
	keys, err := b.live().Keys(ctx, ">")
	if err != nil {
		return nil, err
	}
	entries, errs := make([]control.Live, len(keys)), make([]error, len(keys))
	var reads sync.WaitGroup // at once, since a stop waits for the list
	for i, k := range keys {
		reads.Go(func() { _, _, errs[i] = b.live().Get(ctx, k, &entries[i]) })
	}
	reads.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(entries, func(l control.Live) bool { return l.Instance == "" }) // gone meanwhile
	slices.SortFunc(all, func(x, y control.Live) int { return strings.Compare(x.Instance, y.Instance) })
	return all, nil
}

// Acquire takes a lease, or renews the one that owner holds; it ends LiveTTL after the last renewal. held is false
// while somebody else has it.
func (b *Bus) Acquire(ctx context.Context, name, owner string) (held bool, err error) {
	var who string
	revision, ok, err := b.Lease().Get(ctx, name, &who)
	if err != nil {
		return false, err
	}
	if ok && who != owner {
		return false, nil
	}
	if !ok && revision == 0 {
		return b.Lease().Create(ctx, name, owner, 0)
	}
	_, err = b.Lease().Update(ctx, name, owner, revision)
	if errors.Is(err, ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// Release gives a lease back, if owner still holds it.
func (b *Bus) Release(ctx context.Context, name, owner string) error {
	var who string
	_, ok, err := b.Lease().Get(ctx, name, &who)
	if err != nil || !ok || who != owner {
		return err
	}
	return b.Lease().Delete(ctx, name)
}
