package outbound

import (
	"context"
	"errors"
	"time"

	"salamander.dev/shared/retry"
)

// errTooEarly says that the answer before this one is not posted yet.
var errTooEarly = errors.New("the answer before this one is not posted yet")

// tooEarly says whether the answer before this one must still be waited for. It usually came by the same lane just
// before; after a redelivery it may be behind, or in another gateway.
func (x *posting) tooEarly(ctx context.Context) bool {
	if x.waited || x.a.After == "" || x.a.After == x.a.Question || x.before(ctx) {
		x.waited = true
	}
	return !x.waited
}

// before says whether the answer before this one ended.
func (x *posting) before(ctx context.Context) bool {
	if x.ended.is(x.a.After) {
		return true
	}
	r, err := x.records.Posted(ctx, x.a.After)
	if err != nil || !r.Done {
		return false
	}
	x.ended.add(x.a.After)
	return true
}

// askEveryMax bounds the wait between two looks into the records while an answer is parked: after an outage, many are.
const askEveryMax = 2 * time.Second

// park waits beside the lane, so that the answer before this one can come by it. It waits for what is sure to come, an
// answer that lies among the answers, and not for ever.
func (x *posting) park(ctx context.Context) {
	x.parked.Go(func() {
		if !x.await(ctx) {
			x.settle(retry.After(0))
			return
		}
		x.waited = true
		if x.lanes.Go(ctx, laneKey{x.a.Channel, x.a.User}, func() { x.answer(ctx) }) != nil {
			x.settle(retry.After(0))
		}
	})
}

// await returns when the answer before this one ended, or is not waited for any more; false when ctx ended or the poster
// closed first. What ends in this process is told; the records are asked ever more seldom.
func (x *posting) await(ctx context.Context) bool {
	came, leave := x.ended.came(x.a.After)
	defer leave()
	over := time.NewTimer(x.cfg.AfterWithin)
	defer over.Stop()
	stored := false
	for every := x.cfg.AfterEvery; x.unwanted(x.a) == "" && !x.before(ctx); every = min(2*every, askEveryMax) {
		if !stored {
			there, err := x.records.Answered(ctx, x.a, x.a.After)
			if err == nil && !there {
				return true
			}
			stored = err == nil
		}
		ask := time.NewTimer(every)
		select {
		case <-came:
		case <-over.C:
		case <-ctx.Done():
		case <-x.closing:
		case <-ask.C:
			continue
		}
		ask.Stop()
		return ctx.Err() == nil && !x.closed.Load()
	}
	return true
}
