package discord

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/sim/discordsim"
)

func TestShards(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.IdentifyEvery = 300 * time.Millisecond
	b := newBot(t, &discordsim.Server{Shards: 4, MaxConcurrency: 2, IdentifyEvery: 50 * time.Millisecond}, cfg).start()
	b.wait("four sessions", func() bool { return b.sim.Counts().Connected == 4 })
	for _, c := range b.sim.Connections() {
		if c.Invalidated > 0 {
			t.Error("an IDENTIFY came too early")
		}
	}
	shards := map[int]bool{}
	for _, s := range b.sim.Sessions() {
		shards[s.Shard] = true
		if s.Count != 4 {
			t.Errorf("shard count %d", s.Count)
		}
	}
	if len(shards) != 4 {
		t.Errorf("shards: %v", shards)
	}
	for i := range 8 {
		g := b.sim.AddGuild(discordsim.Guild{Name: fmt.Sprint("g", i)})
		seen := expect(b, "server", func(s inbound.GuildSeen) bool { return s.Guild == guildID(g.ID) })
		if want := int(uint64(g.ID)>>22) % 4; seen.Shard != want {
			t.Errorf("server of shard %d came by %d", want, seen.Shard)
		}
	}
}

// Shards come and go at run time, as leases move between gateways.
func TestShardsByLease(t *testing.T) {
	t.Parallel()
	cfg := quick()
	b := newBot(t, &discordsim.Server{Shards: 2, MaxConcurrency: 2}, cfg)
	if err := b.StartShard(0, 2); !errors.Is(err, ErrNotRunning) {
		t.Errorf("before Run: %v", err)
	}
	other := b.twin()
	none := func(context.Context) error { return nil }
	b.begin, other.begin = none, none
	b.start()
	other.start()
	total, err := b.ShardTotal(b.ctx())
	if err != nil || total != 2 {
		t.Fatalf("total %d, %v", total, err)
	}
	start := func(who *bot, id int) {
		t.Helper()
		if err := who.StartShard(id, total); err != nil {
			t.Fatal(err)
		}
		who.wait("connected", func() bool { ok, _ := who.Connected(); return ok && who.ShardLive(id) })
	}
	start(b, 0)
	start(b, 1)
	start(b, 1) // twice is fine
	if err := b.StartShard(1, 3); err == nil {
		t.Error("a shard runs in two schemes")
	}
	if err := b.StartShard(2, 2); err == nil {
		t.Error("a shard beyond the total")
	}
	shard := int(uint64(b.w.Guild)>>22) % 2
	b.heard(b.say(b.w.Channel, b.w.User, "to the first"))
	b.StopShard(shard)
	b.StopShard(shard)
	b.wait("the session is closed", func() bool { return b.sim.Counts().Connected == 1 })
	if b.cache.place(parseID(b.w.Channel.String())).known {
		t.Error("servers of a stopped shard are remembered")
	}
	start(other, shard)
	other.heard(b.say(b.w.Channel, b.w.User, "to the second"))
	for _, m := range got[inbound.Message](b) {
		if m.Content == "to the second" {
			t.Error("the first still hears")
		}
	}
}

func TestSessionStartLimit(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{SessionStarts: 2}, quick())
	b.start()
	b.sim.InvalidateSessions(false)
	b.wait("the second start", func() bool { ok, _ := b.Connected(); return ok && b.sim.Counts().Identifies == 2 })
	b.info.mu.Lock()
	b.info.info.asked = time.Time{}
	b.info.mu.Unlock()
	b.sim.InvalidateSessions(false)
	b.wait("it waits", func() bool {
		b.info.mu.Lock()
		defer b.info.mu.Unlock()
		return b.info.info.startsLeft == 0 && b.info.info.asked.IsZero()
	})
	if n := b.sim.Counts().Identifies; n != 2 {
		t.Errorf("%d IDENTIFYs; one more would cost the token", n)
	}
}

func TestIdentifyGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewIdentifyGate(5 * time.Second)
		start := time.Now()
		var mu sync.Mutex
		at := map[int]time.Duration{}
		var all sync.WaitGroup
		for id := range 6 {
			all.Go(func() {
				if err := g.Wait(t.Context(), id, 2); err != nil {
					t.Error(err)
				}
				mu.Lock()
				at[id] = time.Since(start)
				mu.Unlock()
			})
			synctest.Wait()
		}
		all.Wait()
		for id, d := range at {
			if want := time.Duration(id/2) * 5 * time.Second; d != want {
				t.Errorf("shard %d after %s, want %s", id, d, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Wait(ctx, 0, 2); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// A core that does not keep up loses nothing: the queue's overflow is told as a lost session, which catch-up mends.
func TestOverflowIsTold(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.QueueSize = 8
	b := newBot(t, &discordsim.Server{}, cfg).start()
	expect(b, "server", func(inbound.GuildSeen) bool { return true })
	release := make(chan struct{})
	b.mu.Lock()
	b.hold = release
	b.mu.Unlock()
	for i := range 50 {
		b.say(b.w.Channel, b.w.User, fmt.Sprint(i))
	}
	last := b.say(b.w.Channel, b.w.User, "last")
	b.wait("all were received", func() bool {
		seen, _ := b.cache.seen(parseID(b.w.Guild.String()))
		return seen.Channels[0].LastMessage == messageID(last.ID)
	})
	b.mu.Lock()
	b.hold = nil
	b.mu.Unlock()
	close(release)
	again := expect(b, "ready again", func(r inbound.Ready) bool { return !r.Resumed && len(got[inbound.Ready](b)) == 2 })
	if len(again.Guilds) != 1 || again.Bot != userID(b.w.Bot) {
		t.Errorf("ready: %+v", again)
	}
	seen := expect(b, "server again", func(s inbound.GuildSeen) bool {
		return len(got[inbound.GuildSeen](b)) == 2 && s.Channels[0].LastMessage == messageID(last.ID)
	})
	if seen.Guild != guildID(b.w.Guild) {
		t.Errorf("seen: %+v", seen)
	}
	// What was delivered ends before the gap, without holes: catch-up begins there.
	for i, m := range got[inbound.Message](b) {
		if m.Content != fmt.Sprint(i) {
			t.Errorf("message %d is %q", i, m.Content)
		}
	}
	b.heard(b.say(b.w.Channel, b.w.User, "flows again"))
	if ok, _ := b.Connected(); !ok || b.sim.Counts().Resumes != 0 {
		t.Error("the connection suffered")
	}
}
