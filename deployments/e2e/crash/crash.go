package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// runCrash has users ask while the schedule of the seed goes by, and judges.
func runCrash(ctx context.Context, c config) (ok bool, err error) {
	all, err := schedule(c.seed, c.length, c.only)
	if err != nil {
		return false, err
	}
	fmt.Printf("seed %d: %s at %.0f questions/s, %d channels, %d gateways, %d workers, %d troubles\n",
		c.seed, c.length, c.rate, c.channels, c.gateways, c.workers, len(all))
	s, err := start(ctx, c, &discordsim.Server{
		Seed: c.seed, KeepBodies: -1, KeepPosts: 1_000_000, Limits: discordsim.RateLimits{On: true}, HeartbeatInterval: 5 * time.Second,
		IdentifyEvery: 200 * time.Millisecond, SessionStarts: 100_000, SessionTTL: 20 * time.Second,
	}, &hfsim.Server{Reply: hfsim.Echo, Latency: hfsim.LogNormal(150*time.Millisecond, 0.6, 2*time.Second, c.seed), Seed: c.seed})
	if err != nil {
		return false, err
	}
	defer s.close()
	s.faults()
	trouble := newChaos(s)
	asking, stopAsking := context.WithTimeout(ctx, c.length)
	defer stopAsking()
	var busy sync.WaitGroup
	busy.Go(func() { trouble.run(asking, all) })
	err = s.ask(asking, changes)
	busy.Wait()
	if err != nil || ctx.Err() != nil {
		return false, fmt.Errorf("ask: %w", err)
	}
	if err := trouble.heal(ctx); err != nil {
		s.log.dump()
		return false, err
	}
	v := s.settled(ctx)
	b, n := s.Hugging.Books(), s.Discord.Counts()
	fmt.Printf("trouble: %v\n", trouble.counts)
	fmt.Printf("model calls %d; Discord answered 429 %d times, recognised %d nonces again; %d drains, the longest %s\n",
		b.Calls, n.Limited, n.Deduplicated, len(trouble.drains), longest(trouble.drains))
	fmt.Println(v)
	return s.tell(append(v.faults, trouble.errs...)), nil
}

func longest(all []time.Duration) (most time.Duration) {
	for _, d := range all {
		most = max(most, d)
	}
	return most.Round(time.Millisecond)
}

// faults has both services misbehave a little all the time.
func (s *suite) faults() {
	const post = "POST /channels/{channel}/messages"
	s.Discord.Inject(
		discordsim.Fault{Route: post, Status: 500, Rate: 0.01, Times: -1},
		discordsim.Fault{Route: post, Status: 503, HTML: true, Rate: 0.01, Times: -1},
		discordsim.Fault{Route: post, DropAfter: true, Rate: 0.02, Times: -1},
		discordsim.Fault{Route: post, DropBefore: true, Rate: 0.01, Times: -1},
		discordsim.Fault{Route: post, Status: 429, RetryAfter: 0.5, Rate: 0.01, Times: -1},
		discordsim.Fault{Route: post, Status: 429, RetryAfter: 0.3, Scope: "shared", Rate: 0.005, Times: -1},
		discordsim.Fault{Route: "GET ", Status: 502, Rate: 0.02, Times: -1},
	)
	s.Hugging.SetRates(map[hfsim.Kind]float64{
		hfsim.RateLimited: 0.01, hfsim.Internal: 0.02, hfsim.BadGateway: 0.01, hfsim.Unavailable: 0.01, hfsim.Hang: 0.005,
		hfsim.Reset: 0.01, hfsim.Truncated: 0.01, hfsim.Empty: 0.01, hfsim.ErrorIn200: 0.01, hfsim.BrokenJSON: 0.01,
		hfsim.NotUTF8: 0.005, hfsim.Huge: 0.002, hfsim.NoUsage: 0.01, hfsim.BadRequest: 0.005,
	}, s.seed)
}
