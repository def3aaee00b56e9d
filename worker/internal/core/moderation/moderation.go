// Package moderation is the worker's side of the reins: it checks every order anew, as if the gateway had not, and
// carries out what concerns workers: to fall silent, to say how things are, to tell the budget, to forget.
//
// The desired state itself is read by the mirror; what this package adds is the effect on questions in hand, at once,
// and an answer that says what it was. It knows no NATS: see the interfaces.
package moderation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/budget"
)

// Mirror is this process's copy of the desired state.
type Mirror interface {
	// Reach reads what the order wrote, so that the copy is at least as new.
	Reach(ctx context.Context, o control.Order) error
	// Revision is the newest revision that the copy reached.
	Revision() uint64
}

// Runs are the questions in hand.
type Runs interface {
	// Obey ends those that nobody wants any more and waits until they ended or ctx does.
	Obey(ctx context.Context)
	// Ended tells what a command ended here.
	Ended(command chat.Snowflake) (cancelled, dropped int)
	// Running counts model calls in a scope and in all.
	Running(scope control.Scope) (in, all int)
}

// Held are questions that wait in this process for an older one of the same user.
type Held interface {
	// Wake has those of a scope looked at again.
	Wake(scope control.Scope)
	// Held tells how many there are.
	Held() int
}

// Books tell the budget.
type Books interface {
	Snapshot(ctx context.Context) ([]budget.KeyView, error)
}

// Archive is what is stored about people.
type Archive interface {
	// Forget deletes the memory of a user in a channel, their answers that were posted, and their dead letters.
	Forget(ctx context.Context, g chat.GuildID, c chat.ChannelID, u chat.UserID, command chat.Snowflake) (control.Forgotten, error)
	// ForgetGuild deletes all of a server that the bot has left.
	ForgetGuild(ctx context.Context, g chat.GuildID) (control.Forgotten, error)
}

// Config says who this process is.
type Config struct {
	Instance string
	Started  time.Time
	// Epoch is the fleet's reboot epoch that was read at the start.
	Epoch chat.Snowflake
	// Settle bounds the wait for calls that were ended. Default 1 s.
	Settle time.Duration
	// Agreed says whether this process holds the limits in the budget's documents. Default never.
	Agreed func() bool
	// Spell writes a limit of a key as its settings do. Default: in one form for all.
	Spell func(key string, l budget.Limit) string
	// Refused is told of orders without effect; nil: nobody.
	Refused func(control.Order, error)
}

// Service obeys. It is safe for concurrent use.
type Service struct {
	mirror  Mirror
	runs    Runs
	held    Held
	books   Books
	archive Archive
	cfg     Config
}

// New makes a service.
func New(mirror Mirror, runs Runs, held Held, books Books, archive Archive, cfg Config) (*Service, error) {
	if mirror == nil || runs == nil || held == nil || books == nil || archive == nil {
		return nil, errors.New("moderation: a dependency is missing")
	}
	if cfg.Settle <= 0 {
		cfg.Settle = time.Second
	}
	if cfg.Agreed == nil {
		cfg.Agreed = func() bool { return false }
	}
	if cfg.Spell == nil {
		cfg.Spell = func(_ string, l budget.Limit) string { return l.String() }
	}
	if cfg.Refused == nil {
		cfg.Refused = func(control.Order, error) {}
	}
	return &Service{mirror: mirror, runs: runs, held: held, books: books, archive: archive, cfg: cfg}, nil
}

// Sync reaches the order's revision and carries it out on what is in hand.
func (s *Service) Sync(ctx context.Context, q control.Sync) control.Applied {
	if err := s.check(q.Order, control.Stop, control.Start, control.Reboot, control.Mute, control.Unmute); err != nil {
		return s.applied(q.Order, err)
	}
	if err := s.mirror.Reach(ctx, q.Order); err != nil {
		a := s.applied(q.Order, nil)
		a.Error = "the desired state can't be read: " + err.Error()
		return a
	}
	s.Obey(ctx, q.Order.Scope)
	return s.applied(q.Order, nil)
}

// Obey ends what nobody wants any more in a scope, as the desired state is now. It is also called when the state changed
// without a word to this process.
func (s *Service) Obey(ctx context.Context, scope control.Scope) {
	s.held.Wake(scope)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Settle)
	defer cancel()
	s.runs.Obey(ctx)
}

// Status says how this process is.
func (s *Service) Status(_ context.Context, o control.Order) control.Applied {
	return s.applied(o, s.check(o, control.Status))
}

// applied describes this process. An order that was refused gets no figures.
func (s *Service) applied(o control.Order, refused error) control.Applied {
	a := control.Applied{
		Instance: s.cfg.Instance, Service: control.Worker, Revision: s.mirror.Revision(), Started: s.cfg.Started,
		Epoch: s.cfg.Epoch,
	}
	if refused != nil {
		a.Error = refused.Error()
		return a
	}
	a.Cancelled, a.Dropped = s.runs.Ended(o.Command)
	a.Running, a.RunningTotal = s.runs.Running(o.Scope)
	a.Held, a.Agreed = s.held.Held(), s.cfg.Agreed()
	return a
}

// Budget tells every key's budget.
func (s *Service) Budget(ctx context.Context, o control.Order) (control.BudgetReport, error) {
	if err := s.check(o, control.Budget, control.Status); err != nil {
		return control.BudgetReport{}, err
	}
	views, err := s.books.Snapshot(ctx)
	if err != nil {
		return control.BudgetReport{}, err
	}
	return Report(views, time.Now().UTC(), s.cfg.Spell), nil
}

// Forget deletes what is stored of a person, or of a server that the bot has left.
func (s *Service) Forget(ctx context.Context, o control.Order) (control.Forgotten, error) {
	if err := s.check(o, control.Forget, control.Leave); err != nil {
		return control.Forgotten{}, err
	}
	if o.Verb == control.Leave {
		return s.archive.ForgetGuild(ctx, o.Origin)
	}
	if o.Channel == "" {
		err := fmt.Errorf("%w: malformed: the channel is missing", control.ErrRefused)
		s.cfg.Refused(o, err)
		return control.Forgotten{}, err
	}
	return s.archive.Forget(ctx, o.Origin, o.Channel, o.By, o.Command)
}

// check refuses what may have no effect.
func (s *Service) check(o control.Order, verbs ...control.Verb) error {
	err := o.Validate()
	if err == nil {
		err = fmt.Errorf("%w: %q came to the wrong place", control.ErrRefused, o.Verb)
		for _, v := range verbs {
			if o.Verb == v {
				return nil
			}
		}
	}
	s.cfg.Refused(o, err)
	return err
}
