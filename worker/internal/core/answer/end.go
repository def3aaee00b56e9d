package answer

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/core/memory"
)

// finishWithin is how long a question may still write after its context has ended.
const finishWithin = 2 * time.Second

// end publishes the answer that ends the question.
func (j *job) end(ctx context.Context, kind chat.Kind, reason, text string) verdict {
	a := chat.AnswerTo(j.q, kind, time.Now().UTC())
	a.Reason, a.Text, a.Attempt = reason, text, j.attempts.Counted
	if kind != chat.Dropped {
		a.After = j.memory.Last
	}
	return j.publish(ctx, a)
}

// publish stores an answer, trying again until it is known whose answer stands or until ctx ends.
func (j *job) publish(ctx context.Context, a chat.Answer) verdict {
	pause := 250 * time.Millisecond
	for {
		err := j.Answers.PublishAnswer(ctx, a)
		if err == nil {
			return j.settled(ctx, a, false)
		}
		if errors.Is(err, ErrAnswered) {
			return j.found(ctx, a)
		}
		if ctx.Err() != nil || !sleep(ctx, spread(pause)) {
			return j.trouble(ctx, err)
		}
		pause = min(2*pause, 2*time.Second)
	}
}

// found looks at the answer that was there first: it may be our own, stored by a try whose confirmation got lost.
func (j *job) found(ctx context.Context, ours chat.Answer) verdict {
	a, ok, err := j.Answers.Answered(ctx, j.q)
	if err != nil {
		return j.trouble(ctx, err)
	}
	if !ok { // it was stored a day ago, and has aged out since
		return done(retry.Done)
	}
	return j.settled(ctx, a, !a.Answered.Equal(ours.Answered))
}

// settled does what must be done once the answer stands, whoever made it: its receipt, its turn, the letters of a
// replayed question. Only then the question is done.
func (j *job) settled(ctx context.Context, a chat.Answer, again bool) verdict {
	if again && a.Receipt != nil {
		g := budget.Grant{Lease: a.Receipt.Lease, Key: a.Receipt.Key, Price: j.cfg.Price(), Deadline: time.Now()}
		j.Budget.SettleLater(g, budget.Outcome{
			Kind: budget.Success, UsageKnown: a.Receipt.Known, Prompt: int64(a.Receipt.Prompt), Completion: int64(a.Receipt.Completion),
		})
	}
	if err := j.remember(ctx, a, again); err != nil {
		return j.trouble(ctx, err)
	}
	if a.Kind == chat.Reply {
		for _, id := range lineage(j.q.ID) {
			if err := j.Letters.Forget(ctx, id); err != nil {
				return j.trouble(ctx, err)
			}
		}
	}
	if a.Kind == "" { // forgotten at its asker's wish
		return done(retry.Done)
	}
	j.Journal.Ended(Report{
		Answer: a, Question: j.q, Calls: j.calls, Attempt: j.attempts.Counted, Err: j.failure(a), Model: j.model, Took: time.Since(j.begun), Again: again,
	})
	return done(retry.Done)
}

// failure is the last call's, if it is why the question ended as it did.
func (j *job) failure(a chat.Answer) *CallError {
	if a.Kind == chat.Reply || a.Kind == chat.Dropped {
		return nil
	}
	return j.last
}

// remember stores the turn, so that the next question of this user sees it. A question that comes again after it was
// answered may have younger ones behind it, and must not go before them.
func (j *job) remember(ctx context.Context, a chat.Answer, again bool) error {
	if a.Kind == chat.Dropped || a.Kind == "" || a.Question == j.memory.Last || (again && j.memory.Knows(a.Question, j.q.Mark)) {
		return nil
	}
	tokens := 0
	if a.Receipt != nil && a.Receipt.Known {
		tokens = a.Receipt.Completion
	}
	forgetBefore := j.State.ForgetBefore(j.q.Guild)
	return j.Memories.Remember(ctx, j.q, j.memory, func(d memory.Document) memory.Document {
		if again && d.Knows(a.Question, j.q.Mark) {
			return d
		}
		if a.Kind != chat.Reply {
			return d.Ended(a.Question, j.q.Mark)
		}
		d = d.Append(memory.Turn{
			Question: a.Question, Mark: j.q.Mark, At: a.Answered, Name: j.q.UserName, User: j.q.Text, Bot: a.Text, BotTokens: tokens,
		}, j.cfg.Memory, time.Now(), forgetBefore)
		if again { // what its prompt showed is not known here
			return d
		}
		return d.Counted(j.counted, j.turns, j.whole)
	})
}

