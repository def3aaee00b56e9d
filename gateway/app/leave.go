package app

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/edge/store"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// leaver removes the data of servers that the bot has left: waiting questions at once, the rest with the help of a
// worker. It keeps a list of the servers that the bot is in, so that one that was left in a downtime is found too, and
// a note of each that is still to be cleared, so that a restart goes on with it.
type leaver struct {
	bus     *bus.Bus
	log     zerolog.Logger
	dropped func(int)
	// shards tells how many shards there are, and bot who we are.
	shards func(context.Context) (int, error)
	bot    func() chat.UserID
	wake   chan struct{}

	mu       sync.Mutex
	gone     map[chat.GuildID]time.Time // when it was left
	here     map[chat.GuildID]bool
	sessions []session
	listed   map[chat.GuildID]bool // on the list already; of run alone
}

func newLeaver(b *bus.Bus, log zerolog.Logger, dropped func(int), shards func(context.Context) (int, error), bot func() chat.UserID) *leaver {
	return &leaver{bus: b, log: log, dropped: dropped, shards: shards, bot: bot, wake: make(chan struct{}, 1),
		gone: map[chat.GuildID]time.Time{}, here: map[chat.GuildID]bool{}, listed: map[chat.GuildID]bool{}}
}

// session is what a new session of a shard named, and when.
type session struct {
	inbound.Ready
	at time.Time
}

// namedWithin is how long a server may take to be told of after a session that did not name it.
const namedWithin = time.Minute

// due takes the sessions out of which servers should have come by now.
func (l *leaver) due(now time.Time) (due []session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions = slices.DeleteFunc(l.sessions, func(s session) bool {
		old := now.Sub(s.at) >= namedWithin
		if old {
			due = append(due, s)
		}
		return old
	})
	return due
}

// Keys in the bucket of what was seen.
const (
	listPrefix = "guild."
	notePrefix = "left."
)

// left, joined and session note what Discord tells; none blocks.
func (l *leaver) left(g chat.GuildID) {
	now := time.Now() // what is commanded after it belongs to another stay
	l.note(func() { l.gone[g] = now; delete(l.here, g) })
}
func (l *leaver) joined(g chat.GuildID) { l.note(func() { l.here[g] = true; delete(l.gone, g) }) }
func (l *leaver) session(ready inbound.Ready) {
	l.note(func() { l.sessions = append(l.sessions, session{ready, time.Now()}) })
}

func (l *leaver) note(f func()) {
	l.mu.Lock()
	f()
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// leaveEvery is how often what could not be cleared is tried again.
const leaveEvery = 30 * time.Second

// run does the work until ctx ends.
func (l *leaver) run(ctx context.Context) {
	tick := time.NewTicker(leaveEvery)
	defer tick.Stop()
	for {
		if err := l.once(ctx); err != nil && ctx.Err() == nil {
			l.log.Debug().Err(err).Msg("servers that were left are not cleared yet; trying again")
		}
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		case <-tick.C:
		}
	}
}

// once does what is noted. What fails stays noted.
func (l *leaver) once(ctx context.Context) error {
	sessions := l.due(time.Now())
	l.mu.Lock()
	gone, here := l.gone, l.here
	l.gone, l.here = map[chat.GuildID]time.Time{}, map[chat.GuildID]bool{}
	l.mu.Unlock()
	err := l.book(ctx, gone, here, sessions)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		for g, at := range gone {
			if _, again := l.gone[g]; !again && !l.here[g] {
				l.gone[g] = at
			}
		}
		for g := range here {
			if _, left := l.gone[g]; !left {
				l.here[g] = true
			}
		}
		l.sessions = append(sessions, l.sessions...)
		return err
	}
	return l.clear(ctx)
}

// book brings the list and the notes up to date.
func (l *leaver) book(ctx context.Context, gone map[chat.GuildID]time.Time, here map[chat.GuildID]bool, sessions []session) error {
	seen := l.bus.Seen()
	for g := range here {
		if l.listed[g] {
			continue
		}
		if err := seen.Put(ctx, listPrefix+string(g), time.Now().UTC()); err != nil {
			return err
		}
		if err := l.unnote(ctx, g); err != nil {
			return err
		}
		l.listed[g] = true
	}
	for _, s := range sessions {
		missing, err := l.missing(ctx, s)
		if err != nil {
			return err
		}
		for _, g := range missing {
			gone[g] = s.at
		}
	}
	for g, at := range gone {
		// The first to note it, of two gateways, is the nearest to when it was.
		if _, err := seen.Create(ctx, notePrefix+string(g), at.UTC(), 0); err != nil {
			return err
		}
		if err := seen.Delete(ctx, listPrefix+string(g)); err != nil {
			return err
		}
		delete(l.listed, g)
	}
	return nil
}

// unnote takes a note back: the bot was invited again before the server was cleared.
func (l *leaver) unnote(ctx context.Context, g chat.GuildID) error {
	var at time.Time
	_, noted, err := l.bus.Seen().Get(ctx, notePrefix+string(g), &at)
	if err != nil || !noted {
		return err
	}
	return l.bus.Seen().Delete(ctx, notePrefix+string(g))
}

// missing are the listed servers of a session's shard that Discord neither named nor told of.
func (l *leaver) missing(ctx context.Context, s session) ([]chat.GuildID, error) {
	total, err := l.shards(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := l.bus.Seen().Keys(ctx, listPrefix+"*")
	if err != nil {
		return nil, err
	}
	var out []chat.GuildID
	for _, k := range keys {
		g := chat.GuildID(strings.TrimPrefix(k, listPrefix))
		id, err := chat.ParseSnowflake(string(g))
		if err != nil || int(uint64(id)>>22%uint64(total)) != s.Shard || slices.Contains(s.Guilds, g) || l.listed[g] {
			continue // Discord, Gateway, "Sharding Formula"
		}
		var at time.Time
		_, ok, err := l.bus.Seen().Get(ctx, k, &at) // a deleted key is listed too
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, g)
		}
	}
	return out, nil
}

// clear removes the data of every server that is noted.
func (l *leaver) clear(ctx context.Context) error {
	keys, err := l.bus.Seen().Keys(ctx, notePrefix+"*")
	if err != nil {
		return err
	}
	for _, k := range keys {
		g := chat.GuildID(strings.TrimPrefix(k, notePrefix))
		var at time.Time
		if _, ok, err := l.bus.Seen().Get(ctx, k, &at); err != nil || !ok {
			if err != nil {
				return err
			}
			continue
		}
		if err := l.forget(ctx, g, at); err != nil {
			return err
		}
		if err := l.bus.Seen().Delete(ctx, k); err != nil {
			return err
		}
		l.log.Info().Str("guild", string(g)).Msg("the bot has left a server; its data is gone")
	}
	return nil
}

// forget removes what is older than the moment at which a server was left: the bot may be back already.
func (l *leaver) forget(ctx context.Context, g chat.GuildID, at time.Time) error {
	left := chat.SnowflakeAt(at)
	n, err := store.NewRecords(l.bus).DropWaiting(ctx, control.Scope(g), left)
	l.dropped(n)
	if err != nil {
		return err
	}
	_, err = l.bus.Forget(ctx, control.Order{
		Command: left, Verb: control.Leave, Scope: control.Scope(g), Origin: g, By: l.bot(), Ground: control.Self, At: at,
	})
	if err != nil {
		return err
	}
	return l.bus.ForgetGuild(ctx, g, left)
}
