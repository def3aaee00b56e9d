package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// heartbeat is Discord's interval while the time to notice a dead connection is measured.
const heartbeat = 4 * time.Second

// table collects one kind of time.
type table struct {
	name string
	all  []time.Duration
}

func (t *table) add(d time.Duration) { t.all = append(t.all, d) }

func (t *table) print() {
	if len(t.all) == 0 {
		return
	}
	slices.Sort(t.all)
	fmt.Printf("%-62s n=%-3d median %8s  max %8s\n", t.name, len(t.all), t.all[len(t.all)/2].Round(time.Millisecond), t.all[len(t.all)-1].Round(time.Millisecond))
}

// runMeasure measures, so many times each, how long it takes until all goes on after one thing died, on a system that is
// idle but for what is measured.
func runMeasure(ctx context.Context, c config, rounds int) (ok bool, err error) {
	calls := &callBook{at: map[string][]time.Time{}}
	h := &hfsim.Server{Reply: hfsim.Echo, Seed: c.seed, Latency: calls.latency}
	s, err := start(ctx, c, &discordsim.Server{Seed: c.seed, KeepBodies: -1, HeartbeatInterval: heartbeat, IdentifyEvery: 50 * time.Millisecond, SessionStarts: 100_000}, h)
	if err != nil {
		return false, err
	}
	defer s.close()
	fmt.Printf("%d times each, with %d gateways and %d workers\n", rounds, c.gateways, c.workers)
	for _, m := range []struct {
		name string
		run  func(context.Context, *callBook, int) error
	}{{"worker", s.measureWorker}, {"nats", s.measureNATS}, {"gateway", s.measureGateway}, {"discord", s.measureDiscord}} {
		if c.only != "" && !slices.Contains(strings.Split(c.only, ","), m.name) {
			continue
		}
		if err := m.run(ctx, calls, rounds); err != nil {
			s.log.dump()
			return false, err
		}
	}
	v := s.settled(ctx)
	fmt.Println(v)
	return s.tell(v.faults), nil
}

// callBook notes when the model was called for which question, and how long it is to think.
type callBook struct {
	mu    sync.Mutex
	at    map[string][]time.Time
	think time.Duration
}

func (b *callBook) latency(r hfsim.Request) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at[r.Question] = append(b.at[r.Question], time.Now())
	return b.think
}

func (b *callBook) set(think time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.think = think
}

// of are the calls for a question; the prompt holds its text.
func (b *callBook) of(text string) []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.at[text])
}

// until polls a condition; an error when it takes longer than a minute.
func until(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("never: "+what))
	defer cancel()
	for !ok() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rest(ctx, 2*time.Millisecond)
	}
	return nil
}

// answered waits for the answer to the newest question.
func (s *suite) answered(ctx context.Context) error {
	q := s.asked[len(s.asked)-1]
	return until(ctx, "an answer to "+q.id.String(), func() bool { return s.Discord.ReplyCount(q.id) > 0 })
}

// measureWorker kills a worker in the middle of its calls.
func (s *suite) measureWorker(ctx context.Context, calls *callBook, rounds int) error {
	again := &table{name: "worker killed in a call → called again by another"}
	paid := 0
	for round := range rounds {
		calls.set(2 * time.Second)
		var texts []string
		for i := range 12 {
			texts = append(texts, fmt.Sprintf("worker round %d question %d", round, i))
			if err := s.say(i, texts[i]); err != nil {
				return err
			}
		}
		if err := until(ctx, "all are called", func() bool {
			n := 0
			for _, t := range texts {
				n += min(len(calls.of(t)), 1)
			}
			return n == len(texts)
		}); err != nil {
			return err
		}
		killed := time.Now()
		p := s.Running(stack.Worker)[0]
		p.Kill()
		if _, err := s.Start(stack.Worker, nil); err != nil {
			return err
		}
		calls.set(0)
		for _, q := range s.asked[len(s.asked)-12:] {
			if err := until(ctx, "an answer to "+q.id.String(), func() bool { return s.Discord.ReplyCount(q.id) > 0 }); err != nil {
				return err
			}
		}
		for _, t := range texts {
			at := calls.of(t)
			paid += len(at)
			if len(at) > 1 {
				again.add(at[len(at)-1].Sub(killed))
			}
		}
		if err := s.Ready(ctx, s.Running(stack.Worker)[len(s.Running(stack.Worker))-1]); err != nil {
			return err
		}
	}
	again.print()
	fmt.Printf("    %d questions, %d calls\n", 12*rounds, paid)
	return nil
}

