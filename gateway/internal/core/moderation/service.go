package moderation

import (
	"context"
	"errors"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// State is the desired state that every process obeys. Safe for concurrent use.
type State interface {
	// Apply writes the state after an order (control.Desired.Next) by compare-and-set. revision is the bucket's after
	// the write, or the current one when nothing changed. It waits for NATS until ctx ends.
	Apply(ctx context.Context, o control.Order) (before, after control.Desired, revision uint64, changed bool, err error)
	// Mute writes a mute, or lifts it for an unmute order.
	Mute(ctx context.Context, o control.Order) (revision uint64, err error)
	// Desired reads the state of one scope; a scope that nobody commanded has the zero value.
	Desired(ctx context.Context, s control.Scope) (control.Desired, error)
}

// Fleet asks every live process. Safe for concurrent use.
type Fleet interface {
	// Sync asks every live process, this one included, to reach a revision, and names those that did not answer.
	Sync(ctx context.Context, s control.Sync) (applied []control.Applied, silent []string, err error)
	// Status asks every live process how it is; Running counts the calls of the order's scope.
	Status(ctx context.Context, o control.Order) (applied []control.Applied, silent []string, err error)
	// AwaitReboot returns when every worker that lived before an epoch has left and those that live now began after it.
	// expected is how many workers answered the order, 0 when nobody knows. done counts those that began anew; silent
	// names workers that had not left when ctx ended, which is no error.
	AwaitReboot(ctx context.Context, epoch chat.Snowflake, expected int) (done int, silent []string, err error)
}

// ErrNoWorker says that no worker is alive to answer.
var ErrNoWorker = errors.New("no worker is running")

// Books are read for an answer. Budget and Forget are answered by a worker, or with [ErrNoWorker]. Safe for concurrent use.
type Books interface {
	// Waiting counts the open questions of a scope on the bus, those that run right now included.
	Waiting(ctx context.Context, s control.Scope) (int, error)
	// Budget reads every key's budget, for a status or budget order.
	Budget(ctx context.Context, o control.Order) (control.BudgetReport, error)
	// Forget deletes what is stored of the order's author in the order's channel.
	Forget(ctx context.Context, o control.Order) (control.Forgotten, error)
}

// Voice speaks in Discord. Text is data: nothing in it may ping (allowed_mentions is empty). Safe for concurrent use.
type Voice interface {
	// Reply answers a command: a reply to its message, or an edit of the deferred answer of a slash command. A message's
	// nonce is made of the command's id and the part, so that two gateways that say the same post it once.
	Reply(ctx context.Context, p Place, part Part, text string) error
	// Audit puts one line into AUDIT_CHANNEL_ID, with a nonce made of the command's id; without that setting it does
	// nothing.
	Audit(ctx context.Context, command chat.MessageID, line string) error
}

// Part tells the texts that may answer one command apart; for a slash command a later one replaces an earlier one.
type Part int

// The parts.
const (
	// Final is the answer.
	Final Part = iota
	// Progress says that a long command is under way.
	Progress
	// Trouble says that this gateway could not carry the command out. Its nonce differs from Final's, so that it can't
	// swallow the answer of another gateway that could.
	Trouble
)

// Config tunes a Service.
type Config struct {
	Rules Rules
	// Bot returns the bot's own id, empty as long as it isn't known. Default: never known.
	Bot func() chat.UserID
	// Within bounds everything that a command asks of NATS, except the wait for a reboot. Default 10 s.
	Within time.Duration
	// TellWithin bounds the answer to a command that had an effect, and its line in the audit channel: Discord may be in
	// trouble for a while. Once a drain has begun, Within is left. Default 2 min.
	TellWithin time.Duration
	// CountWithin bounds the count of waiting questions, which a stop must not wait for. Default 250 ms.
	CountWithin time.Duration
	// ProgressAfter is when a fleet-wide reboot says that it is under way. Default 30 s.
	ProgressAfter time.Duration
	// RebootWithin ends the wait for a fleet-wide reboot; a slash command can be answered for 15 minutes (Discord,
	// Receiving and Responding). Default 14 min.
	RebootWithin time.Duration
}

// Service carries commands out. It is safe for concurrent use.
type Service struct {
	claims Claims
	state  State
	fleet  Fleet
	books  Books
	voice  Voice
	cfg    Config
}

// New returns a Service; all five hands are required.
func New(claims Claims, state State, fleet Fleet, books Books, voice Voice, cfg Config) (*Service, error) {
	if claims == nil || state == nil || fleet == nil || books == nil || voice == nil {
		return nil, errors.New("moderation: a dependency is missing")
	}
	if cfg.Bot == nil {
		cfg.Bot = func() chat.UserID { return "" }
	}
	fallback := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	fallback(&cfg.Within, 10*time.Second)
	fallback(&cfg.TellWithin, 2*time.Minute)
	fallback(&cfg.CountWithin, 250*time.Millisecond)
	fallback(&cfg.ProgressAfter, 30*time.Second)
	fallback(&cfg.RebootWithin, 14*time.Minute)
	return &Service{claims: claims, state: state, fleet: fleet, books: books, voice: voice, cfg: cfg}, nil
}

// Report is what a command led to, and what is left to say of it.
type Report struct {
	// Audit is of a control command, also of a refused one, for the log; nil when there was none or another gateway
	// carried it out.
	Audit *Audit
	// Lost says that another gateway carries the command out, as long as it lives ([Service.Inherit]).
	Lost bool

	place Place
	part  Part
	text  string // empty: nothing is said
	// claimed says that others wait for the end of it; lasting that there was an effect, of which the asker is to hear
	// even if it takes minutes; listed that Audit goes to the audit channel.
	claimed, lasting, listed bool
}

// Handle carries one command out; [Service.Tell] answers it, which may take longer. The error is for the log: the report
// tells the asker in a sentence. A fleet-wide reboot takes minutes; everything else ends within Config.Within or so.
func (s *Service) Handle(ctx context.Context, call Call) (Report, error) {
	c, a, p := call.Command, call.Actor, call.Place
	if c.Name == Ignore {
		return Report{}, nil
	}
	if c.Name == Unknown {
		return s.hint(ctx, call)
	}
	if a.unheard() && c.Name != Forget {
		if p.Slash { // Discord shows a deferred answer that never comes as an error
			return s.say(ctx, call, "I was told to ignore you in this server.")
		}
		return Report{}, nil
	}
	ground, refusal := Authorize(a, c)
	if refusal != nil {
		audit := newAudit(call, ground)
		audit.Refused, audit.Effect = true, "refused: "+refusal.Reason
		if !p.Open {
			return Report{Audit: audit}, nil
		}
		r, err := s.say(ctx, call, refusal.Text)
		r.Audit = audit
		return r, err
	}
	if c.Problem != "" {
		if !p.Open && ground == control.Self {
			return Report{}, nil
		}
		return s.say(ctx, call, c.Problem)
	}
	if c.Name == Help {
		return s.say(ctx, call, help(a, c.Mark))
	}
	return s.control(ctx, call, ground)
}

// Tell answers a command, and puts its audit into the audit channel. When ctx ends, because the process drains, it goes on
// for Config.Within: the effect is there.
func (s *Service) Tell(ctx context.Context, r Report) error {
	if !r.claimed {
		return s.tell(ctx, r)
	}
	stop := s.keep(r.place)
	err := s.tell(ctx, r)
	stop()
	ending, cancel := s.detached(ctx, s.cfg.Within)
	defer cancel()
	return errors.Join(err, s.claims.Keep(ending, r.place.claim(), true))
}

func (s *Service) tell(ctx context.Context, r Report) error {
	if r.text == "" {
		return nil
	}
	long := s.cfg.Within
	if r.lasting {
		long = s.cfg.TellWithin
	}
	telling, cancel := s.detached(ctx, long)
	defer cancel()
	err := s.voice.Reply(telling, r.place, r.part, r.text)
	if r.listed {
		auditing, cancel := s.detached(ctx, long)
		defer cancel()
		err = errors.Join(err, s.voice.Audit(auditing, r.place.Command, r.Audit.Line()))
	}
	return err
}

// hint answers a word that is no command: with the command that it is close to, where the bot may speak, else not.
func (s *Service) hint(ctx context.Context, call Call) (Report, error) {
	c, p := call.Command, call.Place
	switch {
	case p.Slash:
		return s.say(ctx, call, "I don't know that command (any more); "+c.words(Help)+" shows those that I know.")
	case c.Near == Unknown || !p.Open || call.Actor.unheard():
		return Report{}, nil
	}
	_, refusal := Authorize(call.Actor, Command{Name: c.Near, Mark: c.Mark})
	if refusal != nil && call.Actor.Direct {
		return s.say(ctx, call, refusal.Text)
	}
	return s.say(ctx, call, "Did you mean "+c.words(c.Near)+"?")
}

// say reports a text that changes nothing. When no claim can be made, the nonce alone keeps two gateways from saying it
// twice.
func (s *Service) say(ctx context.Context, call Call, text string) (Report, error) {
	mine, err := s.claim(ctx, call, true)
	if err == nil && !mine {
		return Report{}, nil
	}
	return Report{place: call.Place, part: Final, text: text}, err
}
