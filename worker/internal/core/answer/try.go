package answer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/budget"
)

const (
	// maxAttempts is how many calls are made for one question that may succeed at another try, over all processes.
	maxAttempts = 3
	// firstBackoff is the pause after the first of them; it doubles.
	firstBackoff = 500 * time.Millisecond
	// maxLoading bounds the wait for a model that says how long it still loads: such estimates are often far off.
	maxLoading = 20 * time.Second
	// maxAnswerBytes bounds an answer: five messages of 2000 characters are posted at most.
	maxAnswerBytes = 32 << 10
	// lastMoments is how long a connection may take to be made.
	lastMoments = time.Second
)

// try makes calls until one succeeds, or it is clear that the question must wait or end.
func (j *job) try(ctx context.Context) verdict {
	j.startTyping()
	if over, v := j.awaitRetry(ctx); !over {
		return v
	}
	j.turns, j.whole = j.recall()
	for {
		guess := j.scale.estimate(j.turns, j.whole, j.q)
		need := budget.Request{
			ID: fmt.Sprintf("%s.%s.%d", j.q.ID, j.cfg.Name, j.leases.next()), User: string(j.q.User),
			PromptTokens: guess.tokens, MaxTokens: j.cfg.MaxTokens, Hold: j.cfg.Timeout, Exclude: j.tried,
		}
		changed := j.Budget.Changed()
		g, err := j.reserve(ctx, need)
		if err != nil {
			if errors.Is(err, budget.ErrTooBig) && len(j.turns) > 0 {
				j.turns, j.whole = nil, false // better an answer that remembers nothing than none
				continue
			}
			return j.noBudget(ctx, err, changed)
		}
		if !g.NotAfter.IsZero() && time.Now().After(g.NotAfter) {
			j.Budget.SettleLater(g, budget.Outcome{Kind: budget.NotSent})
			continue // the window turned while we were busy
		}
		if j.run.ctx.Err() != nil { // ended between the grant and the call
			j.Budget.SettleLater(g, budget.Outcome{Kind: budget.NotSent})
			return nil
		}
		if again, v := j.call(ctx, g, prompt(j.cfg.Persona, j.turns, j.whole, j.q), guess); !again {
			return v
		}
	}
}

// awaitRetry waits until the pause after a failed call is over; over is false when the question must wait elsewhere, or
// was ended.
func (j *job) awaitRetry(ctx context.Context) (over bool, v verdict) {
	pause := time.Until(j.attempts.NotBefore)
	if pause > waitInside {
		return false, j.handBack(ctx, WaitRetry, j.away(pause), nil)
	}
	return pause <= 0 || sleep(j.run.ctx, pause), nil
}

// reserve takes budget for a call and counts it as begun. Both must be durable before the call; they are written side
// by side when budget is likely, and one after the other when it was lacking, so that a question that waits writes
// nothing.
func (j *job) reserve(ctx context.Context, need budget.Request) (budget.Grant, error) {
	if j.open {
		return j.granted(j.Budget.Reserve(ctx, need))
	}
	if j.scarce.Load() {
		g, err := j.granted(j.Budget.Reserve(ctx, need))
		if err != nil {
			return g, err
		}
		return g, j.begin(ctx, g)
	}
	var g budget.Grant
	var denied, failed error
	var wg sync.WaitGroup
	wg.Go(func() { g, denied = j.granted(j.Budget.Reserve(ctx, need)) })
	failed = j.begin(ctx, budget.Grant{})
	wg.Wait()
	switch {
	case denied != nil:
		return g, denied
	case failed != nil:
		j.Budget.SettleLater(g, budget.Outcome{Kind: budget.NotSent})
	}
	return g, failed
}

// granted notes whether budget is scarce.
func (j *job) granted(g budget.Grant, err error) (budget.Grant, error) {
	j.scarce.Store(err != nil)
	return g, err
}

// begin counts a call as begun. If that fails, a grant is given back.
func (j *job) begin(ctx context.Context, g budget.Grant) error {
	a := j.attempts
	a.Counted++
	a.NotBefore = time.Time{}
	revision, err := j.Records.KeepAttempts(ctx, j.q, a)
	if err != nil {
		if g.Lease != "" {
			j.Budget.SettleLater(g, budget.Outcome{Kind: budget.NotSent})
		}
		return fmt.Errorf("count the attempt: %w", err)
	}
	a.Revision = revision
	j.attempts, j.open = a, true
	return nil
}

