package discord

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/chat"
)

// shard keeps one session alive: it connects, resumes where it can, identifies anew where it must, and never for ever
// waits for discordgo. One goroutine supervises (run), one delivers (pump), and discordgo's read loop fills the queue.
type shard struct {
	client *Client
	id     int
	total  int
	log    zerolog.Logger
	queue  *queue
	reader *reader
	cancel context.CancelFunc

	supervised sync.WaitGroup // run
	deferring  sync.WaitGroup // slash commands being acknowledged
	pumped     chan struct{}  // closed when everything was delivered

	session      *discordgo.Session // the supervisor's; nil: the next connection identifies
	disconnected chan struct{}      // discordgo has let go of a connection of that session
	givenUp      *atomic.Bool       // that session is no longer heard
	content      bool               // that session asked for Message Content

	mu        sync.Mutex
	why       string      // why there is no live session; empty: there is
	since     time.Time   // the last READY, or what Discord told of one of its servers since
	came      time.Time   // when the last READY or RESUMED came
	untold    map[id]bool // servers of that READY that Discord did not tell of yet
	resumable bool        // the session has had its READY
	resumeURL string
	bot       inbound.Ready // the last READY, to tell again after a gap
	target    string        // the address that the next dial must go to
	told      string        // the address that the session was told last
	link      *link
}

func (c *Client) newShard(r *run, id, total int) *shard {
	sh := &shard{client: c, id: id, total: total, log: c.log.With().Int("shard", id).Logger(), queue: newQueue(c.cfg.QueueSize),
		pumped: make(chan struct{}), why: "connecting for the first time"}
	sh.reader = &reader{shard: id, total: total, cache: c.cache, push: sh.push, ready: sh.onReady, slash: sh.onInteraction, freed: sh.onPermissions}
	return sh
}

func (sh *shard) start(r *run) {
	ctx, cancel := context.WithCancel(r.ctx)
	sh.cancel = cancel
	sh.supervised.Add(1)
	go func() {
		defer sh.supervised.Done()
		if err := sh.run(ctx); err != nil {
			select {
			case r.failed <- err:
			default:
			}
		}
	}()
	go sh.pump(r.deliver)
}

// stop ends the shard and waits until what it received is delivered. Twice is fine.
func (sh *shard) stop() {
	sh.cancel()
	sh.supervised.Wait()
	sh.deferring.Wait()
	sh.queue.close()
	<-sh.pumped
}

// toldWithin is for how long Discord must have told of no server before a new session is ready without the rest: those that
// Discord itself can't reach are never told of.
const toldWithin = 2 * time.Second

// down says why the shard has no live session, or nothing. Before Discord told of its servers, a message can't be told
// from one that was missed.
func (sh *shard) down() string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.why == "" && len(sh.untold) > 0 && time.Since(sh.since) < toldWithin {
		return "Discord still tells of its servers"
	}
	return sh.why
}

func (sh *shard) setDown(why string) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.why = why
}

// push hands an event to the pump, or counts it when the core is too slow.
func (sh *shard) push(e inbound.Event) {
	ok, first := sh.queue.push(e)
	if ok {
		return
	}
	sh.client.metrics.dropped.Inc()
	if first {
		sh.log.Error().Int("queue", sh.client.cfg.QueueSize).
			Msg("events come faster than they are handled: what comes now is dropped and will be caught up from Discord")
	}
}

// pump delivers in order. After a gap it tells the state as after a lost session, so that the core catches up.
func (sh *shard) pump(deliver func(inbound.Event)) {
	defer close(sh.pumped)
	for e := range sh.queue.events {
		deliver(e)
		if dropped, was := sh.queue.mended(); was {
			sh.log.Warn().Uint64("dropped", dropped).Msg("the queue is empty again; catching up on what was dropped")
			sh.tellAgain(deliver)
		}
	}
}

func (sh *shard) tellAgain(deliver func(inbound.Event)) {
	guilds := sh.client.cache.ofShard(sh.id)
	sh.mu.Lock()
	ready := sh.bot
	sh.mu.Unlock()
	ready.Guilds = make([]chat.GuildID, 0, len(guilds))
	for _, g := range guilds {
		ready.Guilds = append(ready.Guilds, chat.GuildID(g.String()))
	}
	deliver(ready)
	for _, g := range guilds {
		if seen, ok := sh.client.cache.seen(g); ok {
			deliver(seen)
		}
	}
}

// onPermissions forgets what a server's channels refused.
func (sh *shard) onPermissions(guild id) {
	sh.client.guard.forget(func(ch chat.ChannelID) bool {
		at := sh.client.cache.place(parseID(string(ch)))
		return !at.known || at.guild == chat.GuildID(guild.String())
	})
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.untold[guild] {
		delete(sh.untold, guild)
		sh.since = time.Now()
	}
}

