// Package store is what the gateway keeps in NATS: it puts the core's small interfaces on top of shared/bus. It decides
// nothing, knows no names of streams or buckets, and every method waits for NATS at most as long as its context or the
// bus's own bound.
package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// Queue publishes questions and what changed about them.
type Queue struct{ bus *bus.Bus }

// NewQueue makes a Queue.
func NewQueue(b *bus.Bus) *Queue { return &Queue{b} }

// Publish implements [inbound.Queue].
func (q *Queue) Publish(ctx context.Context, question chat.Question) (duplicate bool, err error) {
	duplicate, err = q.bus.PublishQuestion(ctx, question)
	if errors.Is(err, bus.ErrFull) {
		return false, inbound.ErrFull
	}
	return duplicate, err
}

// Answered implements [inbound.Queue].
func (q *Queue) Answered(ctx context.Context, question chat.Question) (bool, error) {
	_, ok, err := q.bus.Answered(ctx, question)
	return ok, err
}

// Ended implements [inbound.Queue].
func (q *Queue) Ended(ctx context.Context, question chat.Question) (bool, error) {
	ok, err := q.Answered(ctx, question)
	if err != nil || ok {
		return ok, err
	}
	var c chat.Change
	_, _, err = q.bus.Changed().Get(ctx, string(question.ID), &c)
	return c.Refused, err
}

// Refuse implements [inbound.Queue].
func (q *Queue) Refuse(ctx context.Context, id chat.QuestionID) error {
	return q.amend(ctx, id, func(c *chat.Change) { c.Question, c.Refused = id, true })
}

// Change implements [inbound.Queue]. What was refused stays refused.
func (q *Queue) Change(ctx context.Context, c chat.Change) error {
	return q.amend(ctx, c.Question, func(had *chat.Change) {
		c.Refused = had.Refused
		*had = c
	})
}

func (q *Queue) amend(ctx context.Context, id chat.QuestionID, change func(*chat.Change)) error {
	for {
		var c chat.Change
		revision, _, err := q.bus.Changed().Get(ctx, string(id), &c)
		if err != nil {
			return err
		}
		change(&c)
		if _, err := q.bus.Changed().Update(ctx, string(id), c, revision); !errors.Is(err, bus.ErrConflict) {
			return err
		}
	}
}

// Up implements [inbound.Link].
func (q *Queue) Up() bool { return q.bus.Ready() == nil }

// Await implements [inbound.Link].
func (q *Queue) Await(ctx context.Context) error { return q.bus.AwaitConnected(ctx) }

// Records keep which parts of an answer stand on Discord.
type Records struct{ bus *bus.Bus }

// NewRecords makes Records.
func NewRecords(b *bus.Bus) *Records { return &Records{b} }

// Posted implements [outbound.Records].
func (r *Records) Posted(ctx context.Context, q chat.QuestionID) (outbound.Record, error) {
	var rec outbound.Record
	revision, _, err := r.bus.Posted().Get(ctx, string(q), &rec)
	rec.Revision = revision
	return rec, err
}

// SetPosted implements [outbound.Records].
func (r *Records) SetPosted(ctx context.Context, q chat.QuestionID, rec outbound.Record) (revision uint64, err error) {
	revision, err = r.bus.Posted().Update(ctx, string(q), rec, rec.Revision)
	if errors.Is(err, bus.ErrConflict) {
		return 0, outbound.ErrOvertaken
	}
	return revision, err
}

// Close implements [outbound.Records].
func (r *Records) Close(ctx context.Context, q chat.QuestionID) (first bool, err error) {
	return r.bus.Posted().Create(ctx, string(q), outbound.Record{Done: true}, 0)
}

// parallelCloses is how many ends are being recorded while the queue is emptied.
const parallelCloses = 16

// DropWaiting removes the questions of a scope that are not younger than a mark from the queue, and tells how many of them it
// ended. One that a worker has in hand is ended by its answer, too: whichever is recorded first counts.
func (r *Records) DropWaiting(ctx context.Context, scope control.Scope, upto chat.Snowflake) (int, error) {
	var ended atomic.Int64
	var closing sync.WaitGroup
	room := make(chan struct{}, parallelCloses)
	err := r.bus.DropQuestions(ctx, scope, upto, func(q chat.QuestionID) {
		room <- struct{}{}
		closing.Go(func() {
			defer func() { <-room }()
			if first, err := r.Close(ctx, q); first || err != nil { // it is gone in any case
				ended.Add(1)
			}
		})
	})
	closing.Wait()
	return int(ended.Load()), err
}

// Answered implements [outbound.Records]. One that was forgotten at its asker's wish is none.
func (r *Records) Answered(ctx context.Context, a chat.Answer, earlier chat.QuestionID) (bool, error) {
	have, ok, err := r.bus.Answered(ctx, chat.Question{Guild: a.Guild, Channel: a.Channel, User: a.User, ID: earlier})
	return ok && have.Kind != "", err
}

var (
	_ inbound.Queue    = (*Queue)(nil)
	_ inbound.Link     = (*Queue)(nil)
	_ inbound.Claims   = (*bus.Bus)(nil)
	_ outbound.Claims  = (*bus.Bus)(nil)
	_ outbound.Records = (*Records)(nil)
	_ inbound.State    = (*bus.Mirror)(nil)
	_ outbound.State   = (*bus.Mirror)(nil)
)