// giveUp buries the question, and then says the fallback.
func (j *job) giveUp(ctx context.Context) verdict {
	l := chat.DeadLetter{Question: j.q, Stage: "worker", Attempts: j.attempts.Counted, At: time.Now().UTC(), Key: j.attempts.Key}
	switch {
	case j.last != nil && !j.last.NextKey() && j.last.Class == Fatal:
		l.Reason, l.Cause, l.Key, l.Attempts = ReasonRejected, j.last.Error(), j.last.Key, max(j.attempts.Counted, 1)
	case j.last != nil:
		l.Reason, l.Cause, l.Key = ReasonFailed, j.last.Error(), j.last.Key
	case j.attempts.Why != "":
		l.Reason, l.Cause = ReasonFailed, j.attempts.Why
	default:
		l.Reason, l.Cause = ReasonUnknown, "every process that called a model for it died meanwhile"
	}
	if err := j.Letters.Keep(ctx, l); err != nil {
		return j.trouble(ctx, err)
	}
	j.Journal.Buried(l)
	for _, id := range lineage(j.q.ID) {
		if id == j.q.ID {
			continue
		}
		if err := j.Letters.Forget(ctx, id); err != nil { // the newest letter stands for all
			return j.trouble(ctx, err)
		}
	}
	return j.end(ctx, chat.Fallback, l.Reason, j.cfg.Persona.Fallback)
}

// trouble hands the question back because the store can't be reached.
func (j *job) trouble(ctx context.Context, err error) verdict {
	if j.run.ctx.Err() != nil && !j.run.unwanted() {
		return j.handBack(ctx, WaitDrain, 0, nil)
	}
	return j.handBack(ctx, WaitStore, spread(storePause), err)
}

// storePause is how long a question stays away when the store can't be reached.
const storePause = time.Second

// handBack gives the question to whoever is free after a pause. A call that was counted and not made, or that is no
// failure of the question's, is uncounted.
func (j *job) handBack(ctx context.Context, why Wait, after time.Duration, err error) verdict {
	if j.open {
		a := j.attempts
		a.Counted--
		// If this fails the question has one try less, which is safe.
		_, _ = j.Records.KeepAttempts(ctx, j.q, a)
		j.open = false
	}
	j.Journal.Deferred(j.q, why, after, err)
	return done(retry.After(after))
}

// lineage returns the ids under which a replayed question was asked: its own first one and every replay up to this; for
// a question that was never replayed, none.
func lineage(id chat.QuestionID) []chat.QuestionID {
	base, n := Replay(id)
	if n == 0 {
		return nil
	}
	all := []chat.QuestionID{base}
	for i := 1; i <= min(n, maxReplays); i++ {
		all = append(all, ReplayID(base, i))
	}
	return all
}

// maxReplays bounds how often one question can be replayed.
const maxReplays = 100

// Replay splits a question's id into the first one and the number of the replay, 0 for the first.
func Replay(id chat.QuestionID) (base chat.QuestionID, n int) {
	head, tail, ok := strings.Cut(string(id), "-r")
	n, err := strconv.Atoi(tail)
	if !ok || err != nil || n < 1 {
		return id, 0
	}
	return chat.QuestionID(head), n
}

// ReplayID is the id of the n-th replay of a question.
func ReplayID(base chat.QuestionID, n int) chat.QuestionID {
	return chat.QuestionID(string(base) + "-r" + strconv.Itoa(n))
}
