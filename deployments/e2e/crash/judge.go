package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"salamander.dev/shared/sim/discordsim"
)

// typingEvery is the least time between two signs of typing in a channel: 8 s (CONTRACT 3), less what two processes on a
// loaded machine may differ in on their way to Discord.
const typingEvery = 6 * time.Second

// question is one message that a user sent.
type question struct {
	id      discordsim.ID
	user    int
	room    discordsim.ID
	at      time.Time
	deleted bool // by its author, at some time: no answer is fine
}

// verdict is what the books of the simulated Discord say.
type verdict struct {
	asked                        int
	lost, twice, disorder, noise int // noise: signs of typing too soon
	late                         int // over 15 s
	waits                        []time.Duration
	faults                       []string
}

func (v *verdict) fail(count *int, format string, args ...any) {
	*count++
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

// judge compares what was asked, oldest first, with what was posted. A queue notice is no ending, but there are no limits
// in the suite, so that there are none.
func judge(asked []question, posts []discordsim.Post, typing []discordsim.TypingCall) *verdict {
	v := &verdict{asked: len(asked)}
	replies := map[discordsim.ID][]discordsim.Post{}
	for _, p := range posts {
		to := p.Reference
		if to == 0 {
			to = p.Channel // a thread has the id of the message that it stands on
		}
		replies[to] = append(replies[to], p)
	}
	type lane struct {
		user int
		room discordsim.ID
	}
	newest := map[lane]discordsim.Post{}
	for _, q := range asked {
		got := replies[q.id]
		switch {
		case len(got) == 0:
			if !q.deleted {
				v.fail(&v.lost, "question %v (user %d, %s after the start, at %s) has no answer", q.id, q.user,
					q.at.Sub(asked[0].at).Round(time.Millisecond), q.at.Format(clock))
			}
			continue
		case len(got) > 1:
			v.fail(&v.twice, "question %v of %s has %d answers:", q.id, q.at.Format(clock), len(got))
			for _, p := range got {
				v.faults = append(v.faults, fmt.Sprintf("    %v nonce %s at %s: %.60q", p.ID, p.Nonce, p.Received.Format(clock), p.Content))
			}
		}
		wait := got[0].Received.Sub(q.at)
		v.waits = append(v.waits, wait)
		if wait > 15*time.Second {
			v.late++
		}
		key := lane{q.user, q.room}
		if last := newest[key]; got[0].ID < last.ID {
			v.fail(&v.disorder, "question %v of user %d, asked at %s, was answered at %s, before an older one to which %v is the answer, at %s",
				q.id, q.user, q.at.Format(clock), got[0].Received.Format(clock), last.ID, last.Received.Format(clock))
			continue
		}
		newest[key] = got[0]
	}
	last := map[discordsim.ID]time.Time{}
	for _, t := range typing {
		if before, ok := last[t.Channel]; ok && t.At.Sub(before) < typingEvery {
			v.fail(&v.noise, "typing in channel %v at %s, %s after the one before", t.Channel, t.At.Format(clock), t.At.Sub(before).Round(time.Millisecond))
		}
		last[t.Channel] = t.At
	}
	slices.Sort(v.waits)
	return v
}

const clock = "15:04:05.000"

// at is a quantile of the waits.
func (v *verdict) at(p float64) time.Duration {
	if len(v.waits) == 0 {
		return 0
	}
	return v.waits[int(p*float64(len(v.waits)-1))].Round(time.Millisecond)
}

func (v *verdict) String() string {
	return fmt.Sprintf("asked %d  lost %d  twice %d  out of order %d  typing too soon %d  over 15 s %d  p50 %s  p99 %s  max %s",
		v.asked, v.lost, v.twice, v.disorder, v.noise, v.late, v.at(0.5), v.at(0.99), v.at(1))
}

// again is longer than a redelivery takes: what would be said twice is said by then.
const again = 12 * time.Second

// settled waits until every question has an answer, at most for settle, and then long enough for doubles to show.
func (s *suite) settled(ctx context.Context) *verdict {
	ids := make([]discordsim.ID, 0, len(s.asked))
	for _, q := range s.asked {
		if !q.deleted {
			ids = append(ids, q.id)
		}
	}
	limit, cancel := context.WithTimeout(ctx, s.settle)
	defer cancel()
	for open := len(ids); open > 0 && limit.Err() == nil; {
		open = 0
		for _, n := range s.Discord.ReplyCounts(ids) {
			if n == 0 {
				open++
			}
		}
		rest(limit, 250*time.Millisecond)
	}
	rest(ctx, again)
	return judge(s.asked, s.Discord.Posts(), s.Discord.Typing(0))
}

// rest waits for d or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
