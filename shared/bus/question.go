package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// ErrFull says that a bound of the queue refuses the question: there are too many of this user's, or of all.
var ErrFull = errors.New("the queue of questions is full")

// Server error codes (nats-server errors.json): refused by a bound, and a failed compare-and-set in its two forms.
const (
	codeStoreFailed       = 10077
	codeWrongLastSequence = 10071
	codeWriteInFlight     = 10164
)

// PublishQuestion stores a question; it is taken when this returns nil. duplicate says that it was taken before. It
// returns [ErrFull] when a bound refuses it; every other error may be tried again with the same question.
func (b *Bus) PublishQuestion(ctx context.Context, q chat.Question) (duplicate bool, err error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return false, fmt.Errorf("encode question: %w", err)
	}
	m := &nats.Msg{Subject: questionSubject(q.Guild, q.Channel, q.User), Data: body, Header: nats.Header{}}
	inject(ctx, m.Header)
	ack, err := b.js.PublishMsg(ctx, m, jetstream.WithMsgID(string(q.ID)))
	if err != nil {
		if isCode(err, codeStoreFailed) {
			return false, ErrFull
		}
		return false, fmt.Errorf("publish question: %w", err)
	}
	return ack.Duplicate, nil
}

// Waiting tells what lies in the queue for a scope: open questions, running ones included.
func (b *Bus) Waiting(ctx context.Context, scope control.Scope) (int, error) {
	n := 0
	err := b.eachSubject(ctx, guildFilter(scope), func(_ string, count uint64) { n += int(count) })
	return n, err
}

// WaitingUsers tells how many open questions each user has, over all servers.
func (b *Bus) WaitingUsers(ctx context.Context) (map[chat.UserID]int, error) {
	users := map[chat.UserID]int{}
	err := b.eachSubject(ctx, guildFilter(control.Fleet), func(subject string, count uint64) {
		users[chat.UserID(subject[strings.LastIndexByte(subject, '.')+1:])] += int(count)
	})
	return users, err
}

func (b *Bus) eachSubject(ctx context.Context, filter string, f func(string, uint64)) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	if err := b.eachSubjectOf(ctx, streamQuestions, filter, f); err != nil {
		return fmt.Errorf("look at the queue: %w", err)
	}
	return nil
}

// Queue tells how many questions are open in all and when the oldest was stored (zero when there is none).
func (b *Bus) Queue(ctx context.Context) (open int, oldest time.Time, err error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	s, err := b.js.Stream(ctx, streamQuestions)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("look at the queue: %w", err)
	}
	if st := s.CachedInfo().State; st.Msgs > 0 {
		return int(st.Msgs), st.FirstTime, nil
	}
	return 0, time.Time{}, nil
}

// DropQuestions removes the questions of a scope that lie in the queue and are not younger than a mark, and calls removed
// with each; it goes on until ctx ends. One may be in a worker's hands, which ends it too. Only the gateway has the right to.
//
// It deletes one after another. A purge by subject would be a single request, but nats-server (2.15.2, consumer.purge)
// then forgets the redeliveries of every question that was handed back, of whatever scope: each comes again only when its
// acknowledgement is overdue, and never if the server is killed before.
func (b *Bus) DropQuestions(ctx context.Context, scope control.Scope, upto chat.Snowflake, removed func(chat.QuestionID)) error {
	open, err := b.Waiting(ctx, scope)
	if err != nil || open == 0 {
		return err
	}
	for seq := uint64(1); ; seq++ {
		m, ok, err := b.beginOldest(streamQuestions, guildFilter(scope), seq).end(ctx)
		if err != nil || !ok {
			return err
		}
		seq = m.seq
		q, unreadable := chat.DecodeQuestion(m.data)
		if unreadable == nil && q.Mark > upto {
			continue
		}
		there, err := b.deleteMessage(ctx, streamQuestions, seq)
		if err != nil {
			return err
		}
		if there && unreadable == nil { // what can't be read is no question
			removed(q.ID)
		}
	}
}

// inject writes the trace that ctx carries into a message's headers; extract reads it back.
func inject(ctx context.Context, h nats.Header) {
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(h))
}

func extract(ctx context.Context, h nats.Header) context.Context {
	if len(h) == 0 {
		return ctx
	}
	return otel.GetTextMapPropagator().Extract(ctx, propagation.HeaderCarrier(h))
}

// isCode says whether an error is the server's answer with one of the codes.
func isCode(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, c := range codes {
		if api.ErrorCode == c {
			return true
		}
	}
	return false
}
