package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"salamander.dev/shared/sim/discordsim"
)

// playgroundGuild is the server that deployments/sim lays out.
const playgroundGuild discordsim.ID = 100000000000000001

// crowd are users who ask in channels of their own.
type crowd struct {
	*project
	bot           discordsim.ID
	people, rooms []discordsim.ID

	mu            sync.Mutex
	before, asked []question
	next          int
}

// question is one message that a user sent.
type question struct {
	id discordsim.ID
	at time.Time
}

// newCrowd adds n users, and a channel for every four, so that Discord's bound per channel is no bound here.
func (p *project) newCrowd(ctx context.Context, n int) (*crowd, error) {
	bot, err := p.discord.BotID(ctx)
	if err != nil {
		return nil, err
	}
	c := &crowd{project: p, bot: bot}
	for i := range n {
		if i%4 == 0 {
			room, err := p.discord.AddChannel(ctx, discordsim.Channel{Guild: playgroundGuild, Name: fmt.Sprint("room-", i)})
			if err != nil {
				return nil, err
			}
			c.rooms = append(c.rooms, room.ID)
		}
		u, err := p.discord.AddUser(ctx, discordsim.User{Name: fmt.Sprint("user-", i)})
		if err != nil {
			return nil, err
		}
		if err := p.discord.AddMember(ctx, playgroundGuild, u.ID); err != nil {
			return nil, err
		}
		c.people = append(c.people, u.ID)
	}
	return c, nil
}

// ask has one user ask.
func (c *crowd) ask(ctx context.Context) error {
	c.mu.Lock()
	n := c.next
	c.next++
	c.mu.Unlock()
	u := n % len(c.people)
	at := time.Now()
	m, err := c.discord.Say(ctx, c.rooms[u/4], c.people[u], fmt.Sprintf("<@%s> question %d", c.bot, n))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, question{m.ID, at})
	return nil
}

// perAsker is how many questions a second one goroutine asks at most: each waits until the simulator took its question.
const perAsker = 4

// during asks at the rate while do runs.
func (c *crowd) during(ctx context.Context, rate float64, do func() error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	askers := int(rate/perAsker) + 1
	failed := make([]error, askers)
	var wait sync.WaitGroup
	for i := range askers {
		wait.Go(func() { failed[i] = c.askEvery(ctx, time.Duration(float64(askers)/rate*float64(time.Second))) })
	}
	err := do()
	stop()
	wait.Wait()
	return errors.Join(append(failed, err)...)
}

// askEvery asks once in every span until ctx ends.
func (c *crowd) askEvery(ctx context.Context, span time.Duration) error {
	tick := time.NewTicker(span)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := c.ask(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
}

// verdict is what the simulated Discord's books say of the questions so far.
type verdict struct {
	asked, lost, twice int
	p50, p99, most     time.Duration // from asking to the answer
	pause              time.Duration // the longest time in which nothing was posted
	times              []time.Time   // of the answers, in order
}

func (v verdict) String() string {
	return fmt.Sprintf("%d asked, %d lost, %d twice; answered after p50 %s, p99 %s, at most %s; longest time without an answer %s",
		v.asked, v.lost, v.twice, v.p50.Round(time.Millisecond), v.p99.Round(10*time.Millisecond), v.most.Round(10*time.Millisecond),
		v.pause.Round(10*time.Millisecond))
}

// settle waits until every question has an answer, and judges.
func (c *crowd) settle(ctx context.Context, limit time.Duration) (verdict, error) {
	end := time.Now().Add(limit)
	for {
		counts, err := c.counts(ctx, c.asked)
		if err != nil {
			return verdict{}, err
		}
		if len(counts) == len(c.asked) || time.Now().After(end) {
			return c.judge(ctx, counts)
		}
		if err := c.rest(ctx, 500*time.Millisecond); err != nil {
			return verdict{}, err
		}
	}
}

// redelivery is longer than what was not acknowledged waits for its next try: what would be said twice is said by then.
const redelivery = 12 * time.Second

// twice fails if any question since the start has a second answer, also a late one.
func (c *crowd) twice(ctx context.Context) error {
	if err := c.rest(ctx, redelivery); err != nil {
		return err
	}
	all := append(c.before, c.asked...)
	counts, err := c.counts(ctx, all)
	if err != nil {
		return err
	}
	for _, q := range all {
		if n := counts[q.id]; n != 1 {
			return fmt.Errorf("question %s has %d answers in the end", q.id, n)
		}
	}
	c.found("in the end", "%d questions, each with one answer", len(all))
	return nil
}

// counts are the numbers of answers of the questions that have any.
func (c *crowd) counts(ctx context.Context, of []question) (map[discordsim.ID]int, error) {
	ids := make([]discordsim.ID, len(of))
	for i, q := range of {
		ids[i] = q.id
	}
	counts, err := c.discord.ReplyCounts(ctx, ids)
	maps.DeleteFunc(counts, func(_ discordsim.ID, n int) bool { return n == 0 })
	return counts, err
}

func (c *crowd) judge(ctx context.Context, counts map[discordsim.ID]int) (verdict, error) {
	posts, err := c.discord.Posts(ctx, 0)
	if err != nil {
		return verdict{}, err
	}
	first := map[discordsim.ID]time.Time{}
	for _, p := range posts {
		if _, seen := first[p.Reference]; !seen && p.Reference != 0 {
			first[p.Reference] = p.Received
		}
	}
	v := verdict{asked: len(c.asked)}
	var waits []time.Duration
	for _, q := range c.asked {
		switch n := counts[q.id]; {
		case n == 0:
			v.lost++
			c.say("question %s, asked %s, has no answer", q.id, q.at.Format("15:04:05.000"))
		case n > 1:
			v.twice++
			c.say("question %s, asked %s, has %d answers", q.id, q.at.Format("15:04:05.000"), n)
		}
		if at, ok := first[q.id]; ok {
			waits, v.times = append(waits, at.Sub(q.at)), append(v.times, at)
		}
	}
	if len(waits) > 0 {
		slices.Sort(waits)
		v.p50, v.p99, v.most = waits[len(waits)/2], waits[len(waits)*99/100], waits[len(waits)-1]
	}
	slices.SortFunc(v.times, time.Time.Compare)
	for i := 1; i < len(v.times); i++ {
		v.pause = max(v.pause, v.times[i].Sub(v.times[i-1]))
	}
	if v.lost+v.twice > 0 {
		return v, fmt.Errorf("the books do not agree: %s", v)
	}
	return v, nil
}

// forget begins a new count; twice still looks at what was asked before.
func (c *crowd) forget() { c.before, c.asked = append(c.before, c.asked...), nil }
