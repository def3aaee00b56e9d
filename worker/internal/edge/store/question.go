package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/answer"
)

// Questions is what the workers store about questions: their answers, changes, attempts, notices and dead letters.
type Questions struct{ bus *bus.Bus }

var (
	_ answer.Answers = (*Questions)(nil)
	_ answer.Records = (*Questions)(nil)
	_ answer.Voice   = (*Questions)(nil)
	_ answer.Letters = (*Questions)(nil)
)

// NewQuestions stores over a bus that is provisioned.
func NewQuestions(b *bus.Bus) *Questions { return &Questions{bus: b} }

// Answered implements answer.Answers.
func (s *Questions) Answered(ctx context.Context, q chat.Question) (chat.Answer, bool, error) {
	return s.bus.Answered(ctx, q)
}

// PublishAnswer implements answer.Answers.
func (s *Questions) PublishAnswer(ctx context.Context, a chat.Answer) error {
	err := s.bus.PublishAnswer(ctx, a)
	if errors.Is(err, bus.ErrAnswered) {
		return answer.ErrAnswered
	}
	return err
}

// Look implements answer.Records. A replay is changed by what happens to the message that asked at first.
func (s *Questions) Look(q chat.Question, answered bool) func(ctx context.Context) (answer.Seen, error) {
	memory := s.bus.Memory().Begin(memoryKey(q.Guild, q.Channel, q.User))
	change := s.bus.Changed().Begin(string(q.Message))
	var stored *bus.AnswerReading
	if answered {
		stored = s.bus.BeginAnswered(q)
	}
	return func(ctx context.Context) (seen answer.Seen, err error) {
		var errs [3]error
		if stored != nil {
			seen.Answer, seen.Answered, errs[0] = stored.Get(ctx)
		}
		_, seen.Changed, errs[1] = change.Get(ctx, &seen.Change)
		seen.Memory.Revision, _, errs[2] = memory.Get(ctx, &seen.Memory.Document)
		return seen, errors.Join(errs[:]...)
	}
}

// Attempts implements answer.Records.
func (s *Questions) Attempts(ctx context.Context, q chat.Question) (a answer.Attempts, err error) {
	a.Revision, _, err = s.bus.Attempt().Get(ctx, string(q.ID), &a)
	return a, err
}

// KeepAttempts implements answer.Records.
func (s *Questions) KeepAttempts(ctx context.Context, q chat.Question, a answer.Attempts) (uint64, error) {
	revision, err := s.bus.Attempt().Update(ctx, string(q.ID), a, a.Revision)
	if errors.Is(err, bus.ErrConflict) {
		return 0, answer.ErrTaken
	}
	return revision, err
}

// Typing implements answer.Voice.
func (s *Questions) Typing(q chat.Question) {
	s.bus.PublishTyping(chat.Typing{Question: q.ID, Guild: q.Guild, Channel: q.Channel})
}

// Notify implements answer.Voice. The claim comes first: a notice that gets lost in a crash is better than two.
func (s *Questions) Notify(ctx context.Context, n chat.Notice, now time.Time) (bool, error) {
	won, err := s.bus.ClaimUntil(ctx, "notice."+string(n.Guild)+"."+string(n.Channel), now, n.Until)
	if err != nil || !won {
		return false, err
	}
	return true, s.bus.PublishNotice(ctx, n)
}

// Keep implements answer.Letters.
func (s *Questions) Keep(ctx context.Context, l chat.DeadLetter) error {
	return s.bus.PublishDeadLetter(ctx, l)
}

// Forget implements answer.Letters.
func (s *Questions) Forget(ctx context.Context, q chat.QuestionID) error {
	if _, err := s.bus.ForgetLettersOf(ctx, q); err != nil {
		return fmt.Errorf("forget dead letters of %s: %w", q, err)
	}
	return nil
}
