package budget

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Ledger is the budget of all keys, shared by all workers. It is safe for concurrent use.
type Ledger interface {
	// Reserve picks the first key in configured order whose every limit admits the call, and takes what it needs.
	// Errors: *WaitError (nothing is free before a time), *ShareError (hand the question back), ErrTooBig (can never
	// be answered), ErrNoKeys (every key is refused), else the store can't be reached: nothing may be sent.
	// Asking again with the same Request.ID is answered by the same grant while its lease lives.
	Reserve(ctx context.Context, r Request) (Grant, error)
	// Settle stores how the call of a grant ended, and returns when that is durable. Settling twice is fine. If it
	// never happens, the call stays charged as reserved when its lease ends.
	Settle(ctx context.Context, g Grant, o Outcome) error
	// SettleLater is Settle without the wait; what is pending when the process drains is flushed.
	SettleLater(g Grant, o Outcome)
	// Changed returns a channel that is closed as soon as a Reserve that failed may succeed: a window opened, a key
	// became active, a call needed less than it had reserved. Take it before Reserve, then wait for it.
	Changed() <-chan struct{}
	// Snapshot returns the state of every key, in configured order.
	Snapshot(ctx context.Context) ([]KeyView, error)
}

// Request is one wish to call a model.
type Request struct {
	// ID is unique to the call: question id and attempt, e.g. "1312345.2". Required.
	ID string
	// User is who asked, for fair shares; empty takes no part in them.
	User string
	// PromptTokens is a safe upper bound of the prompt.
	PromptTokens int
	// MaxTokens is the wished max_tokens.
	MaxTokens int
	// Hold is the call's timeout: how long after the grant the call may be on the wire.
	Hold time.Duration
	// Exclude are names of keys that this question has tried already.
	Exclude []string
}

// Grant is the permission to make one call.
type Grant struct {
	Lease string // the Request's ID
	Key   string // name of the key
	// PromptTokens and MaxTokens are what was reserved; MaxTokens may be lower than was wished, never below 32 (or the
	// wish, if that was lower).
	PromptTokens, MaxTokens int
	// NotAfter is the last instant, by this process's clock, at which the request may leave: settle with NotSent and
	// reserve again if it has passed. Zero: any time before Deadline.
	NotAfter time.Time
	// Deadline is when the call must have ended, by this process's clock.
	Deadline time.Time
	// At is when the lease was granted, by the server's clock.
	At time.Time
	// Probe says that the key was resting or refused, and that this call tries whether it still is.
	Probe bool
	Price Price
}

// ErrTooBig says that the request exceeds a limit of every key even in an empty window.
var ErrTooBig = errors.New("larger than any key's limit")

// ErrNoKeys says that every key is refused by the provider. A worker that starts tries each once; until then nothing
// but an operator's new key helps.
var ErrNoKeys = errors.New("every key is refused")

// WaitError says that no key admits the call before a time.
type WaitError struct {
	// Until is the earliest time, by this process's clock, at which it is worth to ask again. Budget that running calls
	// give back can come earlier: see Ledger.Changed.
	Until time.Time
	// Reason is why the key that opens first does not admit it.
	Reason Reason
}

// Error implements error.
func (e *WaitError) Error() string {
	return fmt.Sprintf("no budget before %s (%s)", e.Until.UTC().Format(time.RFC3339Nano), e.Reason)
}

// ShareError says that others who were served less wait: the question is to be handed back.
type ShareError struct {
	RetryAfter time.Duration
}

// Error implements error.
func (e *ShareError) Error() string {
	return fmt.Sprintf("others who were served less are waiting; again in %s", e.RetryAfter)
}

// LimitsConflictError says that another live worker holds other limits for a key.
type LimitsConflictError struct {
	Key, Theirs, Ours string
	Instance          string // the worker that holds them
}

// Error implements error.
func (e *LimitsConflictError) Error() string {
	return fmt.Sprintf("key %q: worker %s runs with the limits %s, these settings say %s: stop all workers to change limits, or run 'worker budget set-limits'",
		e.Key, e.Instance, e.Theirs, e.Ours)
}