// call makes one call under a grant; again means that another one is to follow at once. guess is the prompt's
// estimate.
func (j *job) call(ctx context.Context, g budget.Grant, p Prompt, guess guess) (again bool, v verdict) {
	// What comes after the question's deadline comes too late: the asker gets the apology then.
	calling, cancel := context.WithDeadline(j.run.ctx, earlier(earlier(time.Now().Add(j.cfg.Timeout), j.deadline()), g.Deadline))
	defer cancel()
	j.running.calling(j.run, true)
	j.calls++
	begun := time.Now()
	c, err := j.Model.Complete(calling, Call{Key: g.Key, Prompt: p, MaxTokens: g.MaxTokens})
	took := time.Since(begun)
	j.running.calling(j.run, false)
	if err == nil {
		j.counted = j.scale.saw(c.Provider, c.PromptTokens, guess)
		j.Budget.SettleLater(g, budget.Outcome{
			Kind: budget.Success, UsageKnown: c.UsageKnown, Prompt: int64(c.PromptTokens), Completion: int64(c.CompletionTokens),
			Late: late(g, begun),
		})
	}
	text := ""
	if err == nil {
		j.model = c.Text
		if text = bounded(chat.CleanAnswer(c.Text, p.Persona), maxAnswerBytes); text == "" {
			err = &CallError{Class: Retry, Status: c.Status, Sent: true, Key: g.Key, RequestID: c.RequestID, Provider: c.Provider,
				Message: "nothing readable was left of the answer"}
			j.note(g, c, took, err)
			return j.failed(ctx, g, asCallError(err, g.Key))
		}
	}
	j.note(g, c, took, err)
	if err != nil {
		e := asCallError(err, g.Key)
		j.settle(ctx, g, e, late(g, begun))
		return j.failed(ctx, g, e)
	}
	a := chat.AnswerTo(j.q, chat.Reply, time.Now().UTC())
	a.Text, a.After, a.Attempt = text, j.memory.Last, j.attempts.Counted
	a.Receipt = &chat.Receipt{Key: g.Key, Lease: g.Lease, Prompt: c.PromptTokens, Completion: c.CompletionTokens, Known: c.UsageKnown}
	if reason, unwanted := j.unwanted(j.q); unwanted { // a stop came while the model spoke
		return false, j.end(ctx, chat.Dropped, reason, "")
	}
	return false, j.publish(ctx, a)
}

// note tells the journal of a call.
func (j *job) note(g budget.Grant, c Completion, took time.Duration, err error) {
	r := CallReport{Question: j.q, Grant: g, Attempt: j.attempts.Counted, Took: took, Completion: c}
	if err != nil {
		r.Err = asCallError(err, g.Key)
	}
	j.Journal.Called(r)
}

// failed decides what follows a failed call.
func (j *job) failed(ctx context.Context, g budget.Grant, e *CallError) (again bool, v verdict) {
	j.last = e
	if j.run.ctx.Err() != nil { // we ended it ourselves: it is nobody's failure
		return false, nil
	}
	switch {
	case !time.Now().Before(j.deadline()):
		return false, j.end(ctx, chat.Apology, ReasonLate, textLate)
	case e.NextKey():
		j.tried = append(j.tried, g.Key)
		return true, nil
	case e.Class == Fatal:
		return false, j.giveUp(ctx)
	}
	j.open = false
	if j.attempts.Counted >= maxAttempts {
		return false, j.giveUp(ctx)
	}
	return false, j.backOff(ctx, e)
}

// backOff waits for the next try: inside if that is short, else in the queue.
func (j *job) backOff(ctx context.Context, e *CallError) verdict {
	pause := spread(max(firstBackoff<<(j.attempts.Counted-1), min(e.RetryAfter, maxLoading)))
	a := j.attempts
	a.Why, a.Key, a.Status, a.NotBefore = e.Error(), e.Key, e.Status, time.Now().Add(pause).UTC()
	revision, err := j.Records.KeepAttempts(ctx, j.q, a)
	switch {
	case errors.Is(err, ErrTaken):
		return j.handBack(ctx, WaitTaken, spread(takenPause), nil)
	case err != nil:
		return j.trouble(ctx, err)
	}
	a.Revision = revision
	j.attempts = a
	return nil // the next round waits until NotBefore
}

// settle tells the ledger how a failed call ended. What concerns the key is stored before the next key is tried, so
// that every worker knows it.
func (j *job) settle(ctx context.Context, g budget.Grant, e *CallError, late bool) {
	o := budget.Outcome{Kind: budget.Failed, RetryAfter: e.RetryAfter, UsageKnown: e.Unbilled(), Late: late}
	switch {
	case !e.Sent:
		o = budget.Outcome{Kind: budget.NotSent}
	case e.Class == RateLimited:
		o.Kind = budget.RateLimited
	case e.Class == NoCredit:
		o.Kind = budget.NoCredit
	case e.Class == Refused:
		o.Kind = budget.KeyRefused
	}
	if !e.NextKey() {
		j.Budget.SettleLater(g, o)
		return
	}
	if err := j.Budget.Settle(ctx, g, o); err != nil {
		j.Budget.SettleLater(g, o) // the store is away: it is tried on in the background
	}
}

// asCallError makes every error one with a class; an edge that returns another one is treated as a passing failure.
func asCallError(err error, key string) *CallError {
	var e *CallError
	if errors.As(err, &e) {
		return e
	}
	return &CallError{Class: Retry, Sent: true, Key: key, Message: err.Error(), Cause: err}
}

// late says that a call may have left after its grant's window. It began in time; but one that began in the window's last
// moments and was not over when these ended may have been held up on the way out.
func late(g budget.Grant, begun time.Time) bool {
	return !g.NotAfter.IsZero() && g.NotAfter.Sub(begun) < lastMoments && time.Now().After(g.NotAfter)
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// bounded cuts text to at most n bytes, between characters.
func bounded(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return strings.TrimSpace(text[:n])
}
