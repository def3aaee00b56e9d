package inbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"salamander.dev/shared/chat"
)

// take brings one question into the queue, or finds out why not. It tries as long as the queue is away; false means
// that ctx ended first.
func (d *Desk) take(ctx context.Context, p *pending) bool {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, d.cfg.RetryMax) {
		err := d.tryTake(ctx, p)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		d.d.Watcher.Trouble(p.m, err)
		if !pause(ctx, wait) || d.d.Link.Await(ctx) != nil {
			return false
		}
	}
}

// tryTake goes through every step once; an error means that nothing is known yet. Each step can be repeated.
func (d *Desk) tryTake(ctx context.Context, p *pending) error {
	m := p.m
	if o := d.silenced(m); o != "" {
		d.d.Watcher.Outcome(o, m)
		return nil
	}
	if m.CaughtUp {
		ended, err := d.d.Queue.Ended(ctx, p.question)
		if err != nil {
			return fmt.Errorf("look for an answer: %w", err)
		}
		if ended {
			return nil
		}
	}
	key, ends := d.cfg.Rate.key(m.Author, saidAt(m))
	counted := true
	if d.cfg.Rate.Questions <= maxCounted {
		var err error
		if counted, err = d.d.Counter.Count(ctx, key, m.ID, d.cfg.Rate.Questions); err != nil {
			return fmt.Errorf("count the user's questions: %w", err)
		}
	}
	if !counted {
		d.d.Watcher.Outcome(RateLimited, m)
		d.sayOnce(ctx, "rate."+key, ends, m, TooMany, fmt.Sprintf("That is enough for now: I take %d questions in %s from each of you, and listen to you again <t:%d:R>.",
			d.cfg.Rate.Questions, span(d.cfg.Rate.Window), ends.Unix()))
		return nil
	}
	return d.publish(ctx, p, key, ends)
}

// publish is the step after which a question is taken.
func (d *Desk) publish(ctx context.Context, p *pending, key string, ends time.Time) error {
	p.mu.Lock()
	again := p.sent
	p.mu.Unlock()
	q, ok := p.send()
	if !ok {
		d.d.Watcher.Outcome(Ignored, p.m) // deleted before it was ever sent
		return nil
	}
	lane := laneKey{q.Channel, q.User}
	q.Previous = d.previous.get(lane)
	d.d.Watcher.Takes(q)
	duplicate, err := d.d.Queue.Publish(ctx, q)
	switch {
	case errors.Is(err, ErrFull):
		return d.refuseFull(ctx, p, q, "full."+key, ends)
	case err != nil:
		return fmt.Errorf("publish the question: %w", err)
	}
	d.previous.set(lane, q.ID)
	// A duplicate after a try whose end is not known is our own.
	duplicate = duplicate && !again
	if !duplicate {
		d.d.Watcher.Outcome(Taken, p.m)
	}
	d.d.Watcher.Took(q, duplicate)
	return nil
}

// refuseFull tells the author that the queue has no room, once per user and window.
//
// Another gateway that hears the same message may find room for it. So the refusal is noted before it is said, and a question
// that another one brought into the queue by then is left to its worker, which answers it, or ends it with the same notice if
// it saw the note. One that only now finds room here ends so in any case, and its author need not wait for it.
func (d *Desk) refuseFull(ctx context.Context, p *pending, q chat.Question, name string, ends time.Time) error {
	if !p.refusing && !d.once(ctx, name, ends) {
		d.d.Watcher.Outcome(RateLimited, p.m)
		return nil
	}
	p.refusing = true // also at the next try, should this one fail
	if err := d.d.Queue.Refuse(ctx, q.ID); err != nil {
		return fmt.Errorf("note a refusal: %w", err)
	}
	theirs, err := d.d.Queue.Publish(ctx, q)
	if errors.Is(err, ErrFull) { // a NATS server that was restarted may have forgotten that it was there
		theirs, err = d.d.Queue.Answered(ctx, q)
	}
	if err != nil {
		return fmt.Errorf("look whether the question was taken: %w", err)
	}
	if !theirs {
		d.d.Voice.Say(p.m, NoRoom, chat.TextFull, time.Time{})
	}
	d.d.Watcher.Outcome(RateLimited, p.m)
	return nil
}

// silenced says why the bot must not listen, if so.
func (d *Desk) silenced(m Message) Outcome {
	switch s := d.d.State; {
	case m.Guild != chat.DM && s.Muted(m.Guild, m.Author, time.Now()):
		return Muted
	case s.Stopped(m.Guild), m.Mark() <= s.DropBefore(m.Guild):
		return Stopped
	}
	return ""
}

// refuse tells the author that the question can't be held while the queue is away. Nobody else can be asked whether it
// was said already, so each gateway says it once.
func (d *Desk) refuse(m Message) {
	d.d.Watcher.Outcome(RateLimited, m)
	key, ends := d.cfg.Rate.key(m.Author, saidAt(m))
	if d.told.first("hold."+key, ends) {
		d.d.Voice.Say(m, NoRoom, chat.TextFull, time.Time{})
	}
}

// sayOnce says a word once per user and window, whichever gateway gets there first.
func (d *Desk) sayOnce(ctx context.Context, name string, ends time.Time, m Message, w Word, text string) {
	if d.once(ctx, name, ends) {
		d.d.Voice.Say(m, w, text, ends)
	}
}

// once says whether this gateway is the one to say a word; better twice than never.
func (d *Desk) once(ctx context.Context, name string, ends time.Time) bool {
	if !d.told.first(name, ends) {
		return false
	}
	mine, err := d.d.Claims.Claim(ctx, name, max(time.Until(ends), time.Second)+time.Minute)
	return err != nil || mine
}

// pause waits; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// span writes a window's length for people.
func span(d time.Duration) string {
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := d / u.d; d%u.d == 0 && n > 0 {
			if n == 1 {
				return article(u.name)
			}
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return d.String()
}

func article(noun string) string {
	if noun == "hour" {
		return "an hour"
	}
	return "a " + noun
}