// measureNATS kills NATS and starts it again after three seconds.
func (s *suite) measureNATS(ctx context.Context, _ *callBook, rounds int) error {
	ready := &table{name: "NATS back → every process is ready"}
	first := &table{name: "NATS back → a question asked then is answered"}
	held := &table{name: "NATS back → a question held meanwhile is answered"}
	stop := &table{name: "NATS back → $stop asked then is obeyed by all and confirmed"}
	for round := range rounds {
		back := func() (time.Time, error) {
			s.Running(stack.NATS)[0].Kill()
			rest(ctx, 3*time.Second)
			if err := s.say(1, fmt.Sprint("held ", round)); err != nil {
				return time.Time{}, err
			}
			p, err := s.Start(stack.NATS, nil)
			if err != nil {
				return time.Time{}, err
			}
			return time.Now(), s.Ready(ctx, p)
		}
		if _, err := back(); err != nil {
			return err
		}
		at := time.Now()
		waiting := s.asked[len(s.asked)-1]
		if err := s.say(0, fmt.Sprint("after ", round)); err != nil {
			return err
		}
		if err := s.answered(ctx); err != nil {
			return err
		}
		first.add(time.Since(at))
		if err := until(ctx, "the held one is answered", func() bool { return s.Discord.ReplyCount(waiting.id) > 0 }); err != nil {
			return err
		}
		held.add(s.Discord.Replies(waiting.id)[0].Received.Sub(at))

		if _, err := back(); err != nil {
			return err
		}
		at = time.Now()
		for _, p := range append(s.Running(stack.Gateway), s.Running(stack.Worker)...) {
			if err := s.Ready(ctx, p); err != nil {
				return err
			}
		}
		ready.add(time.Since(at))
		if err := s.answered(ctx); err != nil {
			return err
		}

		s.Running(stack.NATS)[0].Kill()
		rest(ctx, 3*time.Second)
		p, err := s.Start(stack.NATS, nil)
		if err != nil {
			return err
		}
		if err := s.Ready(ctx, p); err != nil {
			return err
		}
		at = time.Now()
		if err := s.command(ctx, "$stop"); err != nil {
			return err
		}
		stop.add(time.Since(at))
		if err := s.command(ctx, "$start"); err != nil {
			return err
		}
	}
	for _, t := range []*table{ready, first, held, stop} {
		t.print()
	}
	return nil
}

// command has the server's owner command, and waits for the answer.
func (s *suite) command(ctx context.Context, text string) error {
	m, err := s.Discord.Say(s.rooms[0], s.owner, text)
	if err != nil {
		return err
	}
	return until(ctx, "an answer to "+text, func() bool { return s.Discord.ReplyCount(m.ID) > 0 })
}

// measureGateway kills the gateway that posts, and the one that does not.
func (s *suite) measureGateway(ctx context.Context, _ *callBook, rounds int) error {
	t := &table{name: "a gateway killed → a question asked then is answered"}
	for round := range rounds {
		if err := s.say(2, fmt.Sprint("warm ", round)); err != nil {
			return err
		}
		if err := s.answered(ctx); err != nil {
			return err
		}
		rest(ctx, 300*time.Millisecond) // the post is on record; without it the user's next one would wait for a redelivery
		s.Running(stack.Gateway)[0].Kill()
		at := time.Now()
		if err := s.say(3, fmt.Sprint("gateway ", round)); err != nil {
			return err
		}
		p, err := s.Start(stack.Gateway, nil)
		if err != nil {
			return err
		}
		if err := s.answered(ctx); err != nil {
			return err
		}
		t.add(time.Since(at))
		if err := s.Ready(ctx, p); err != nil {
			return err
		}
	}
	t.print()
	return nil
}

// measureDiscord lets the connections fall silent.
func (s *suite) measureDiscord(ctx context.Context, _ *callBook, rounds int) error {
	t := &table{name: fmt.Sprintf("half-open TCP → all sessions resumed (interval %s)", heartbeat)}
	reset := &table{name: "connections reset → all sessions resumed"}
	for range rounds {
		for _, x := range []struct {
			t   *table
			cut func() int
		}{{t, s.Discord.HalfOpen}, {reset, func() int { return s.Discord.CloseSockets(0) }}} {
			rest(ctx, heartbeat)
			want := s.Discord.Counts().Resumes + s.gateways
			x.cut()
			at := time.Now()
			if err := until(ctx, "resumed", func() bool { return s.Discord.Counts().Resumes >= want }); err != nil {
				return err
			}
			x.t.add(time.Since(at))
		}
	}
	t.print()
	reset.print()
	return nil
}
