package answer

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/budget"
)

const (
	// waitInside is how long a question waits in the process before it goes back to the queue.
	waitInside = 2 * time.Second
	// comeBack bounds how long a question stays away: what is on record may change.
	comeBack = 30 * time.Second
	// atLeast keeps a question that others go before from running to and fro.
	atLeast = 25 * time.Millisecond
	// takenPause is how long a question stays away while another process works on it.
	takenPause = 5 * time.Second
)

// noBudget decides what becomes of a question that was not granted a call. changed fires when that may have changed.
func (j *job) noBudget(ctx context.Context, err error, changed <-chan struct{}) verdict {
	var wait *budget.WaitError
	var share *budget.ShareError
	switch {
	case errors.Is(err, budget.ErrTooBig):
		return j.end(ctx, chat.Refusal, ReasonTooBig, textTooBig)
	case errors.Is(err, budget.ErrNoKeys):
		return j.end(ctx, chat.Apology, ReasonNoKeys, textNoKeys)
	case errors.As(err, &share):
		j.tried = nil
		return j.handBack(ctx, WaitShare, spread(max(share.RetryAfter, atLeast)), nil)
	case errors.As(err, &wait):
		j.tried = nil
		return j.awaitBudget(ctx, wait, changed)
	case errors.Is(err, ErrTaken) && !j.looked: // there were attempts before
		j.attempts, err = j.Records.Attempts(ctx, j.q)
		if j.looked = err == nil; j.looked {
			return nil
		}
	case errors.Is(err, ErrTaken):
		return j.handBack(ctx, WaitTaken, spread(takenPause), nil)
	}
	return j.trouble(ctx, err)
}

// awaitBudget waits inside for a moment, and else hands the question back with a notice to its channel, or ends it when
// no answer can come in time.
func (j *job) awaitBudget(ctx context.Context, w *budget.WaitError, changed <-chan struct{}) verdict {
	until := w.Until
	hopeless := until.After(j.deadline())
	if hopeless && !(w.Reason == budget.Exhausted && j.refundable(ctx)) {
		return j.end(ctx, chat.Apology, ReasonNoBudget, textNoBudget)
	}
	pause := time.Until(until)
	if pause <= waitInside {
		j.pause(max(pause, atLeast), changed)
		return nil
	}
	if w.Reason == budget.Exhausted && j.takeBench() {
		woken := j.pause(waitInside, changed)
		<-j.bench
		if pause = time.Until(until); woken || pause <= waitInside {
			return nil
		}
	}
	if j.run.ctx.Err() != nil {
		return nil
	}
	if j.hasty && !j.looked { // nothing was counted that would tell of an answer
		j.looked = true
		return nil
	}
	if !hopeless {
		j.notify(ctx, until)
	}
	return j.handBack(ctx, WaitBudget, j.away(pause), nil)
}

// refundable says whether a call that runs may leave more than it was granted: what it needs less than was reserved
// comes back.
func (j *job) refundable(ctx context.Context) bool {
	views, err := j.Budget.Snapshot(ctx)
	if err != nil {
		return true // not known: wait
	}
	for _, v := range views {
		if v.State == budget.StateActive && v.Leases > 0 {
			return true
		}
	}
	return false
}

// takeBench takes one of the places for those that wait inside although the budget opens late: calls that run may give
// some back. They are fewer than slots, so that other questions are looked at meanwhile.
func (j *job) takeBench() bool {
	select {
	case j.bench <- struct{}{}:
		return true
	default:
		return false
	}
}

// pause waits inside; it says whether changed fired.
func (j *job) pause(d time.Duration, changed <-chan struct{}) (woken bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-changed:
		return true
	case <-t.C:
	case <-j.run.ctx.Done():
	}
	return false
}

// away is how long a question that waits for pause stays in the queue: it comes back for the deadline, and a little after
// the time, so that not all come at once.
func (j *job) away(pause time.Duration) time.Duration {
	d := min(pause, comeBack)
	if left := time.Until(j.deadline()); left > 0 {
		d = min(d, left)
	}
	return d + rand.N(min(d/10, 250*time.Millisecond)+1)
}

// notify tells the channel, once until the time that is named has passed, that its questions wait.
func (j *job) notify(ctx context.Context, until time.Time) {
	until = until.Add(time.Second - 1).Truncate(time.Second).UTC() // Discord shows whole seconds
	n := chat.Notice{
		Question: j.q.ID, Guild: j.q.Guild, Channel: j.q.Channel, User: j.q.User, Message: j.q.Message,
		Until: until, Text: noticeText(until),
	}
	if _, err := j.Voice.Notify(ctx, n, time.Now()); err != nil {
		j.Journal.Deferred(j.q, WaitStore, 0, err) // a courtesy that failed
	}
}

// spread moves a pause by up to a quarter, so that those that failed together don't come back together.
func spread(d time.Duration) time.Duration { return d*7/8 + rand.N(d/4+1) }

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// linger returns a context that ends d after ctx does.
func linger(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(d, cancel)
		context.AfterFunc(out, func() { t.Stop() })
	})
	return out, func() { stop(); cancel() }
}

// serial numbers the leases of this process.
type serial struct{ n atomic.Uint64 }

func (s *serial) next() uint64 { return s.n.Add(1) }
