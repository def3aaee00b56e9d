package outbound

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"salamander.dev/shared/chat"
)

// Signs shows "is typing" in a channel, for ten seconds. Safe for concurrent use.
type Signs interface {
	Typing(ctx context.Context, c chat.ChannelID) error
}

// Claims let one of several gateways do what all of them would. Safe for concurrent use.
type Claims interface {
	// Claim is create-only: true for the first who claims a name, until ttl has passed.
	Claim(ctx context.Context, name string, ttl time.Duration) (bool, error)
}

// TypingConfig tunes a Typist.
type TypingConfig struct {
	// Every is the least time between two signs in a channel, over all gateways. Default 8 s (CONTRACT 3).
	Every time.Duration
	// Waiting is how long a question that waits is typed for. Default 30 s.
	Waiting time.Duration
	// Running is how long a running question is typed for after the worker's last word, which comes every 5 s.
	// Default 11 s.
	Running time.Duration
}

// maxTyping bounds the channels that are typed in at the same time.
const maxTyping = 5000

// callWithin bounds what one sign may take.
const callWithin = 5 * time.Second

// Typist shows typing in channels with open questions. It is safe for concurrent use.
type Typist struct {
	signs   Signs
	claims  Claims
	records Records
	state   State
	cfg     TypingConfig
	ended   *ended

	mu       sync.Mutex
	channels map[chat.ChannelID]*typed
	closed   bool
	busy     sync.WaitGroup
	life     context.Context // of signs under way
	end      context.CancelFunc
}

// typed is one channel in which questions are open, or were a moment ago.
type typed struct {
	guild chat.GuildID
	open  map[chat.QuestionID]time.Time // until when
	next  time.Time                     // of the earliest next sign
	timer *time.Timer
	busy  bool
	other time.Time // when another gateway was found to have shown the sign
}

// NewTypist makes a Typist; everything but the fields of cfg is required.
func NewTypist(signs Signs, claims Claims, records Records, state State, cfg TypingConfig) (*Typist, error) {
	if signs == nil || claims == nil || records == nil || state == nil {
		return nil, errors.New("outbound: a dependency of the typist is missing")
	}
	cfg.Every = cmp.Or(cfg.Every, 8*time.Second)
	cfg.Waiting = cmp.Or(cfg.Waiting, 30*time.Second)
	cfg.Running = cmp.Or(cfg.Running, 11*time.Second)
	t := &Typist{signs: signs, claims: claims, records: records, state: state, cfg: cfg, ended: newEnded(), channels: map[chat.ChannelID]*typed{}}
	t.life, t.end = context.WithCancel(context.Background())
	return t, nil
}

// Waiting shows typing for a question that was just taken.
func (t *Typist) Waiting(g chat.GuildID, c chat.ChannelID, q chat.QuestionID) {
	t.open(g, c, q, t.cfg.Waiting)
}

// Running shows typing for a question that a worker says it works on.
func (t *Typist) Running(g chat.GuildID, c chat.ChannelID, q chat.QuestionID) {
	t.open(g, c, q, t.cfg.Running)
}

func (t *Typist) open(g chat.GuildID, c chat.ChannelID, q chat.QuestionID, d time.Duration) {
	if t.ended.is(q) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.channels[c]
	if t.closed || (x == nil && len(t.channels) >= maxTyping) {
		return
	}
	if x == nil {
		x = &typed{guild: g, open: map[chat.QuestionID]time.Time{}}
		t.channels[c] = x
	}
	if until := time.Now().Add(d); until.After(x.open[q]) {
		x.open[q] = until
	}
	t.schedule(c, x)
}

// Finish ends the typing for a question.
func (t *Typist) Finish(c chat.ChannelID, q chat.QuestionID) {
	t.ended.add(q)
	t.mu.Lock()
	defer t.mu.Unlock()
	if x := t.channels[c]; x != nil {
		delete(x.open, q)
	}
}

// Close shows nothing any more and ends what is under way.
func (t *Typist) Close() {
	t.end()
	t.mu.Lock()
	t.closed = true
	for _, x := range t.channels {
		if x.timer != nil {
			x.timer.Stop()
		}
	}
	clear(t.channels)
	t.mu.Unlock()
	t.busy.Wait()
}

// schedule sets the channel's timer to its next sign; t.mu is held.
func (t *Typist) schedule(c chat.ChannelID, x *typed) {
	if x.busy || x.timer != nil || t.closed {
		return
	}
	x.timer = time.AfterFunc(max(time.Until(x.next), 0), func() { t.fire(c, x) })
}

// fire shows a sign if a question is still open, and forgets the channel if none is.
func (t *Typist) fire(c chat.ChannelID, x *typed) {
	t.mu.Lock()
	x.timer = nil
	if t.closed {
		t.mu.Unlock()
		return
	}
	now := time.Now()
	var open []chat.QuestionID
	for q, until := range x.open {
		if now.Before(until) {
			open = append(open, q)
		} else {
			delete(x.open, q)
		}
	}
	if len(open) == 0 {
		delete(t.channels, c)
		t.mu.Unlock()
		return
	}
	x.busy = true
	t.busy.Add(1)
	t.mu.Unlock()
	defer t.busy.Done()
	wait, other := t.sign(c, x.guild, open, time.Since(x.other) < 2*t.cfg.Every)
	t.mu.Lock()
	defer t.mu.Unlock()
	if other {
		x.other = time.Now()
	}
	x.busy, x.next = false, time.Now().Add(wait)
	t.schedule(c, x)
}

// settling is how long after its claim another gateway's sign may have reached Discord.
const settling = 300 * time.Millisecond

// sign shows typing once, and says how long to wait before the next time, and whether another gateway's sign still holds.
// after says that the last one was another gateway's.
func (t *Typist) sign(c chat.ChannelID, g chat.GuildID, open []chat.QuestionID, after bool) (wait time.Duration, other bool) {
	ctx, cancel := context.WithTimeout(t.life, callWithin)
	defer cancel()
	if t.state.Stopped(g) || !t.anyOpen(ctx, c, open) {
		return time.Second, false
	}
	asked := time.Now()
	mine, err := t.claims.Claim(ctx, "typing."+string(c), t.cfg.Every)
	switch {
	case err != nil:
		return t.cfg.Every, false // nobody knows what the others do: rather silent than twice
	case !mine:
		return time.Second, true
	case after:
		time.Sleep(settling)
	}
	held := time.Since(asked) > time.Second // a frozen process: the claim may be another's soon
	if held || t.state.Stopped(g) {
		return t.cfg.Every, false
	}
	_ = t.signs.Typing(ctx, c) // a nicety: what it can't show, it doesn't
	return t.cfg.Every, false
}

// anyOpen asks the records, since another gateway may have posted the answers.
func (t *Typist) anyOpen(ctx context.Context, c chat.ChannelID, open []chat.QuestionID) bool {
	for _, q := range open {
		if t.ended.is(q) {
			continue
		}
		if r, err := t.records.Posted(ctx, q); err == nil && !r.Done && len(r.Parts) == 0 {
			return true
		} else if err == nil && r.Done {
			t.Finish(c, q)
		}
	}
	return false
}
