package answer

import (
	"context"
	"errors"
	"sync"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// errUnwanted ends a run whose answer nobody wants any more.
var errUnwanted = errors.New("nobody wants the answer any more")

// run is one question in hand.
type run struct {
	q      chat.Question
	ctx    context.Context
	cancel context.CancelCauseFunc
	// calling says that a model works on it; guarded by running.mu.
	calling bool
	ended   chan struct{}
}

// unwanted says whether the run was ended on a moderator's word.
func (r *run) unwanted() bool { return errors.Is(context.Cause(r.ctx), errUnwanted) }

// maxTallies bounds the commands whose effect is remembered.
const maxTallies = 64

// tally is what one command ended here.
type tally struct {
	command            chat.Snowflake
	cancelled, dropped int
}

// running is the register of questions in hand.
type running struct {
	mu      sync.Mutex
	runs    map[chat.QuestionID]*run
	tallies []tally // oldest first
}

// begin enters a question; ok is false when this process has it in hand already.
func (r *running) begin(ctx context.Context, q chat.Question) (*run, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, has := r.runs[q.ID]; has {
		return nil, false
	}
	n := &run{q: q, ended: make(chan struct{})}
	n.ctx, n.cancel = context.WithCancelCause(ctx)
	if r.runs == nil {
		r.runs = map[chat.QuestionID]*run{}
	}
	r.runs[q.ID] = n
	return n, true
}

func (r *running) end(n *run) {
	r.mu.Lock()
	delete(r.runs, n.q.ID)
	r.mu.Unlock()
	n.cancel(nil)
	close(n.ended)
}

func (r *running) calling(n *run, is bool) {
	r.mu.Lock()
	n.calling = is
	r.mu.Unlock()
}

// count tells how many calls run in a scope and in all.
func (r *running) count(scope control.Scope) (in, all int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.runs {
		if !n.calling {
			continue
		}
		all++
		if scope == control.Fleet || control.Scope(n.q.Guild) == scope {
			in++
		}
	}
	return in, all
}

// cancel ends every run that unwanted names, and returns those.
func (r *running) cancel(unwanted func(chat.Question) (by chat.Snowflake, yes bool)) []*run {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ended []*run
	for _, n := range r.runs {
		by, yes := unwanted(n.q)
		if !yes || n.ctx.Err() != nil {
			continue
		}
		t := r.tally(by)
		if n.calling {
			t.cancelled++
		} else {
			t.dropped++
		}
		n.cancel(errUnwanted)
		ended = append(ended, n)
	}
	return ended
}

// tally returns the entry of a command; r.mu is held.
func (r *running) tally(command chat.Snowflake) *tally {
	for i := range r.tallies {
		if r.tallies[i].command == command {
			return &r.tallies[i]
		}
	}
	if len(r.tallies) >= maxTallies {
		r.tallies = r.tallies[1:]
	}
	r.tallies = append(r.tallies, tally{command: command})
	return &r.tallies[len(r.tallies)-1]
}

// dropped counts a question that was let go before it ran.
func (r *running) dropped(command chat.Snowflake) {
	r.mu.Lock()
	r.tally(command).dropped++
	r.mu.Unlock()
}

// ended tells what a command ended in this process, however it came to know of it.
func (r *running) ended(command chat.Snowflake) (cancelled, dropped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.tallies {
		if t.command == command {
			return t.cancelled, t.dropped
		}
	}
	return 0, 0
}
