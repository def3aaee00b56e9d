package inbound

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"salamander.dev/shared/chat"
)

// History reads what was said. Safe for concurrent use.
type History interface {
	// MessagesAfter returns up to limit messages that are younger than after, oldest first, with CaughtUp set. It may
	// return some and an error, and one that is [Passing] when the same call may succeed later.
	MessagesAfter(ctx context.Context, c chat.ChannelID, after chat.MessageID, limit int) ([]Message, error)
}

// Bounds of one catch-up.
const (
	parallelFetches   = 4
	maxFetched        = 500         // messages of one channel at a time
	maxDirectChannels = 500         // direct-message channels, those heard last first
	guildsWithin      = time.Minute // how long a new session waits for its servers before the mark goes on
)

// Passing is an error that tells whether it passes by itself.
type Passing interface {
	error
	Passing() bool
}

// overlap is how far before the mark a catch-up looks: messages of one shard reach us only roughly in the order of
// their ids. What was answered already is not answered again.
const overlap = chat.Snowflake(5000 << 22)

// session is what a shard must catch up on since it connected anew.
type session struct {
	after   chat.Snowflake
	began   time.Time
	unnamed bool                    // Discord did not name the servers: those that come soon belong to the session
	missing map[chat.GuildID]func() // servers that are not caught up on yet, and what lets the mark go on
	unseen  map[chat.GuildID]bool   // servers that were not told of yet
}

// home is the shard that a server's messages come by; direct messages come by the first one (Discord, Gateway,
// "Sharding").
func (d *Desk) home(g chat.GuildID) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.homes[g]
}

// ready begins a session. After a resumed one nothing was missed.
func (d *Desk) ready(ctx context.Context, r Ready) {
	d.mu.Lock()
	d.bot, d.total = cmp.Or(r.Bot, d.bot), max(r.Total, 1)
	for _, g := range r.Guilds {
		d.homes[g] = r.Shard
	}
	d.mu.Unlock()
	if r.Resumed {
		return
	}
	after, ok := d.since(ctx, r.Shard)
	if !ok {
		return
	}
	began := r.Received
	if began.IsZero() {
		began = time.Now()
	}
	s := &session{
		after: after, began: began, unnamed: len(r.Guilds) == 0, missing: map[chat.GuildID]func(){}, unseen: map[chat.GuildID]bool{},
	}
	guilds := r.Guilds
	if r.Shard == 0 {
		guilds = append(slices.Clone(guilds), chat.DM)
	}
	for _, g := range guilds {
		s.missing[g], s.unseen[g] = sync.OnceFunc(d.marks.hold(r.Shard, after+1)), true
	}
	d.mu.Lock()
	old := d.shards[r.Shard]
	d.shards[r.Shard] = s
	d.mu.Unlock()
	old.release()
	time.AfterFunc(guildsWithin, func() { d.giveUp(s) })
	if r.Shard == 0 {
		d.catchDirects(ctx, s)
	}
}

// release lets the mark go on, whatever is still missing. The zero session has nothing to release.
func (s *session) release() {
	if s == nil {
		return
	}
	for _, f := range s.missing {
		f()
	}
}

// giveUp lets the mark go on for servers that were never told of: Discord has them, but can't reach them.
func (d *Desk) giveUp(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for g := range s.unseen {
		s.missing[g]()
	}
}

// since is the snowflake after which a new session of a shard may have missed messages; false when there is nothing to
// catch up on. A process that doesn't know its own mark yet waits for the book as long as ctx allows.
func (d *Desk) since(ctx context.Context, shard int) (chat.Snowflake, bool) {
	mark, known := d.marks.now(shard)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, d.cfg.RetryMax) {
		stored, err := d.stored(ctx, shard)
		if err == nil {
			d.marks.start(shard, stored)
			if known {
				stored.Upto = max(stored.Upto, mark.Upto)
			}
			mark = stored
			break
		}
		if known {
			break
		}
		if !pause(ctx, wait) || d.d.Link.Await(ctx) != nil {
			return 0, false
		}
	}
	if d.cfg.CatchUp <= 0 {
		return 0, false
	}
	return max(mark.From, mark.Upto-min(mark.Upto, overlap), d.oldest()), true
}

// shardKey is where a shard's mark is kept. Which servers a shard has depends on how many shards there are.
func (d *Desk) shardKey(shard int) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := "shard." + strconv.Itoa(shard)
	if d.total > 1 {
		key += ".of." + strconv.Itoa(d.total)
	}
	return key
}

// startKey is the mark of the bot's very first start.
const startKey = "start"

// Begin is called before anything is heard. The very first start leaves a mark: nothing from before is anybody's
// question.
func (d *Desk) Begin(ctx context.Context) error {
	_, found, err := d.d.Book.Mark(ctx, startKey)
	if err != nil || found {
		return err
	}
	now := chat.SnowflakeAt(time.Now())
	return d.d.Book.SetMark(ctx, startKey, Mark{Upto: now, From: now})
}

