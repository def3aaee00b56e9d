package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// quiet is how long users ask before and after the restarts, for comparison.
const quiet = 15 * time.Second

// runRolling has users ask while every process is restarted by SIGTERM, one after another as a supervisor would do it:
// the next only when the one before is ready again. Nothing may show but the wait.
func runRolling(ctx context.Context, c config, rounds int) (ok bool, err error) {
	fmt.Printf("rolling restarts: %d rounds at %.0f questions/s, %d channels, %d gateways, %d workers\n", rounds, c.rate, c.channels, c.gateways, c.workers)
	s, err := start(ctx, c, &discordsim.Server{
		Seed: c.seed, KeepBodies: -1, KeepPosts: 1_000_000, Limits: discordsim.RateLimits{On: true},
		IdentifyEvery: 200 * time.Millisecond, SessionStarts: 100_000,
	}, &hfsim.Server{Reply: hfsim.Echo, Latency: hfsim.LogNormal(150*time.Millisecond, 0.6, 2*time.Second, c.seed), Seed: c.seed})
	if err != nil {
		return false, err
	}
	defer s.close()
	begin := time.Now()
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var busy sync.WaitGroup
	var failed error
	busy.Go(func() { failed = s.ask(asking, 0) })
	rest(ctx, quiet)
	trouble := newChaos(s)
	spans := map[stack.Role][][2]time.Time{}
	for range rounds {
		for _, role := range []stack.Role{stack.Worker, stack.Gateway, stack.NATS} {
			for _, p := range s.Running(role) {
				from := time.Now()
				trouble.drain(ctx, p)
				fresh, err := s.Start(role, nil)
				if err != nil {
					return false, err
				}
				if err := s.Ready(ctx, fresh); err != nil {
					s.log.dump()
					return false, err
				}
				spans[role] = append(spans[role], [2]time.Time{from, time.Now()})
				rest(ctx, time.Second)
			}
		}
	}
	restarted := time.Now()
	rest(ctx, quiet)
	stop()
	busy.Wait()
	if failed != nil || ctx.Err() != nil {
		return false, fmt.Errorf("ask: %w", failed)
	}
	v := s.settled(ctx)
	fmt.Println(v)
	posts, typing := s.Discord.Posts(), s.Discord.Typing(0)
	share := func(name string, in func(time.Time) bool) {
		var some []question
		for _, q := range s.asked {
			if in(q.at) {
				some = append(some, q)
			}
		}
		w := judge(some, posts, typing)
		fmt.Printf("%-28s %5d questions  p50 %8s  p99 %8s  max %8s\n", name, w.asked, w.at(0.5), w.at(0.99), w.at(1))
	}
	share("before", func(t time.Time) bool { return t.Before(begin.Add(quiet)) })
	for _, role := range []stack.Role{stack.Worker, stack.Gateway, stack.NATS} {
		share("while a "+string(role)+" restarted", func(t time.Time) bool {
			for _, span := range spans[role] {
				if t.After(span[0].Add(-time.Second)) && t.Before(span[1]) {
					return true
				}
			}
			return false
		})
	}
	share("all of the restarts", func(t time.Time) bool { return t.After(begin.Add(quiet)) && t.Before(restarted) })
	share("after", func(t time.Time) bool { return t.After(restarted) })
	fmt.Printf("%d drains, the longest %s\n", len(trouble.drains), longest(trouble.drains))
	return s.tell(append(v.faults, trouble.errs...)), nil
}
