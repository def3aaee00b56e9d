package moderation

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Claims let two gateways that see the same command act once. Safe for concurrent use.
type Claims interface {
	// Claim makes a name one's own: one that nobody has (since 0), or whose owner was not heard of since a mark; false
	// says that somebody else has it. What is done is never taken over. It waits for NATS until ctx ends.
	Claim(ctx context.Context, name string, since uint64, done bool) (bool, error)
	// Keep says that the owner of a claim lives, or that the command is done.
	Keep(ctx context.Context, name string, done bool) error
	// Look reads a claim: a mark, which changes whenever it is kept, and whether the command is done.
	Look(ctx context.Context, name string) (mark uint64, done bool, err error)
}

// How often a gateway says that it is still at a command, how often another one looks, and how long there must be no
// word before that one takes the command over. Most commands are done before either.
const (
	keepEvery = time.Second
	lookEvery = time.Second
	silentFor = 4 * time.Second
)

func (p Place) claim() string { return "command." + string(p.Command) }

// claim makes a command this gateway's. One that is done with what is said at once is not taken over.
func (s *Service) claim(ctx context.Context, call Call, done bool) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Within/2) // so that who types hears soon that it failed
	defer cancel()
	mine, err := s.claims.Claim(ctx, call.Place.claim(), call.Since, done)
	if err != nil {
		return false, fmt.Errorf("claim command %s: %w", call.Place.Command, err)
	}
	return mine, nil
}

// keep lets others know that this gateway is still at a command, until stop is called.
func (s *Service) keep(p Place) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var gone sync.WaitGroup
	gone.Go(func() {
		tick := time.NewTicker(keepEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = s.claims.Keep(ctx, p.claim(), false) // tried again soon; at worst it is carried out twice, to the same effect
			}
		}
	})
	return func() { cancel(); gone.Wait() }
}

// Inherit waits for the end of a command that another gateway has. It is true when that one died before; what is then to
// be carried out is the call that is returned. Every effect and every post has the command's id and so happens once, even
// if the other gateway was only slow.
func (s *Service) Inherit(ctx context.Context, call Call) (Call, bool) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var mark uint64
	heard, since := time.Now(), time.Now() // when the owner was last heard of, and since when it is known to be silent
	for {
		select {
		case <-ctx.Done():
			return call, false
		case <-tick.C:
		}
		looking, cancel := context.WithTimeout(ctx, s.cfg.Within)
		now, done, err := s.claims.Look(looking, call.Place.claim())
		cancel()
		switch {
		case err != nil: // then the owner can't be heard either
			since = time.Now()
		case done:
			return call, false
		case now != mark:
			mark, heard, since = now, time.Now(), time.Now()
		case time.Since(since) >= silentFor:
			call.Since = mark
			return call, true
		}
		if time.Since(heard) > s.cfg.TellWithin { // NATS is away for so long that nobody waits for it any more
			return call, false
		}
	}
}
