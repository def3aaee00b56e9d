package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
)

// ErrAnswered says that the question has an answer already: somebody else was first.
var ErrAnswered = errors.New("the question is answered already")

// PublishAnswer stores the answer to a question if there is none yet (create-only: expected last subject sequence 0).
// When there is one, it returns [ErrAnswered]; when it can't be known whether it was stored, any other error.
func (b *Bus) PublishAnswer(ctx context.Context, a chat.Answer) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	m := &nats.Msg{
		Subject: answerSubject(a.Guild, a.Channel, a.User, a.Question), Data: mustJSON(a), Header: nats.Header{},
	}
	inject(ctx, m.Header)
	_, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(0))
	if isCode(err, codeWrongLastSequence, codeWriteInFlight) {
		return ErrAnswered
	}
	if err != nil {
		return fmt.Errorf("publish answer: %w", err)
	}
	return nil
}

// Answered returns the stored answer to a question, as the leader has it; ok is false when there is none. An answer that
// was forgotten at its asker's wish has ok true and no text.
func (b *Bus) Answered(ctx context.Context, q chat.Question) (a chat.Answer, ok bool, err error) {
	return b.BeginAnswered(q).Get(ctx)
}

// BeginAnswered sends the request for the answer to a question, which is waited for later.
func (b *Bus) BeginAnswered(q chat.Question) *AnswerReading {
	return &AnswerReading{b.beginNewest(streamAnswers, answerSubject(q.Guild, q.Channel, q.User, q.ID)), q.ID}
}

// AnswerReading is the read of an answer that is under way.
type AnswerReading struct {
	r *reading
	q chat.QuestionID
}

// Get is [Bus.Answered] from here on. It is called once.
func (r *AnswerReading) Get(ctx context.Context) (a chat.Answer, ok bool, err error) {
	m, ok, err := r.r.end(ctx)
	if err != nil || !ok {
		return chat.Answer{}, false, err
	}
	if err := json.Unmarshal(m.data, &a); err != nil {
		return chat.Answer{Question: r.q}, true, nil
	}
	return a, true, nil
}

// Ended says whether a question's end is on record: its answer was posted or given up, or a stop took it out of the queue.
func (b *Bus) Ended(ctx context.Context, q chat.QuestionID) (bool, error) {
	var record struct {
		Done bool `json:"done"`
	}
	_, _, err := b.Posted().Get(ctx, string(q), &record)
	return record.Done, err
}

// forgotten is what takes the place of an answer that its asker had forgotten: the create-only guard stays.
var forgotten = []byte(`{"forgotten":true}`)

// ForgetAnswers replaces the stored answers of a user in a channel by nothing, but only those that posted says are on
// Discord already; it returns how many.
func (b *Bus) ForgetAnswers(ctx context.Context, g chat.GuildID, c chat.ChannelID, u chat.UserID, posted func(chat.QuestionID) bool) (int, error) {
	s, err := b.js.Stream(ctx, streamAnswers)
	if err != nil {
		return 0, fmt.Errorf("forget answers: %w", err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(answerSubject(g, c, u, "*")))
	if err != nil {
		return 0, fmt.Errorf("forget answers: %w", err)
	}
	n := 0
	for subject := range info.State.Subjects {
		m, ok, err := b.beginNewest(streamAnswers, subject).end(ctx)
		if err != nil {
			return n, fmt.Errorf("forget answers: %w", err)
		}
		a, err := chat.DecodeAnswer(m.data)
		if !ok || err != nil || !posted(a.Question) {
			continue
		}
		if _, err := b.js.Publish(ctx, subject, forgotten); err != nil {
			return n, fmt.Errorf("forget answers: %w", err)
		}
		n++
	}
	return n, nil
}

// PublishNotice stores a queue notice for the gateway. id makes it one, however often it is published.
func (b *Bus) PublishNotice(ctx context.Context, n chat.Notice) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	_, err := b.js.Publish(ctx, prefixNotice+string(n.Guild)+"."+string(n.Channel)+"."+string(n.Question), mustJSON(n),
		jetstream.WithExpectLastSequencePerSubject(0))
	if err != nil && !isCode(err, codeWrongLastSequence, codeWriteInFlight) {
		return fmt.Errorf("publish notice: %w", err)
	}
	return nil
}

// PublishTyping tells the gateways that a question runs; it may get lost.
func (b *Bus) PublishTyping(t chat.Typing) {
	_ = b.nc.Publish(prefixEvent+string(t.Guild)+"."+string(t.Channel)+".typing", mustJSON(t))
}

