package outbound

import (
	"context"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
)

// markWithin is how old a question that still waits can be at most; an older id says nothing about time.
const markWithin = 24 * time.Hour

// notice posts a queue notice while it is still true: the time that it names is ahead and the question is open. It is
// no ending, so one that can't be posted is given up.
func (p *Poster) notice(ctx context.Context, d Delivery, n chat.Notice) {
	a := chat.Answer{
		Question: n.Question, Guild: n.Guild, Channel: n.Channel, User: n.User, Message: n.Message, Text: n.Text,
		Mark: n.Message.Snowflake(),
	}
	if time.Since(a.Mark.Time()) > markWithin {
		a.Mark = 0
	}
	for attempt := 1; ; attempt++ {
		e, err := p.tryNotice(ctx, a, n.Until)
		if err == nil {
			e.Answer, e.Queue = a, true
			if e.Outcome != "" {
				p.watcher.Ended(e)
			}
			d.Settle(retry.Done)
			return
		}
		wait := p.backoff(attempt, err)
		if ctx.Err() == nil {
			p.watcher.Again(a, attempt, wait, err)
		}
		if !p.pause(ctx, wait) {
			d.Settle(retry.After(0))
			return
		}
	}
}

// noticeID is what a notice is recorded under.
func noticeID(q chat.QuestionID) chat.QuestionID { return q + "-q" }

func (p *Poster) tryNotice(ctx context.Context, a chat.Answer, until time.Time) (End, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.TryWithin)
	defer cancel()
	id := noticeID(a.Question)
	record, err := p.records.Posted(ctx, id)
	if err != nil || record.Done {
		return End{}, err
	}
	if r, err := p.records.Posted(ctx, a.Question); err != nil {
		return End{}, err
	} else if !time.Now().Before(until) || r.Done || p.ended.is(a.Question) {
		return End{Outcome: Dropped, Reason: reasonOld}, nil
	}
	give := p.turns.take(ctx, a.Channel)
	if give == nil {
		return End{}, ctx.Err()
	}
	defer give()
	fly, landed := p.flights.begin(ctx, a.Guild)
	defer landed()
	if why := p.unwanted(a); why != "" {
		return End{Outcome: Dropped, Reason: why}, nil
	}
	m, err := p.discord.Post(fly, Post{Channel: a.Channel, Text: a.Text, ReplyTo: a.Message, Nonce: Nonce(string(a.Question), "q"), Ping: a.User})
	switch ClassOf(err) {
	case ClassNone, ClassRetry, ClassUnauthorized:
		if err != nil {
			return End{}, err
		}
	case ClassGone:
		return End{Outcome: Dropped, Reason: reasonChannel}, nil
	case ClassHidden:
		return End{Outcome: Dropped, Reason: reasonHidden}, nil
	default:
		e := End{Outcome: Failed, Reason: ClassOf(err).String(), Err: err}
		if f, ok := err.(Failure); ok {
			e.Advice = f.Advice()
		}
		return e, nil
	}
	record.Parts, record.Done = []chat.MessageID{m}, true
	if _, err := p.records.SetPosted(ctx, id, record); err != nil {
		return End{}, err // the next try finds the nonce
	}
	return End{Outcome: Noticed, Parts: 1}, nil
}
