package bus

import (
	"context"
	"time"
)

// Ask sends a request of this bus and returns what waits for its reply.
func (b *Bus) Ask(subject string) (wait func(context.Context) error, err error) {
	one, err := b.replies.ask(subject, nil)
	return func(ctx context.Context) error {
		_, err := one.wait(ctx)
		return err
	}, err
}

// Unanswered tells how many requests wait for a reply.
func (b *Bus) Unanswered() int {
	b.replies.mu.Lock()
	defer b.replies.mu.Unlock()
	return len(b.replies.waiting)
}

// SweepReplies forgets what nobody waits for any more at a moment.
func (b *Bus) SweepReplies(now time.Time) {
	b.replies.mu.Lock()
	defer b.replies.mu.Unlock()
	b.replies.sweep(now)
}

// DeleteMessage takes a message out of a stream.
func (b *Bus) DeleteMessage(ctx context.Context, stream string, seq uint64) (bool, error) {
	return b.deleteMessage(ctx, stream, seq)
}

// StoodAt tells whether the connection stood at a moment, as if there had been so many reconnects that the bus does not
// know of yet.
func (b *Bus) StoodAt(t time.Time, unknown uint64) bool {
	b.mu.Lock()
	b.known -= unknown
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.known += unknown
		b.mu.Unlock()
	}()
	return b.stoodAt(t)
}