// SubscribeTyping calls f for every sign of typing until stop is called.
func (b *Bus) SubscribeTyping(f func(chat.Typing)) (stop func(), err error) {
	sub, err := b.nc.Subscribe(prefixEvent+"*.*.typing", func(m *nats.Msg) {
		var t chat.Typing
		if json.Unmarshal(m.Data, &t) == nil && t.Channel != "" {
			f(t)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to typing: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

// Posting is one answer or notice that a gateway is to post. Exactly one of Answer and Notice is set.
type Posting struct {
	Answer *chat.Answer
	Notice *chat.Notice
	// Stored is when it was published.
	Stored time.Time
	// Fresh says that it was never handed out before: this is the first delivery, over a connection that stood when it was
	// published. A server that is killed may forget that it delivered.
	Fresh bool

	d *delivery
}

// Settle ends the posting or hands it back; call it once.
func (p Posting) Settle(v retry.Verdict) { p.d.settle(v) }

// Context adds the trace that travels with the posting to ctx.
func (p Posting) Context(ctx context.Context) context.Context { return extract(ctx, p.d.msg.Headers()) }

// ConsumeAnswers hands every answer and notice to post, in the order of the stream, until ctx ends. One gateway at a
// time is given new ones; another takes over a few seconds after it died. post must not block for long, and owns the
// Posting until it settles it; renewal is done here. malformed is told of what can't be read, which is acknowledged.
func (b *Bus) ConsumeAnswers(ctx context.Context, post func(Posting), malformed func(raw string, err error)) {
	for ctx.Err() == nil {
		if err := b.pullAnswers(ctx, post, malformed); err != nil && ctx.Err() == nil {
			b.log.Debug().Err(err).Msg("the pull of answers begins anew")
			sleep(ctx, 250*time.Millisecond)
		}
	}
}

func (b *Bus) pullAnswers(ctx context.Context, post func(Posting), malformed func(string, error)) error {
	opening, cancel := bound(ctx)
	cons, err := b.js.Consumer(opening, streamAnswers, consumerGateways)
	cancel()
	if err != nil {
		return err
	}
	it, err := cons.Messages(jetstream.PullMaxMessages(64), jetstream.PullExpiry(2*time.Second),
		jetstream.PullHeartbeat(time.Second), jetstream.PullPriorityGroup(priorityGroup))
	if err != nil {
		return err
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue
		}
		if ctx.Err() != nil {
			b.leaveAnswers(it, m)
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		d := &delivery{msg: m, bus: b, subject: m.Subject()}
		p := Posting{d: d}
		if meta, err := m.Metadata(); err == nil {
			p.Stored, d.seq = meta.Timestamp, meta.Sequence.Stream
			p.Fresh = meta.NumDelivered == 1 && b.stoodAt(meta.Timestamp)
		}
		if err := p.read(m); err != nil {
			if !errors.Is(err, errForgotten) {
				malformed(clip(string(m.Data()), 4096), err)
			}
			d.settle(retry.Done)
			continue
		}
		d.keepAlive()
		post(p)
	}
}

// leaveAnswers hands back what was delivered and not taken over, and lets go of the pin, so that another gateway goes on
// at once and not only when this one is missed.
func (b *Bus) leaveAnswers(it jetstream.MessagesContext, m jetstream.Msg) {
	if m != nil {
		_ = m.Nak()
	}
	it.Drain()
	for {
		m, err := it.Next(jetstream.NextMaxWait(100 * time.Millisecond))
		if err != nil {
			break
		}
		_ = m.Nak()
	}
	if b.Ready() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := b.nc.RequestWithContext(ctx, "$JS.API.CONSUMER.UNPIN."+streamAnswers+"."+consumerGateways, mustJSON(struct {
		Group string `json:"group"`
	}{priorityGroup}))
	if err != nil {
		b.log.Debug().Err(err).Msg("the pin of the answers was not given up; another gateway has it in a few seconds")
	}
}

var errForgotten = errors.New("forgotten")

func (p *Posting) read(m jetstream.Msg) error {
	if string(m.Data()) == string(forgotten) {
		return errForgotten
	}
	if len(m.Subject()) > len(prefixNotice) && m.Subject()[:len(prefixNotice)] == prefixNotice {
		var n chat.Notice
		if err := json.Unmarshal(m.Data(), &n); err != nil {
			return err
		}
		if n.Channel == "" || n.Message == "" || n.Text == "" {
			return chat.ErrIncomplete
		}
		p.Notice = &n
		return nil
	}
	a, err := chat.DecodeAnswer(m.Data())
	if err != nil {
		return err
	}
	p.Answer = &a
	return nil
}
