package outbound

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"salamander.dev/gateway/internal/core/lane"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/retry"
)

// Config tunes a Poster.
type Config struct {
	Style Style
	// InHand bounds the answers that wait or are posted here. Default 4096.
	InHand int
	// RecheckAfter is how old an answer may be before the bot looks for its own earlier post of it: nonces are believed
	// for that long ("the past few minutes", Discord, Create Message). Default 60 s.
	RecheckAfter time.Duration
	// AfterWithin bounds the wait for the answer before this one, as long as that is among the answers. Default 10 min;
	// AfterEvery is how often it is looked for. Default 50 ms.
	AfterWithin, AfterEvery time.Duration
	// TryWithin bounds one post with its waits for rate limits. Default 30 s.
	TryWithin time.Duration
	// RetryMin and RetryMax bound the wait between two tries. Default 250 ms and 15 s.
	RetryMin, RetryMax time.Duration
}

// laneKey is what keeps order: answers to one user in one channel.
type laneKey struct {
	channel chat.ChannelID
	user    chat.UserID
}

// Poster posts answers and notices. It is safe for concurrent use.
type Poster struct {
	discord Discord
	records Records
	state   State
	titles  *Titles
	typist  *Typist
	watcher Watcher
	cfg     Config

	lanes   *lane.Group[laneKey]
	parked  sync.WaitGroup // answers that wait for the one before them
	closed  atomic.Bool
	closing chan struct{}
	turns   turns
	flights flights
	hands   hands
	ended   *ended

	mu   sync.Mutex
	gone map[chat.ChannelID]struct{}
	left map[chat.GuildID]struct{}
}

// New makes a Poster; everything but Config's fields is required.
func New(discord Discord, records Records, state State, titles *Titles, typist *Typist, watcher Watcher, cfg Config) (*Poster, error) {
	if discord == nil || records == nil || state == nil || titles == nil || typist == nil || watcher == nil {
		return nil, errors.New("outbound: a dependency is missing")
	}
	cfg.Style = cmp.Or(cfg.Style, StyleReply)
	cfg.InHand = cmp.Or(cfg.InHand, 4096)
	cfg.RecheckAfter = cmp.Or(cfg.RecheckAfter, time.Minute)
	cfg.AfterWithin, cfg.AfterEvery = cmp.Or(cfg.AfterWithin, 10*time.Minute), cmp.Or(cfg.AfterEvery, 50*time.Millisecond)
	cfg.TryWithin = cmp.Or(cfg.TryWithin, 30*time.Second)
	cfg.RetryMin, cfg.RetryMax = cmp.Or(cfg.RetryMin, 250*time.Millisecond), cmp.Or(cfg.RetryMax, 15*time.Second)
	return &Poster{
		discord: discord, records: records, state: state, titles: titles, typist: typist, watcher: watcher, cfg: cfg,
		lanes: lane.New[laneKey](cfg.InHand), ended: typist.ended, closing: make(chan struct{}),
		gone: map[chat.ChannelID]struct{}{}, left: map[chat.GuildID]struct{}{},
	}, nil
}

// Accept takes a delivery over and settles it some time. It waits while too many are in hand. When ctx ends, what was
// not posted yet is handed back.
func (p *Poster) Accept(ctx context.Context, d Delivery) {
	key := laneKey{}
	job := func() { d.Settle(retry.Done) }
	switch {
	case d.Answer != nil:
		key = laneKey{d.Answer.Channel, d.Answer.User}
		since := d.Stored
		if d.Answer.Reason == chat.ReasonFull {
			since = d.Answer.Message.Snowflake().Time() // a gateway may have said so then
		}
		x := &posting{Poster: p, a: *d.Answer, sure: since, fresh: d.Fresh}
		if x.a.Kind != chat.Dropped { // which is never posted
			p.hands.add(x)
		}
		settle := d.Settle
		d.Settle = func(v retry.Verdict) { p.hands.remove(x); settle(v) }
		x.settle = d.Settle
		job = func() { x.answer(ctx) }
	case d.Notice != nil:
		key = laneKey{d.Notice.Channel, d.Notice.User}
		job = func() { p.notice(ctx, d, *d.Notice) }
	}
	if p.lanes.Go(ctx, key, job) != nil {
		d.Settle(retry.After(0))
	}
}

