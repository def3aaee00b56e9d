package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
)

// result is what became of a load.
type result struct {
	asked, answered int
	took            time.Duration   // from the first question to the last answer
	waits           []time.Duration // MESSAGE_CREATE sent to POST received, ascending
	cpu             map[stack.Role]time.Duration
	// late is how far behind its schedule the load ever was: more than a little says that the machine is too busy to
	// believe the figures.
	late time.Duration
}

// add puts another result of the same kind to this one.
func (r *result) add(o result) {
	r.asked, r.answered, r.took = r.asked+o.asked, r.answered+o.answered, r.took+o.took
	r.waits = append(r.waits, o.waits...)
	slices.Sort(r.waits)
	r.late = max(r.late, o.late)
	if r.cpu == nil {
		r.cpu = map[stack.Role]time.Duration{}
	}
	for role, d := range o.cpu {
		r.cpu[role] += d
	}
}

// at is a percentile: the smallest wait that at least that part of all is not above (nearest rank).
func (r result) at(p float64) time.Duration { return percentile(r.waits, p) }

func percentile(ascending []time.Duration, p float64) time.Duration {
	if len(ascending) == 0 {
		return 0
	}
	rank := int(p*float64(len(ascending)) + 0.999999)
	return ascending[min(max(rank, 1), len(ascending))-1]
}

// perQuestion is processor time per answered question, of some roles together.
func (r result) perQuestion(roles ...stack.Role) time.Duration {
	var sum time.Duration
	for _, role := range roles {
		sum += r.cpu[role]
	}
	return sum / time.Duration(max(r.answered, 1))
}

// offer has people ask at a rate for a while, however long answers take (an open loop), and waits for the last answers,
// at most patience.
func (t *town) offer(ctx context.Context, rate float64, length, patience time.Duration) (result, error) {
	base := t.Discord.Counts().Posts
	before := t.cpu()
	sent := map[discordsim.ID]time.Time{}
	var r result
	begin := time.Now()
	total := int(rate * length.Seconds())
	for n := range total {
		due := begin.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		if pause := time.Until(due); pause > 0 {
			select {
			case <-ctx.Done():
				return r, ctx.Err()
			case <-time.After(pause):
			}
		}
		at := time.Now()
		r.late = max(r.late, at.Sub(due))
		id, err := t.say()
		if err != nil {
			return r, fmt.Errorf("ask: %w", err)
		}
		sent[id] = at
	}
	r.asked = total
	deadline := time.Now().Add(patience)
	for t.Discord.Counts().Posts-base < total && time.Now().Before(deadline) && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	after := t.cpu()
	r.cpu = map[stack.Role]time.Duration{}
	for role, d := range after {
		r.cpu[role] = d - before[role]
	}
	for _, p := range t.Discord.PostsSince(base) {
		at, ours := sent[p.Reference]
		if !ours {
			continue
		}
		delete(sent, p.Reference) // a second answer would not count
		r.answered++
		r.waits = append(r.waits, p.Received.Sub(at))
		r.took = max(r.took, p.Received.Sub(begin))
	}
	slices.Sort(r.waits)
	return r, ctx.Err()
}

// warm asks some questions that are not counted.
func (t *town) warm(ctx context.Context, rate float64) error {
	r, err := t.offer(ctx, rate, time.Second, 20*time.Second)
	if err == nil && r.answered < r.asked {
		err = fmt.Errorf("%s answered %d of %d questions", t.name, r.answered, r.asked)
	}
	return err
}