// stored reads a shard's mark; one that has none yet has missed everything since the very first start.
func (d *Desk) stored(ctx context.Context, shard int) (Mark, error) {
	m, found, err := d.d.Book.Mark(ctx, d.shardKey(shard))
	if err == nil && !found {
		m, _, err = d.d.Book.Mark(ctx, startKey)
	}
	return m, err
}

// oldest is the snowflake of the oldest message that is worth an answer.
func (d *Desk) oldest() chat.Snowflake { return chat.SnowflakeAt(time.Now().Add(-d.cfg.CatchUp)) }

// guildSeen compares a server's channels with what was seen and fetches what was missed. A server that the session did
// not begin with is a new one: nothing was missed there.
func (d *Desk) guildSeen(ctx context.Context, g GuildSeen) {
	d.mu.Lock()
	d.homes[g.Guild] = g.Shard
	s := d.shards[g.Shard]
	var told func()
	if s != nil {
		told = s.missing[g.Guild]
		if told == nil && s.unnamed && time.Since(s.began) < guildsWithin {
			told = func() {}
		}
	}
	d.mu.Unlock()
	if told == nil {
		return
	}
	now := chat.MessageID(chat.SnowflakeAt(time.Now()).String())
	var list []SeenChannel
	for _, c := range g.Channels {
		if c.LastMessage == "" && d.cfg.Audience.Everything(g.Guild, c.ID, c.Parent, c.BotThread) {
			c.LastMessage = now // it is not told, and every message there is for the bot: looking is the only way to know
		}
		if c.LastMessage.Snowflake() > s.after {
			list = append(list, c)
		}
	}
	everything := func(c SeenChannel) int {
		if d.cfg.Audience.Everything(g.Guild, c.ID, c.Parent, c.BotThread) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b SeenChannel) int { return everything(a) - everything(b) })
	one := countdown(len(list), told)
	for _, c := range list {
		d.catchUp(ctx, g.Guild, c, s.began, s.after, c.LastMessage.Snowflake(), one)
	}
	d.seen(ctx, s, g.Guild)
}

// countdown returns a function whose n-th call calls f; for none it is called at once.
func countdown(n int, f func()) func() {
	if n == 0 {
		f()
	}
	var left atomic.Int64
	left.Store(int64(n))
	return func() {
		if left.Add(-1) == 0 {
			f()
		}
	}
}

// catchDirects looks into the direct-message channels that the bot has seen before: no event tells of them.
func (d *Desk) catchDirects(ctx context.Context, s *session) {
	upto := chat.SnowflakeAt(time.Now().Add(maxSkew)) // our clock may be behind Discord's
	d.catching.Go(func() {
		directs, ok := d.directs(ctx)
		if !ok {
			return
		}
		type direct struct {
			c    chat.ChannelID
			mark chat.Snowflake
		}
		var list []direct
		for c, mark := range directs {
			list = append(list, direct{c, mark})
		}
		slices.SortFunc(list, func(a, b direct) int { return cmp.Compare(b.mark, a.mark) })
		list = list[:min(len(list), maxDirectChannels)]
		one := countdown(len(list), s.missing[chat.DM])
		for _, x := range list {
			d.catchUp(ctx, chat.DM, SeenChannel{ID: x.c}, s.began, max(x.mark, s.after, d.oldest()), upto, one)
		}
		d.seen(ctx, s, chat.DM)
	})
}

// directs reads the book as long as it takes; false when the desk closed or ctx ended first.
func (d *Desk) directs(ctx context.Context) (map[chat.ChannelID]chat.Snowflake, bool) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, d.cfg.RetryMax) {
		all, err := d.d.Book.Directs(ctx)
		if err == nil {
			return all, true
		}
		if !d.pause(ctx, wait) || d.d.Link.Await(ctx) != nil {
			return nil, false
		}
	}
}

// Run stores the marks until ctx ends; Save stores them once more at the very end.
func (d *Desk) Run(ctx context.Context) {
	tick := time.NewTicker(d.cfg.SaveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = d.Save(ctx) // the next one tells; a lower mark costs only look-ups
		}
	}
}

// Save stores the marks that went on.
func (d *Desk) Save(ctx context.Context) error {
	if !d.d.Link.Up() {
		return nil
	}
	shards, directs := d.marks.unsaved()
	for shard, m := range shards {
		if err := d.d.Book.SetMark(ctx, d.shardKey(shard), m); err != nil {
			return err
		}
		d.marks.saved(shard, m)
	}
	for c, id := range directs {
		if err := d.d.Book.SetMark(ctx, "dm."+string(c), Mark{Upto: id}); err != nil {
			for c, id := range directs { // a stored one is stored once more
				d.marks.direct(c, id)
			}
			return err
		}
	}
	return nil
}
