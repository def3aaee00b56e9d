package answer_test

import (
	"context"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/core/memory"
)

// What a service needs, each a view of the world.

type stores world

func (s *stores) Answered(_ context.Context, q chat.Question) (chat.Answer, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (*world)(s).fails("answered") {
		return chat.Answer{}, false, errAway
	}
	a, ok := s.answers[q.ID]
	return a, ok, nil
}

func (s *stores) PublishAnswer(ctx context.Context, a chat.Answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fails := (*world)(s).fails("publish")
	if fails && !s.landed["publish"] {
		return errAway
	}
	if _, has := s.answers[a.Question]; has {
		return answer.ErrAnswered
	}
	s.answers[a.Question] = a
	if fails {
		return errAway
	}
	return nil
}

func (s *stores) Look(q chat.Question, answered bool) func(context.Context) (answer.Seen, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (*world)(s).fails("answered") {
		return func(context.Context) (answer.Seen, error) { return answer.Seen{}, errAway }
	}
	var seen answer.Seen
	if answered {
		seen.Answer, seen.Answered = s.answers[q.ID]
	}
	seen.Change, seen.Changed = s.changes[q.ID]
	seen.Memory = s.memory[q.User]
	return func(context.Context) (answer.Seen, error) { return seen, nil }
}

func (s *stores) Attempts(_ context.Context, q chat.Question) (answer.Attempts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts[q.ID], nil
}

func (s *stores) KeepAttempts(_ context.Context, q chat.Question, a answer.Attempts) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (*world)(s).fails("attempts") {
		return 0, errAway
	}
	if s.attempts[q.ID].Revision != a.Revision {
		return 0, answer.ErrTaken
	}
	a.Revision++
	s.attempts[q.ID] = a
	return a.Revision, nil
}

func (s *stores) Recall(_ context.Context, q chat.Question) (answer.Memory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recalled++
	return s.memory[q.User], nil
}

func (s *stores) Remember(_ context.Context, q chat.Question, seen answer.Memory, change func(memory.Document) memory.Document) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (*world)(s).fails("remember") {
		return errAway
	}
	if now := s.memory[q.User]; now.Revision != seen.Revision {
		seen = now
	}
	s.memory[q.User] = answer.Memory{Document: change(seen.Document), Revision: seen.Revision + 1}
	return nil
}

func (s *stores) Typing(chat.Question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.typed++
}

func (s *stores) Notify(_ context.Context, n chat.Notice, now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notified[n.Channel].After(now) {
		return false, nil
	}
	s.notified[n.Channel] = n.Until
	s.notices = append(s.notices, n)
	return true, nil
}

type letters world

func (l *letters) Keep(_ context.Context, d chat.DeadLetter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if (*world)(l).fails("letter") {
		return errAway
	}
	if _, has := l.answers[d.Question.ID]; has {
		l.t.Error("a dead letter after its answer: a crash between both would lose it")
	}
	l.letters = append(l.letters, d)
	return nil
}

func (l *letters) Forget(_ context.Context, q chat.QuestionID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgot = append(l.forgot, q)
	return nil
}

type state world

func (s *state) Stopped(chat.GuildID) bool { s.mu.Lock(); defer s.mu.Unlock(); return s.stopped }
func (s *state) DropBefore(chat.GuildID) chat.Snowflake {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropBefore
}
func (s *state) ForgetBefore(chat.GuildID) chat.Snowflake {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forgetBefore
}
func (s *state) Muted(_ chat.GuildID, u chat.UserID, _ time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return u == s.muted
}

type ledger world

func (l *ledger) Reserve(_ context.Context, r budget.Request) (budget.Grant, error) {
	l.mu.Lock()
	l.requests = append(l.requests, r)
	reserve := l.reserve
	l.mu.Unlock()
	return reserve(r)
}

func (l *ledger) Settle(_ context.Context, g budget.Grant, o budget.Outcome) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = append(l.settled, settlement{g.Lease, o.Kind, true, o})
	return nil
}

func (l *ledger) SettleLater(g budget.Grant, o budget.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = append(l.settled, settlement{g.Lease, o.Kind, false, o})
}

func (l *ledger) Changed() <-chan struct{} { l.mu.Lock(); defer l.mu.Unlock(); return l.changed }

func (l *ledger) Snapshot(context.Context) ([]budget.KeyView, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.views, nil
}

type model world

func (m *model) Complete(ctx context.Context, c answer.Call) (answer.Completion, error) {
	m.mu.Lock()
	m.calls = append(m.calls, c)
	complete := m.model
	m.mu.Unlock()
	return complete(ctx, c)
}

type journal world

func (j *journal) Called(r answer.CallReport) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.called = append(j.called, r)
}

func (j *journal) Ended(r answer.Report) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = append(j.ended, r)
}

func (j *journal) Buried(chat.DeadLetter) {}

func (j *journal) Deferred(_ chat.Question, why answer.Wait, _ time.Duration, _ error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.deferred = append(j.deferred, why)
}
