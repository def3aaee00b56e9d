package app

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"salamander.dev/gateway/internal/core/lease"
	"salamander.dev/gateway/internal/edge/discord"
	"salamander.dev/gateway/internal/edge/store"
	"salamander.dev/shared/bus"
)

// shards decide which of the bot's shards this gateway runs: those that SHARD_IDS names; a sole shard always, whoever
// else runs it; else those that it has leases of (docs/adr/0005-shards.md).
type shards struct {
	app     *App
	count   atomic.Int64 // how many the bot has; 0: not known yet
	keeper  atomic.Pointer[lease.Keeper]
	keeping sync.WaitGroup
}

func newShards(a *App) *shards { return &shards{app: a} }

// begin starts the first shards; it is what discord.Client.RunShards wants. The leases are kept until ctx ends.
func (s *shards) begin(ctx context.Context) error {
	a := s.app
	total, err := s.choose(ctx)
	if err != nil {
		return err
	}
	s.count.Store(int64(total))
	if len(a.cfg.ShardIDs) > 0 || total == 1 {
		return a.discord.StartAll(ctx)
	}
	keeper, err := lease.New(store.NewLeases(a.bus, a.instance, total), a.discord, lease.Config{Owner: a.instance, Total: total})
	if err != nil {
		return err
	}
	s.keeper.Store(keeper)
	a.log.Info().Int("shards", total).Msg("shards are divided among the gateways")
	s.keeping.Go(func() {
		keeper.Run(ctx, func(err error) {
			a.log.Debug().Err(err).Msg("leases of shards could not be looked at; those that are held go on")
		})
	})
	return nil
}

// choose returns how many shards the bot has: SHARD_COUNT; else the number by which other gateways divide them already;
// else what Discord recommends.
func (s *shards) choose(ctx context.Context) (int, error) {
	a := s.app
	if a.cfg.ShardCount == 0 {
		switch total, err := store.SchemeInUse(ctx, a.bus); {
		case err != nil:
			a.log.Debug().Err(err).Msg("the number of shards in use could not be read")
		case total > 0:
			return total, nil
		}
	}
	return a.discord.ShardTotal(ctx)
}

// total is how many shards the bot has; an error before that is known.
func (s *shards) total(context.Context) (int, error) {
	if n := s.count.Load(); n > 0 {
		return int(n), nil
	}
	return 0, fmt.Errorf("the number of shards is not known yet")
}

// ready says what keeps the gateway from serving its shards, beside their sessions.
func (s *shards) ready() error {
	if k := s.keeper.Load(); k != nil {
		if why := k.Down(); why != "" {
			return fmt.Errorf("discord: %s", why)
		}
	}
	return nil
}

// wait returns when the leases were given up, after the end of begin's ctx.
func (s *shards) wait() { s.keeping.Wait() }

// gauge tells how many shards this gateway runs.
func (s *shards) gauge() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "salamander_shards", Help: "Shards of the bot whose session this gateway keeps.",
	}, func() float64 { return float64(s.app.discord.ShardsLive()) })
}

// identifyEvery is the least time between two IDENTIFYs of one concurrency key: Discord says 5 s; the way there varies.
const identifyEvery = 5500 * time.Millisecond

// gate spaces the IDENTIFYs of all gateways; while NATS is away, those of this one.
type gate struct {
	bus func() *bus.Bus // what is connected by the time of the first IDENTIFY
	own discord.IdentifyGate
}

func newGate(b func() *bus.Bus) gate { return gate{b, discord.NewIdentifyGate(identifyEvery)} }

// Wait implements [discord.IdentifyGate].
func (g gate) Wait(ctx context.Context, shard, maxConcurrency int) error {
	key := fmt.Sprintf("identify.%d", shard%max(maxConcurrency, 1))
	err := g.bus().Space(ctx, key, identifyEvery)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return g.own.Wait(ctx, shard, maxConcurrency)
}

var (
	_ lease.Sessions       = (*discord.Client)(nil)
	_ discord.IdentifyGate = gate{}
)
