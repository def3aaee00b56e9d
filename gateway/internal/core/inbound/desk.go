package inbound

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"salamander.dev/gateway/internal/core/lane"
	"salamander.dev/shared/chat"
)

// Deps are what a Desk needs; all are required.
type Deps struct {
	Queue    Queue
	Link     Link
	Counter  Counter
	Claims   Claims
	State    State
	Commands Commands
	Voice    Voice
	Watcher  Watcher
	History  History
	Book     Book
}

// Config tunes a Desk.
type Config struct {
	Audience Audience
	// Rate bounds the questions of one user. Required.
	Rate Rate
	// CatchUp is how old a missed message may be; 0 answers none.
	CatchUp time.Duration
	// Hold bounds the questions that are on their way to the queue, or wait here while it is away. Default 2000.
	Hold int
	// EditWithin is how long after it was said a change of a message that this process doesn't remember is told to the
	// workers. Default 1 h, which is more than any question should wait.
	EditWithin time.Duration
	// RetryMax bounds the wait between two tries to reach the queue. Default 500 ms.
	RetryMax time.Duration
	// SaveEvery is how often the marks that catch-up starts from are stored. Default 1 s.
	SaveEvery time.Duration
}

// laneKey is what keeps order: questions of one user in one channel.
type laneKey struct {
	channel chat.ChannelID
	user    chat.UserID
}

// Desk takes what was said and publishes what was asked. It is safe for concurrent use; events of one shard are to be
// handed over in their order, after Begin.
type Desk struct {
	d     Deps
	cfg   Config
	lanes *lane.Group[laneKey]
	known *recent
	told  *told
	marks *marks
	// previous is what was taken last of each user in each channel.
	previous previous

	mu     sync.Mutex
	bot    chat.UserID
	total  int // shards of the bot
	shards map[int]*session
	homes  map[chat.GuildID]int // which shard told of a server
	gates  map[chat.ChannelID]*gate

	catching sync.WaitGroup
	fetches  chan struct{}
	closing  chan struct{} // closed by Close
	close    sync.Once
}

// New makes a Desk.
func New(d Deps, cfg Config) (*Desk, error) {
	if d.Queue == nil || d.Link == nil || d.Counter == nil || d.Claims == nil || d.State == nil || d.Commands == nil ||
		d.Voice == nil || d.Watcher == nil || d.History == nil || d.Book == nil {
		return nil, errors.New("inbound: a dependency is missing")
	}
	if cfg.Rate.Questions < 1 || cfg.Rate.Window < time.Second {
		return nil, errors.New("inbound: a rate of at least one question and a window of at least a second is needed")
	}
	cfg.Hold = cmp.Or(cfg.Hold, 2000)
	cfg.EditWithin = cmp.Or(cfg.EditWithin, time.Hour)
	cfg.RetryMax = cmp.Or(cfg.RetryMax, 500*time.Millisecond)
	cfg.SaveEvery = cmp.Or(cfg.SaveEvery, time.Second)
	return &Desk{
		d: d, cfg: cfg, lanes: lane.New[laneKey](cfg.Hold), known: newRecent(maxRecent), told: newTold(), marks: newMarks(),
		shards: map[int]*session{}, homes: map[chat.GuildID]int{}, gates: map[chat.ChannelID]*gate{},
		fetches: make(chan struct{}, parallelFetches), closing: make(chan struct{}),
	}, nil
}

// Handle takes one event. It returns soon, except when the desk is full while the queue is there: then it waits, and
// what Discord sends waits behind it. ctx is that of the work, and ends what is still on its way when it ends.
func (d *Desk) Handle(ctx context.Context, e Event) {
	switch e := e.(type) {
	case Message:
		d.message(ctx, e)
	case Edited:
		d.edited(ctx, e.Message)
	case Deleted:
		d.deleted(ctx, e)
	case Ready:
		d.ready(ctx, e)
	case GuildSeen:
		d.guildSeen(ctx, e)
	}
}

// Held tells how many questions are on their way to the queue.
func (d *Desk) Held() int { return d.lanes.Len() }

// Close takes nothing more, and fetches nothing more of what was missed; Wait returns when everything that was taken over
// is handled or given up.
func (d *Desk) Close() {
	d.close.Do(func() { close(d.closing) })
	d.lanes.Close()
}

func (d *Desk) closed() bool {
	select {
	case <-d.closing:
		return true
	default:
		return false
	}
}

// pause waits; false when ctx ended or the desk closed first.
func (d *Desk) pause(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-d.closing:
	}
	return false
}

// Wait is described at Close.
func (d *Desk) Wait() {
	d.catching.Wait()
	d.lanes.Wait()
}

// message reads commands before anything else, and lets a message in unless missed ones of its channel go first.
func (d *Desk) message(ctx context.Context, m Message) {
	done := d.marks.begin(d.home(m.Guild), m)
	if d.command(ctx, m) {
		done(true)
		return
	}
	if !d.gated(m, func() { d.admit(ctx, m, done) }) {
		d.admit(ctx, m, done)
	}
}

// admit judges one message as far as that takes no round trip, and puts the rest into a lane. done is called when the
// message is handled.
func (d *Desk) admit(ctx context.Context, m Message, done func(handled bool)) {
	if !d.forBot(m) {
		d.ignore(m)
		done(true)
		return
	}
	q := d.question(m)
	if q.Text == "" {
		d.d.Watcher.Outcome(Empty, m)
		done(true)
		return
	}
	p := &pending{m: m, question: q, text: q.Text}
	key := laneKey{m.Channel, m.Author}
	if !d.known.add(m.ID, key, p) {
		done(false) // heard live and caught up on, or sent again by Discord: the other one is on its way or ended
		return
	}
	job := func() {
		if !d.take(ctx, p) {
			d.known.forget(m.ID)
			return
		}
		done(true)
		d.known.published(m.ID)
	}
	if d.lanes.Try(key, job) {
		return
	}
	if d.d.Link.Up() {
		_ = d.lanes.Go(ctx, key, job) // refused only at the end: then the mark stays and catch-up finds the message
		return
	}
	if d.closed() {
		return // the mark stays
	}
	d.refuse(m)
	done(true)
}

// command has a message carried out if it is a command.
func (d *Desk) command(ctx context.Context, m Message) bool {
	command, nothing := d.d.Commands.Take(ctx, m)
	if nothing {
		d.ignore(m)
	}
	return command
}

// forBot says whether a message asks something of the bot, and is young enough for an answer.
func (d *Desk) forBot(m Message) bool {
	return d.cfg.Audience.Includes(m) && (!m.CaughtUp || time.Since(m.ID.Snowflake().Time()) <= d.cfg.CatchUp)
}

// ignore counts a message of others that was heard and is no question.
func (d *Desk) ignore(m Message) {
	if !m.CaughtUp && !d.isBot(m.Author) {
		d.d.Watcher.Outcome(Ignored, m)
	}
}

func (d *Desk) isBot(u chat.UserID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return u == d.bot
}

// Bot is the bot's own user id, empty before the first session.
func (d *Desk) Bot() chat.UserID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bot
}
