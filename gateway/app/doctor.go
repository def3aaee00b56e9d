package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/config"
	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/edge/discord"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/doctor"
)

// Bounds of an examination.
const (
	askWithin   = 20 * time.Second
	listenUpTo  = 40 * time.Second // for sessions: an IDENTIFY may have to wait for those of other gateways
	guildsUpTo  = 5 * time.Second  // after a READY, for the servers that are looked for
	examineTick = 50 * time.Millisecond
)

// examine is `gateway doctor`. It opens sessions of its own for a moment, beside those of running gateways: only they
// tell which intents Discord grants and what the bot may do in a channel. It answers nobody.
func examine(ctx context.Context, environ map[string]string, stdout, _ io.Writer) error {
	cfg, err := config.Load(environ)
	if err != nil {
		return err
	}
	s := doctor.New(stdout)
	b, err := bus.Connect(busConfig(cfg.Common), zerolog.Nop())
	if err != nil {
		return err
	}
	defer b.Close()
	client, err := discord.New(discord.Config{Token: cfg.Token, BaseURL: cfg.BaseURL, Content: contentOf(cfg), ShardCount: cfg.ShardCount},
		discord.Deps{Log: zerolog.Nop(), Gate: newGate(func() *bus.Bus { return b })})
	if err != nil {
		return err
	}
	s.Well("settings", "%d chat channels, answers as %s", len(cfg.ChatChannels), cfg.Style)
	if examineToken(ctx, s, client) {
		p := &patient{cfg: cfg, client: client, ready: map[int]time.Time{}}
		p.examine(ctx, s)
	}
	s.NATS(ctx, b, cfg.NATSProvision)
	return s.Err()
}

func examineToken(ctx context.Context, s *doctor.Sheet, client *discord.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	me, err := client.Me(ctx)
	if err == nil {
		s.Well("token", "the bot is %s (%s)", me.Name, me.ID)
		return true
	}
	var refused *discord.APIError
	if errors.As(err, &refused) && refused.Advice() != "" {
		s.Ill("token", "%s", refused.Advice())
	} else {
		s.Ill("token", "Discord could not be asked; check DISCORD_BASE_URL and the way to it: %v", err)
	}
	return false
}

// patient is the bot while its sessions are looked at.
type patient struct {
	cfg    config.Config
	client *discord.Client

	mu      sync.Mutex
	ready   map[int]time.Time // when a shard's session was up
	servers int
}

// examine opens the shards that have the channels in question, at least one, and says what Discord told.
func (p *patient) examine(ctx context.Context, s *doctor.Sheet) {
	ctx, cancel := context.WithTimeout(ctx, listenUpTo)
	defer cancel()
	done, stop := context.WithCancel(ctx)
	defer stop()
	channels := p.channels()
	failed := make(chan error, 1)
	var shards []int
	go func() {
		failed <- p.client.RunShards(done, p.deliver, func(ctx context.Context) error {
			total, err := p.client.ShardTotal(ctx)
			if err != nil {
				return err
			}
			for _, id := range p.shardsOf(ctx, channels, total) {
				if err := p.client.StartShard(id, total); err != nil {
					return err
				}
				p.mu.Lock()
				shards = append(shards, id)
				p.mu.Unlock()
			}
			return nil
		})
	}()
	look := time.NewTicker(examineTick)
	defer look.Stop()
	for {
		select {
		case err := <-failed:
			p.report(s, channels, err)
			return
		case <-look.C:
		}
		p.mu.Lock()
		told := len(shards) > 0 && p.told(shards, channels)
		p.mu.Unlock()
		if told {
			p.report(s, channels, nil)
			stop()
			<-failed
			return
		}
	}
}

// told says whether all that is waited for is known, or has had its time.
func (p *patient) told(shards []int, channels map[chat.ChannelID]string) bool {
	last := time.Time{}
	for _, id := range shards {
		at, ok := p.ready[id]
		if !ok {
			return false
		}
		if at.After(last) {
			last = at
		}
	}
	if time.Since(last) > guildsUpTo {
		return true
	}
	for c := range channels {
		if _, known := p.client.BotPermissions(c); !known {
			return false
		}
	}
	return true
}

// channels are those of the settings, with what each is for.
func (p *patient) channels() map[chat.ChannelID]string {
	all := map[chat.ChannelID]string{}
	if p.cfg.AuditChannel != "" {
		all[p.cfg.AuditChannel] = "audit channel"
	}
	for _, c := range p.cfg.ChatChannels {
		all[c] = "chat channel"
	}
	return all
}

// shardsOf are the shards that tell of channels; the first where that is not known.
func (p *patient) shardsOf(ctx context.Context, channels map[chat.ChannelID]string, total int) []int {
	set := map[int]bool{0: len(channels) == 0 || total == 1}
	for c := range channels {
		if total == 1 {
			break
		}
		g, err := p.client.GuildOf(ctx, c)
		id, perr := chat.ParseSnowflake(string(g))
		if err != nil || perr != nil {
			set[0] = true
			continue
		}
		set[int(uint64(id)>>22%uint64(total))] = true // Discord, Gateway, "Sharding Formula"
	}
	var ids []int
	for id, want := range set {
		if want {
			ids = append(ids, id)
		}
	}
	return ids
}

func (p *patient) deliver(e inbound.Event) {
	if r, ok := e.(inbound.Ready); ok && !r.Resumed {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ready[r.Shard] = time.Now()
		p.servers += len(r.Guilds)
	}
}

// report says what was seen.
func (p *patient) report(s *doctor.Sheet, channels map[chat.ChannelID]string, err error) {
	var fatal *discord.FatalError
	p.mu.Lock()
	up, servers := len(p.ready) > 0, p.servers
	p.mu.Unlock()
	switch {
	case errors.As(err, &fatal):
		s.Ill("intents", "%s", fatal.Sentence)
		return
	case !up:
		_, why := p.client.Connected()
		s.Ill("session", "none came to life within %s: %s", listenUpTo, why)
		return
	case p.client.ContentDenied():
		s.Well("intents", "granted, but for Message Content: the bot answers mentions, replies and direct messages (chat channels would need it)")
	default:
		s.Well("intents", "all are granted")
	}
	s.Well("servers", "in %d of the shards that were looked at", servers)
	for _, c := range slices.Sorted(maps.Keys(channels)) {
		p.channel(s, c, channels[c])
	}
}

// channel says whether the bot may do its work in a channel.
func (p *patient) channel(s *doctor.Sheet, c chat.ChannelID, what string) {
	name := fmt.Sprintf("%s %s", what, c)
	have, known := p.client.BotPermissions(c)
	if !known {
		s.Ill(name, "Discord does not tell of it: check the id, and that the bot is in that server (`gateway invite`) and may see the channel (View Channel)")
		return
	}
	if missing := discord.MissingPermissions(have, discord.ReplyStyle(p.cfg.Style)); len(missing) > 0 {
		s.Ill(name, "missing: %s. Give the bot's role these in this channel, or invite it again (`gateway invite`).", strings.Join(missing, ", "))
		return
	}
	s.Well(name, "the bot may see it, read its history and answer")
}

// contentOf says how much the settings depend on Message Content.
func contentOf(cfg config.Config) discord.Content {
	if len(cfg.ChatChannels) > 0 {
		return discord.ContentNeeded
	}
	return discord.ContentWanted
}
