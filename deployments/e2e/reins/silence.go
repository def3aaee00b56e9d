package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
)

// hush is one time in which a server had to be silent: from the confirmation of the stop to the command that ended it.
type hush struct {
	town                     int
	stop, confirmed, started discordsim.ID
	startConfirmed           discordsim.ID
}

// moderated is how many servers are stopped and started; the rest are bystanders.
const moderated = servers / 2

// silence stops servers at random moments under load.
func (s *suite) silence(ctx context.Context) error {
	everywhere := append(upto(moderated), from(moderated)...)
	calm := s.crowd(s.rate, everywhere)
	if !sleep(ctx, 5*time.Second) {
		return ctx.Err()
	}
	lost, twice, before := s.answered(ctx, calm())
	if lost+twice > 0 {
		return errors.New("questions were lost or doubled before anything was stopped")
	}
	crowd := s.crowd(s.rate, everywhere)
	var mu sync.Mutex
	var all []hush
	var took []time.Duration
	var loops sync.WaitGroup
	var failed error
	for n := range moderated {
		loops.Go(func() {
			r := rand.New(rand.NewPCG(s.seed, uint64(n)))
			for range s.trials / moderated {
				h, d, err := s.trial(ctx, r, n)
				mu.Lock()
				if failed = errors.Join(failed, err); failed == nil {
					all, took = append(all, h), append(took, d)
				}
				ended := failed != nil
				mu.Unlock()
				if ended {
					return
				}
			}
		})
	}
	loops.Wait()
	asked := crowd()
	if failed != nil {
		return failed
	}
	bystanders := slices.DeleteFunc(asked, func(q question) bool { return q.town < moderated })
	lost, twice, during := s.answered(ctx, bystanders)
	late := s.judge(all)
	slices.Sort(took)
	fmt.Printf("silence: %d stops, from typed to silence everywhere p50 %s p99 %s max %s; posts after a confirmation: %d\n",
		len(took), at(took, .5), at(took, .99), at(took, 1), late)
	fmt.Printf("  bystanders: %d questions, lost %d, twice %d; answered in p50 %s p99 %s, before any stop p50 %s p99 %s\n",
		len(bystanders), lost, twice, at(during, .5), at(during, .99), at(before, .5), at(before, .99))
	return nil
}

// trial stops a server at a random moment with questions under way, and starts it again.
func (s *suite) trial(ctx context.Context, r *rand.Rand, n int) (h hush, took time.Duration, err error) {
	pause := func(most time.Duration) bool { return sleep(ctx, time.Duration(r.Int64N(int64(most)))) }
	t := s.towns[n]
	for range r.IntN(4) {
		if _, err := s.ask(r, n); err != nil {
			return h, 0, err
		}
	}
	if !pause(200 * time.Millisecond) {
		return h, 0, ctx.Err()
	}
	h.town = n
	var confirmation, start discordsim.Post
	if confirmation, h.stop, took, err = s.command(ctx, t.rooms[r.IntN(rooms)], t.owner, "$stop"); err != nil {
		return h, 0, err
	}
	if r.IntN(2) == 0 {
		if _, err := s.ask(r, n); err != nil {
			return h, 0, err
		}
	}
	if !pause(150 * time.Millisecond) {
		return h, 0, ctx.Err()
	}
	start, h.started, _, err = s.command(ctx, t.rooms[r.IntN(rooms)], t.owner, "$start")
	h.confirmed, h.startConfirmed = confirmation.ID, start.ID
	return h, took, err
}

// judge reads the books: what was posted in a server between a confirmation and the next start, and how often each
// command was answered.
func (s *suite) judge(all []hush) (late int) {
	posts := s.Discord.Posts()
	for _, p := range posts {
		for _, h := range all {
			if p.Guild == s.towns[h.town].id && p.ID > h.confirmed && p.ID < h.started {
				late++
				s.broken("%q was posted in server %d after the confirmation of %v", p.Content, h.town, h.stop)
			}
		}
	}
	for _, h := range all {
		for _, command := range []discordsim.ID{h.stop, h.started} {
			if n := s.Discord.ReplyCount(command); n != 1 {
				s.broken("command %v has %d answers", command, n)
			}
		}
	}
	return late
}

// afterRestarts kills NATS, starts it again and stops a server at the moment at which it can be reached.
func (s *suite) afterRestarts(ctx context.Context) error {
	crowd := s.crowd(s.rate, upto(servers))
	r := rand.New(rand.NewPCG(s.seed, 99))
	var all []hush
	var took []time.Duration
	for range s.restarts {
		s.Running(stack.NATS)[0].Kill()
		if !sleep(ctx, time.Duration(r.Int64N(int64(500*time.Millisecond)))) {
			return ctx.Err()
		}
		nats, err := s.Start(stack.NATS, nil)
		if err != nil {
			return err
		}
		if err := s.Ready(ctx, nats); err != nil {
			return err
		}
		h, d, err := s.trial(ctx, r, r.IntN(moderated))
		if err != nil {
			return err
		}
		all, took = append(all, h), append(took, d)
	}
	bystanders := slices.DeleteFunc(crowd(), func(q question) bool { return q.town < moderated })
	lost, twice, _ := s.answered(ctx, bystanders)
	late := s.judge(all)
	slices.Sort(took)
	fmt.Printf("right after a restart of NATS: %d stops, p50 %s max %s; posts after a confirmation: %d; bystanders lost %d, twice %d of %d\n",
		len(took), at(took, .5), at(took, 1), late, lost, twice, len(bystanders))
	return nil
}

// sleep waits; false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