// InHand tells how many deliveries wait or are posted here.
func (p *Poster) InHand() int { return p.lanes.Len() }

// Close takes nothing more, hands back what waits and lets what is being posted go on to its end; Wait returns when
// everything in hand is settled.
func (p *Poster) Close() {
	if p.closed.CompareAndSwap(false, true) {
		close(p.closing)
		p.lanes.Close()
	}
}

// Wait is described at Close.
func (p *Poster) Wait() {
	p.lanes.Wait() // first: a job may park its answer, a parked one finds the lanes closed
	p.parked.Wait()
}

// Halt returns when nothing more of a stopped scope can appear: the state says so already, what waits is dropped, and
// what was on the wire has landed; an error says that something has not when ctx ends. It returns how many answers the
// command keeps from being posted, or the rest of them.
func (p *Poster) Halt(ctx context.Context, scope control.Scope, command chat.Snowflake) (stopped int, err error) {
	err = p.flights.halt(ctx, scope)
	in, away, _, ended := p.hands.count(scope, command)
	return in - away + ended, err
}

// Open tells how many answers of a scope, and of all, wait or are being posted.
func (p *Poster) Open(scope control.Scope) (in, all int) {
	in, _, all, _ = p.hands.count(scope, 0)
	return in, all
}

// maxGone bounds the lost channels that are remembered; beyond it Discord itself refuses.
const maxGone = 10_000

// ChannelGone drops what is still to be posted in a channel; ChannelSeen takes that back.
func (p *Poster) ChannelGone(c chat.ChannelID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.gone) < maxGone {
		p.gone[c] = struct{}{}
	}
}

// ChannelSeen is described at ChannelGone.
func (p *Poster) ChannelSeen(c chat.ChannelID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.gone, c)
}

// GuildGone drops what is still to be posted in a server; GuildSeen takes that back.
func (p *Poster) GuildGone(g chat.GuildID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.left) < maxGone {
		p.left[g] = struct{}{}
	}
}

// GuildSeen is described at GuildGone.
func (p *Poster) GuildSeen(g chat.GuildID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.left, g)
}

// Reasons why something is dropped.
const (
	reasonStopped = "stopped"
	reasonBefore  = "dropped_before"
	reasonMuted   = "muted"
	reasonChannel = "channel_gone"
	reasonGuild   = "server_gone"
	reasonHidden  = "no_access" // to the channel, or to its server
	reasonWorker  = "worker"
	reasonOld     = "outdated"
)

// unwanted says why an answer must not be posted, if so.
func (p *Poster) unwanted(a chat.Answer) string {
	p.mu.Lock()
	_, channel := p.gone[a.Channel]
	_, guild := p.left[a.Guild]
	p.mu.Unlock()
	switch s := p.state; {
	case guild:
		return reasonGuild
	case channel:
		return reasonChannel
	case s.Stopped(a.Guild):
		return reasonStopped
	case a.Mark != 0 && a.Mark <= s.DropBefore(a.Guild):
		return reasonBefore
	case a.Guild != chat.DM && s.Muted(a.Guild, a.User, time.Now()):
		return reasonMuted
	}
	return ""
}

// turns let one answer at a time post its parts in a channel, in the order of arrival.
type turns struct {
	mu sync.Mutex
	by map[chat.ChannelID]*turn
}

type turn struct {
	token chan struct{}
	users int
}

// take waits for a channel's turn; give ends it. A nil give means that ctx ended.
func (t *turns) take(ctx context.Context, c chat.ChannelID) (give func()) {
	t.mu.Lock()
	if t.by == nil {
		t.by = map[chat.ChannelID]*turn{}
	}
	x := t.by[c]
	if x == nil {
		x = &turn{token: make(chan struct{}, 1)}
		t.by[c] = x
	}
	x.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if x.users--; x.users == 0 {
			delete(t.by, c)
		}
	}
	select {
	case x.token <- struct{}{}:
		return func() { <-x.token; leave() }
	case <-ctx.Done():
		leave()
		return nil
	}
}
