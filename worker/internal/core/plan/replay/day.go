package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// day is what happens before any bot answers.
type day struct {
	members   int
	online    float64
	questions int
	tokens    int
	seed      uint64
}

// begin is the first instant of the day: the first of a month, with its budget untouched.
var begin = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

// hourly is how a chat server's day is spread over its hours, in questions of a hundred: quiet nights, school's end,
// and an evening in which everybody is there.
var hourly = [24]float64{1, 0.5, 0.5, 0.2, 0.2, 0.3, 0.6, 1, 1.4, 1.6, 2, 2.4, 3, 3, 3.2, 4.4, 6, 7, 8, 9.5, 27, 10.5, 5, 2.2}

// question is one line to the bot.
type question struct {
	at                 time.Time
	user               string
	prompt, completion int64 // tokens that the provider will count
	latency            time.Duration
}

// ask draws the day's questions, in order of time.
func (d day) ask() []question {
	r := rand.New(rand.NewPCG(d.seed, 2021))
	var sum float64
	for _, w := range hourly {
		sum += w
	}
	users := max(int(float64(d.members)*d.online), 1)
	out := make([]question, d.questions)
	for i := range out {
		x, hour := r.Float64()*sum, 0
		for x > hourly[hour] && hour < len(hourly)-1 {
			x -= hourly[hour]
			hour++
		}
		tokens := int64(d.tokens)
		// A few talk a lot: the square of an even chance.
		u := r.Float64()
		out[i] = question{
			at:   begin.Add(time.Duration(hour)*time.Hour + time.Duration(r.Int64N(int64(time.Hour)))),
			user: fmt.Sprint("u", int(u*u*float64(users))),
			// Half of the tokens are the question, half are the answer, each evenly from a little to twice the mean.
			prompt: 1 + r.Int64N(max(tokens, 1)), completion: 1 + r.Int64N(max(tokens, 1)),
			latency: 600*time.Millisecond + time.Duration(r.Int64N(int64(1800*time.Millisecond))),
		}
	}
	slices.SortFunc(out, func(a, b question) int { return a.at.Compare(b.at) })
	return out
}

// fate is what became of a question.
type fate int

const (
	atOnce fate = iota
	waited
	unanswered
)

// result is a day under one way of using keys.
type result struct {
	name    string
	fates   []fate
	at      []time.Time // when each was asked
	waits   []time.Duration
	refused int // calls that reached the provider beyond a limit
}

func (r *result) add(q question, f fate, wait time.Duration) {
	r.fates, r.at = append(r.fates, f), append(r.at, q.at)
	if f != unanswered {
		r.waits = append(r.waits, wait)
	}
}

func (r result) count(f fate) int {
	n := 0
	for _, have := range r.fates {
		if have == f {
			n++
		}
	}
	return n
}

func (r result) row() string {
	slices.Sort(r.waits)
	p := func(percent int) time.Duration {
		if len(r.waits) == 0 {
			return 0
		}
		return r.waits[min(len(r.waits)*percent/100, len(r.waits)-1)].Round(100 * time.Millisecond)
	}
	share := func(f fate) string {
		return fmt.Sprintf("%d (%.1f %%)", r.count(f), 100*float64(r.count(f))/float64(len(r.fates)))
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %d | %s / %s |", r.name, share(atOnce), share(waited), share(unanswered), r.refused, p(50), p(99))
}
