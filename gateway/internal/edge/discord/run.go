package discord

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"salamander.dev/gateway/internal/core/inbound"
)

// run is one call of Run.
type run struct {
	ctx     context.Context
	deliver func(inbound.Event)
	failed  chan error // fatal errors of shards

	mu     sync.Mutex // of what follows; a stopping run takes no more shards
	shards map[int]*shard
	begun  bool // the first shards are chosen, if any
	ended  bool
}

// ErrNotRunning says that shards can be started and stopped only while Run runs.
var ErrNotRunning = errors.New("discord: not running")

// Run connects the shards that the settings name (all, when they name none) and hands events over until ctx ends or
// Discord refuses the bot for good, which is a [*FatalError].
// deliver is called for one event of a shard at a time, in order; several shards call it at once. After ctx's end the
// sessions are closed (1000: Discord stops sending at once; a new process could not resume them), what was received is
// delivered, and Run returns nil when all goroutines are gone.
func (c *Client) Run(ctx context.Context, deliver func(inbound.Event)) error {
	return c.RunShards(ctx, deliver, c.StartAll)
}

// RunShards is Run with begin to start the first shards. Until it returns the bot does not count as connected; later
// StartShard and StopShard may be called at any time. An error of begin ends the run.
func (c *Client) RunShards(ctx context.Context, deliver func(inbound.Event), begin func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{ctx: ctx, deliver: deliver, failed: make(chan error, 1), shards: map[int]*shard{}}
	c.mu.Lock()
	if c.running != nil {
		c.mu.Unlock()
		return errors.New("discord: Run is running already")
	}
	c.running = r
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running = nil
	}()
	defer c.rest.Client.CloseIdleConnections()
	err := begin(ctx)
	if err == nil {
		r.mu.Lock()
		r.begun = true
		r.mu.Unlock()
		select {
		case <-ctx.Done():
		case err = <-r.failed:
		}
	}
	cancel()
	r.stopAll()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// StartAll starts the shards that the settings name, or all.
func (c *Client) StartAll(ctx context.Context) error {
	total, err := c.ShardTotal(ctx)
	if err != nil {
		return err
	}
	ids := c.cfg.ShardIDs
	for i := 0; len(c.cfg.ShardIDs) == 0 && i < total; i++ {
		ids = append(ids, i)
	}
	for _, id := range ids {
		if err := c.StartShard(id, total); err != nil {
			return err
		}
	}
	return nil
}

// ShardTotal returns how many shards the bot has: SHARD_COUNT, or what Discord recommends. It waits for Discord as
// long as ctx allows; a refused token is a [*FatalError].
func (c *Client) ShardTotal(ctx context.Context) (int, error) {
	if c.cfg.ShardCount > 0 {
		return c.cfg.ShardCount, nil
	}
	for attempt := 0; ; attempt++ {
		info, err := c.gateway(ctx)
		if err == nil {
			return info.shards, nil
		}
		if _, fatal := errors.AsType[*FatalError](err); fatal || ctx.Err() != nil {
			return 0, orDefault(context.Cause(ctx), err)
		}
		wait := c.reconnectWait(attempt)
		c.log.Warn().Err(err).Dur("retry", wait).Msg("Discord can't be reached")
		if !pause(ctx, wait, nil) {
			return 0, context.Cause(ctx)
		}
	}
}

// StartShard keeps a session for one of total shards until StopShard or the end of Run. A shard that runs already with
// the same total is left alone; with another total it is an error.
func (c *Client) StartShard(shardID, total int) error {
	if shardID < 0 || shardID >= total {
		return fmt.Errorf("discord: shard %d of %d", shardID, total)
	}
	r := c.current()
	if r == nil {
		return ErrNotRunning
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return ErrNotRunning
	}
	if old := r.shards[shardID]; old != nil {
		if old.total != total {
			return fmt.Errorf("discord: shard %d runs already as one of %d, not of %d", shardID, old.total, total)
		}
		return nil
	}
	r.shards[shardID] = c.newShard(r, shardID, total)
	r.shards[shardID].start(r)
	return nil
}

// StopShard ends a shard's session and waits until what it received is delivered, so it must not be called by deliver.
// Its servers are forgotten.
func (c *Client) StopShard(shardID int) {
	r := c.current()
	if r == nil {
		return
	}
	r.mu.Lock()
	sh := r.shards[shardID]
	delete(r.shards, shardID)
	r.mu.Unlock()
	if sh != nil {
		sh.stop()
		for _, g := range c.cache.ofShard(shardID) {
			c.cache.dropGuild(g)
		}
	}
}

// ShardLive says whether a shard has a live session here.
func (c *Client) ShardLive(shardID int) bool {
	r := c.current()
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	sh := r.shards[shardID]
	return sh != nil && sh.down() == ""
}

// ContentDenied says that Discord refused the Message Content intent, and that the bot goes on without.
func (c *Client) ContentDenied() bool { return c.contentDenied.Load() }

// ShardsLive is how many shards have a live session here.
func (c *Client) ShardsLive() int {
	r := c.current()
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, sh := range r.shards {
		if sh.down() == "" {
			n++
		}
	}
	return n
}

func (c *Client) current() *run {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

func (r *run) stopAll() {
	r.mu.Lock()
	r.ended = true
	list := make([]*shard, 0, len(r.shards))
	for _, sh := range r.shards {
		list = append(list, sh)
	}
	r.mu.Unlock()
	for _, sh := range list {
		sh.cancel()
	}
	for _, sh := range list {
		sh.stop()
	}
}

// Connected says whether every shard that should run has a live session, and if not, why.
func (c *Client) Connected() (bool, string) {
	r := c.current()
	if r == nil {
		return false, "discord: not running"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.begun {
		return false, "discord: Discord has not answered yet"
	}
	var down []string
	for id, sh := range r.shards {
		if why := sh.down(); why != "" {
			down = append(down, fmt.Sprintf("shard %d: %s", id, why))
		}
	}
	if len(down) == 0 {
		return true, ""
	}
	slices.Sort(down)
	return false, "discord: " + strings.Join(down, "; ")
}