func (sh *shard) onReady(w *wireReady) {
	sh.client.knowApplication(w.Application.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.why, sh.resumable, sh.resumeURL = "", true, w.ResumeURL
	now := time.Now()
	sh.since, sh.came, sh.untold = now, now, make(map[id]bool, len(w.Guilds))
	for _, g := range w.Guilds {
		sh.untold[g.ID] = true
	}
	sh.bot = inbound.Ready{Shard: sh.id, Total: sh.total, Bot: chat.UserID(w.User.ID), BotName: w.User.name(nil)}
}

func (sh *shard) onResumed() {
	sh.mu.Lock()
	sh.why, sh.came = "", time.Now()
	ready := sh.bot
	sh.mu.Unlock()
	ready.Resumed = true
	sh.push(ready)
}

// handle is discordgo's only handler. It runs in its read loop and, during Open, under the session's lock.
func (sh *shard) handle(e *discordgo.Event) {
	if e.Type == "RESUMED" {
		sh.onResumed()
		return
	}
	if err := sh.reader.dispatch(strings.ToUpper(e.Type), json.RawMessage(e.RawData)); err != nil {
		sh.log.Warn().Str("event", e.Type).Err(err).Msg("an event of Discord's could not be read")
	}
}

// run keeps the session until ctx ends or Discord refuses it for good.
func (sh *shard) run(ctx context.Context) error {
	var setbacks setbacks
	for ctx.Err() == nil {
		began := time.Now()
		end, err := sh.connect(ctx)
		if err != nil {
			if _, fatal := errors.AsType[*FatalError](err); fatal {
				sh.setDown(err.Error())
				return err
			}
			end = &ending{kind: endNetwork, text: plain(err)}
		}
		if ctx.Err() != nil {
			break
		}
		sh.client.metrics.endings.WithLabelValues(end.kind.String()).Inc()
		came := sh.lastCame()
		wait, fatal := sh.judge(end, setbacks.ended(came.After(began), time.Since(came), 5*sh.client.cfg.backoffMin))
		if fatal != nil {
			sh.setDown(fatal.Error())
			return fatal
		}
		sh.setDown(end.text)
		line := sh.log.Warn()
		if end.kind == endReconnect { // routine
			line = sh.log.Info()
		}
		line.Str("reason", end.kind.String()).Str("detail", end.text).Bool("resume", sh.session != nil).Dur("wait", wait).
			Msg("connection to Discord ended; connecting again")
		pause(ctx, wait, nil)
	}
	sh.setDown("stopped")
	return nil
}

func (sh *shard) lastCame() time.Time {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.came
}

// judge decides what an ending means: whether the session can be resumed, how long to wait, and whether to give up.
func (sh *shard) judge(end *ending, fails int) (wait time.Duration, fatal error) {
	c := sh.client
	wait = c.reconnectWait(fails)
	switch end.kind {
	case endClosed:
		if end.code == 4014 && c.cfg.Content == ContentWanted && sh.content {
			if !c.contentDenied.Swap(true) {
				sh.log.Warn().Msg("Discord refuses the Message Content intent: the bot answers mentions and direct messages only, not unmentioned messages in its threads. Switch it on at " +
					portal + " > your application > Bot > Privileged Gateway Intents, and restart")
			}
			sh.forgetSession()
			return c.cfg.backoffMin, nil
		}
		if f := fatalFor(end.code, c.cfg.Content); f != nil {
			return 0, f
		}
		if end.code == 4003 || end.code == 4007 || end.code == 4009 { // a new session is needed
			sh.forgetSession()
		}
	case endInvalid:
		if !end.resumable {
			sh.forgetSession()
		}
		wait = max(wait, c.cfg.invalidWaitMin+rand.N(c.cfg.invalidWaitMax-c.cfg.invalidWaitMin+1))
	case endDead:
		if end.unanswered { // a RESUME that nobody answers would be sent for ever
			sh.forgetSession()
		}
	case endStuck:
		sh.forgetSession()
		c.metrics.abandoned.Inc()
	}
	if !sh.canResume() {
		sh.forgetSession()
	}
	return wait, nil
}

func (sh *shard) canResume() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.resumable
}

// forgetSession makes the next connection identify, with a new discordgo session: an old one can't be made to.
func (sh *shard) forgetSession() {
	sh.session = nil
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.resumable, sh.resumeURL = false, ""
}

// reconnectWait is the wait before a try: short after a session that lived, doubling with jitter after failures.
func (c *Client) reconnectWait(fails int) time.Duration {
	if fails <= 0 {
		return rand.N(c.cfg.backoffMin/2 + 1)
	}
	d := min(c.cfg.backoffMin<<min(fails-1, 16), c.cfg.backoffMax)
	return d/2 + rand.N(d/2+1)
}
