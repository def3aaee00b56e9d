package app

import (
	"context"
	"sync"
	"time"

	"salamander.dev/gateway/internal/edge/discord"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/control"
)

// shareEvery is how often the gateways that live are counted; a gateway counts as the one that posts for postsFor after it
// was given an answer.
const (
	shareEvery = 5 * time.Second
	postsFor   = 15 * time.Second
)

// share divides Discord's global rate limit, which is the bot's and not the process's. One gateway at a time is given the
// answers to post, so that it needs most; the others have reads, signs of typing and commands.
type share struct {
	bus     *bus.Bus
	discord *discord.Client

	mu       sync.Mutex
	gateways int
	posted   time.Time
}

func newShare(b *bus.Bus, d *discord.Client) *share { return &share{bus: b, discord: d, gateways: 1} }

// posting notes that an answer came to be posted here.
func (s *share) posting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := time.Since(s.posted) > postsFor
	s.posted = time.Now()
	if fresh {
		s.applyLocked()
	}
}

func (s *share) applyLocked() {
	s.discord.SetGlobalRate(rateOf(s.gateways, time.Since(s.posted) <= postsFor))
}

// rateOf is what one of so many gateways may send in a second: four fifths for the one that posts, the rest for the others.
func rateOf(gateways int, posts bool) int {
	const most = discord.GlobalPerSecond * 4 / 5
	switch {
	case gateways <= 1:
		return discord.GlobalPerSecond
	case posts:
		return most
	}
	return max((discord.GlobalPerSecond-most)/(gateways-1), 1)
}

func (s *share) run(ctx context.Context) {
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	for {
		if living, err := s.bus.Living(ctx); err == nil { // else the last count holds
			n := 0
			for _, l := range living {
				if l.Service == control.Gateway {
					n++
				}
			}
			s.mu.Lock()
			s.gateways = max(n, 1)
			s.applyLocked()
			s.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
