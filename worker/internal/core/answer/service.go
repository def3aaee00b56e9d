package answer

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/retry"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/core/memory"
	"salamander.dev/worker/internal/core/persona"
)

// Config is what is tunable.
type Config struct {
	// Persona answers. Required.
	Persona persona.Persona
	// Memory bounds conversations; the zero value remembers nothing.
	Memory memory.Limits
	// MaxTokens is the wished max_tokens of a call. Default 256.
	MaxTokens int
	// Timeout bounds one call. Default 60 s.
	Timeout time.Duration
	// Within is how long after it was asked a question may be answered. Default 15 min.
	Within time.Duration
	// Slots is how many questions are in hand at a time; a part of them may wait for budget inside. Default 8.
	Slots int
	// Price tells what a token costs, for receipts that are settled after a crash. Default: nothing.
	Price func() budget.Price
	// Model says what answers, with everything that a change of would change how prompts are counted: a count that was
	// remembered is believed only if it is of the same model and persona.
	Model string
	// Name tells this process's leases from those of others. Required.
	Name string
}

// Service ends questions. It is safe for concurrent use.
type Service struct {
	Deps
	cfg     Config
	running running
	scale   *scale
	bench   chan struct{} // places for those that wait for budget inside
	leases  serial
	scarce  atomic.Bool // the last wish for budget was denied
}

// New makes a service.
func New(deps Deps, cfg Config) (*Service, error) {
	switch {
	case deps.Answers == nil, deps.Records == nil, deps.Memories == nil, deps.Voice == nil, deps.Letters == nil,
		deps.State == nil, deps.Budget == nil, deps.Model == nil, deps.Journal == nil:
		return nil, errors.New("answer: a dependency is missing")
	case len(cfg.Persona.Problems()) > 0:
		return nil, errors.New("answer: the persona is not complete")
	case cfg.Name == "":
		return nil, errors.New("answer: the process has no name")
	}
	cfg.MaxTokens = or(cfg.MaxTokens, 256)
	cfg.Timeout = or(cfg.Timeout, 60*time.Second)
	cfg.Within = or(cfg.Within, 15*time.Minute)
	cfg.Slots = or(cfg.Slots, 8)
	if cfg.Price == nil {
		cfg.Price = func() budget.Price { return budget.Price{} }
	}
	return &Service{
		Deps: deps, cfg: cfg, scale: newScale(cfg.Persona, cfg.Model), bench: make(chan struct{}, max(cfg.Slots/2, 1)),
	}, nil
}

func or[T int | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Begin begins to read what is on record of a question and returns at once. answer ends the question, or says when it is
// to come again; it is called once at most, when it is the question's turn. When ctx ends, it returns soon.
func (s *Service) Begin(q chat.Question) (answer func(ctx context.Context) retry.Verdict) {
	// What is asked just now has no answer yet; if it has one after all, it has attempts too, which the count of the first
	// call finds, or needs no call, and then the answer that stands is found when another one is to be stored.
	fresh := time.Since(q.Asked) < freshFor
	early := s.Records.Look(q, !fresh)
	return func(ctx context.Context) retry.Verdict {
		r, ok := s.running.begin(ctx, q)
		if !ok {
			return retry.After(spread(takenPause)) // delivered again while it runs here
		}
		defer s.running.end(r)
		j := &job{Service: s, q: q, run: r, early: early, hasty: fresh, begun: time.Now()}
		defer j.stopTyping()
		return j.do(ctx)
	}
}

// Urgent says that a question needs no turn: it is dropped without a call.
func (s *Service) Urgent(q chat.Question) bool {
	_, unwanted := s.unwanted(q)
	return unwanted
}

// Malformed keeps what can't be read as a question.
func (s *Service) Malformed(ctx context.Context, l chat.DeadLetter) retry.Verdict {
	if err := s.Letters.Keep(ctx, l); err != nil {
		s.Journal.Deferred(l.Question, WaitStore, storePause, err)
		return retry.After(spread(storePause))
	}
	s.Journal.Buried(l)
	return retry.Done
}

// unwanted says whether moderators let the question go, and why.
func (s *Service) unwanted(q chat.Question) (reason string, yes bool) {
	switch {
	case q.Mark <= s.State.DropBefore(q.Guild):
		return ReasonOlder, true
	case s.State.Stopped(q.Guild):
		return ReasonStopped, true
	case s.State.Muted(q.Guild, q.User, time.Now()):
		return ReasonMuted, true
	}
	return "", false
}

// Obey ends the runs that nobody wants any more, as the state is now, and waits until they ended or ctx does.
func (s *Service) Obey(ctx context.Context) {
	ended := s.running.cancel(func(q chat.Question) (chat.Snowflake, bool) {
		_, yes := s.unwanted(q)
		return s.State.DropBefore(q.Guild), yes
	})
	for _, r := range ended {
		select {
		case <-r.ended:
		case <-ctx.Done():
			return
		}
	}
}

// Ended tells how many calls and how many waiting questions a command ended in this process.
func (s *Service) Ended(command chat.Snowflake) (cancelled, dropped int) {
	return s.running.ended(command)
}

// Running tells how many calls run in a scope and in all.
func (s *Service) Running(scope control.Scope) (in, all int) { return s.running.count(scope) }
