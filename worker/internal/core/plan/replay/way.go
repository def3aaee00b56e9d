package main

import (
	"container/heap"
	"fmt"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

// meter is the provider's own count of one key.
type meter struct {
	limits budget.Limits
	used   map[string]int64
}

// admit books a call and says whether the provider serves it: a refused one counts as a request, too.
func (m *meter) admit(t time.Time, tokens int64) bool {
	served := true
	for _, l := range m.limits {
		k := fmt.Sprint(l, l.Window.ID(t))
		if m.used[k] >= l.Amount {
			served = false
		}
	}
	for _, l := range m.limits {
		k := fmt.Sprint(l, l.Window.ID(t))
		switch {
		case l.Unit == budget.Requests:
			m.used[k]++
		case served:
			m.used[k] += tokens
		}
	}
	return served
}

func meters(limits budget.Limits, n int) []*meter {
	ms := make([]*meter, n)
	for i := range ms {
		ms[i] = &meter{limits: limits, used: map[string]int64{}}
	}
	return ms
}

// original is the bot as it was: each question is one call with the current key. A call that is refused brings no
// answer; with two keys the bot then switches to the other one, and stays there until that one is refused.
func original(name string, asked []question, limits budget.Limits, keys int) result {
	r := result{name: name}
	ms := meters(limits, keys)
	current := 0
	for _, q := range asked {
		if ms[current].admit(q.at, q.prompt+q.completion) {
			r.add(q, atOnce, 0)
			continue
		}
		r.refused++
		r.add(q, unanswered, 0)
		current = (current + 1) % keys
	}
	return r
}

// concurrency is how many calls the workers make at a time; maxTokens is HF_MAX_TOKENS; the bound on a prompt is some
// more than it has in truth.
const (
	concurrency = 16
	maxTokens   = 48
	boundFactor = 2
)

// event is something that happens at a time: a question comes, a call ends, a window opens.
type event struct {
	at time.Time
	n  int // order among events of the same time
	do func(t time.Time)
}

type agenda []*event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].n < a[j].n
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(e any)   { *a = append(*a, e.(*event)) }
func (a *agenda) Pop() any {
	old := *a
	e := old[len(old)-1]
	*a = old[:len(old)-1]
	return e
}

// house is Salamander in virtual time: a queue, workers, and one budget document for each key.
type house struct {
	result
	docs    []*budget.Document
	meters  []*meter
	within  time.Duration
	agenda  agenda
	n       int
	queue   []question
	running int
	wake    time.Time // of the event that looks again
}

func (h *house) plan(t time.Time, do func(time.Time)) {
	h.n++
	heap.Push(&h.agenda, &event{at: t, n: h.n, do: do})
}

// ledger is Salamander: the first key that admits the question; else it waits, as long as it may.
func ledger(name string, asked []question, limits budget.Limits, keys int, within time.Duration) result {
	h := &house{result: result{name: name}, meters: meters(limits, keys), within: within}
	for range keys {
		h.docs = append(h.docs, budget.NewDocument(limits, begin))
	}
	for _, q := range asked {
		h.plan(q.at, func(t time.Time) {
			h.queue = append(h.queue, q)
			h.work(t)
		})
	}
	for h.agenda.Len() > 0 {
		e := heap.Pop(&h.agenda).(*event)
		e.do(e.at)
	}
	for _, q := range h.queue {
		h.add(q, unanswered, 0)
	}
	return h.result
}

// work starts calls for the questions that wait, oldest first, until the budget or the workers are used up.
func (h *house) work(t time.Time) {
	for len(h.queue) > 0 && h.running < concurrency {
		q := h.queue[0]
		if t.Sub(q.at) > h.within {
			h.queue = h.queue[1:]
			h.add(q, unanswered, 0)
			continue
		}
		until := h.call(t, q)
		if until.IsZero() {
			h.queue = h.queue[1:]
			continue
		}
		if h.wake.Before(t) || until.Before(h.wake) {
			h.wake = until
			h.plan(until, h.work)
		}
		return
	}
}

// call makes the call with the first key that admits it, or says when one may.
func (h *house) call(t time.Time, q question) (until time.Time) {
	h.n++
	ask := budget.Ask{Lease: fmt.Sprint(h.n), Prompt: boundFactor * q.prompt, Max: maxTokens, Hold: time.Minute, ClockError: time.Millisecond}
	for i, d := range h.docs {
		v := d.Reserve(t, ask)
		if !v.Granted {
			if until.IsZero() || v.Until.Before(until) {
				until = v.Until
			}
			continue
		}
		completion := min(q.completion, v.Lease.Max)
		if !h.meters[i].admit(t, q.prompt+completion) {
			h.refused++ // never: the tests count it
		}
		f := atOnce
		if t.After(q.at.Add(time.Second)) {
			f = waited
		}
		h.add(q, f, t.Sub(q.at))
		h.running++
		granted := t
		h.plan(t.Add(q.latency), func(t time.Time) {
			h.running--
			d.Settle(t, budget.Settlement{Lease: ask.Lease, Granted: granted, Outcome: budget.Outcome{
				Kind: budget.Success, UsageKnown: true, Prompt: q.prompt, Completion: completion}})
			h.work(t)
		})
		return time.Time{}
	}
	return until
}
