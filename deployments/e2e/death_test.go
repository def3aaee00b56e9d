package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// once waits until every question has an answer, and judges that none has two and that no post is about anything else.
func once(t *testing.T, ctx context.Context, w *stack.World, asked []discordsim.Message) {
	t.Helper()
	ids := make([]discordsim.ID, len(asked))
	for i, m := range asked {
		ids[i] = m.ID
	}
	await(t, ctx, "an answer to each question", func() bool {
		for _, n := range w.Discord.ReplyCounts(ids) {
			if n == 0 {
				return false
			}
		}
		return true
	})
	for i, id := range ids {
		if p := w.Discord.Replies(id); len(p) != 1 {
			t.Errorf("question %d has %d answers", i, len(p))
		}
	}
	if posts := w.Discord.Counts().Posts; posts != len(asked) {
		t.Errorf("%d posts for %d questions", posts, len(asked))
	}
}

// said has one of some users ask.
func said(t *testing.T, w *stack.World, place discordsim.World, user discordsim.ID, text string) discordsim.Message {
	t.Helper()
	m, err := w.Discord.Say(place.Channel, user, mention(w)+text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAWorkerKilledInItsCallsIsReplacedByAnother: each of its questions is called for once more, and none of the others'.
func TestAWorkerKilledInItsCallsIsReplacedByAnother(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	think := time.Hour
	h := &hfsim.Server{Reply: hfsim.Echo, Latency: func(hfsim.Request) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return think
	}}
	ctx, w, place := up(t, stack.Config{WorkerEnv: map[string]string{"BUDGET_LIMITS": "none"}}, 1, 1, nil, h)
	var asked []discordsim.Message
	for i := range 4 {
		u := w.Discord.AddUser(fmt.Sprint("user", i), false)
		if err := w.Discord.AddMember(place.Guild, u.ID); err != nil {
			t.Fatal(err)
		}
		asked = append(asked, said(t, w, place, u.ID, fmt.Sprint("question ", i)))
	}
	await(t, ctx, "all are called", func() bool { return h.Books().InFlight == 4 })
	mu.Lock()
	think = 0
	mu.Unlock()
	w.Running(stack.Worker)[0].Kill()
	killed := time.Now()
	if _, err := w.Start(stack.Worker, nil); err != nil {
		t.Fatal(err)
	}
	once(t, ctx, w, asked)
	t.Logf("the last was answered %s after the kill", time.Since(killed).Round(time.Millisecond))
	if n := h.Books().Calls; n != 8 {
		t.Errorf("%d calls for 4 questions of a worker that was killed once", n)
	}
}

// TestARollingRestartLosesNothing: every process ends with exit code 0 after SIGTERM, under load, and is replaced.
func TestARollingRestartLosesNothing(t *testing.T) {
	t.Parallel()
	ctx, w, place := up(t, stack.Config{
		Env: map[string]string{"DRAIN_TIMEOUT": "20s"}, WorkerEnv: map[string]string{"BUDGET_LIMITS": "none"}, GatewayEnv: map[string]string{"USER_RATE": "1000/1m"},
	}, 2, 2, nil, &hfsim.Server{Reply: hfsim.Echo, Latency: hfsim.LogNormal(100*time.Millisecond, 0.5, time.Second, 1)})
	var people [10]discordsim.ID
	for i := range people {
		people[i] = w.Discord.AddUser(fmt.Sprint("user", i), false).ID
		if err := w.Discord.AddMember(place.Guild, people[i]); err != nil {
			t.Fatal(err)
		}
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var asked []discordsim.Message
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; {
			select {
			case <-asking.Done():
				return
			case <-tick.C:
			}
			if n-w.Discord.Counts().Posts >= 200 { // so that a slow machine is not asked more than it can answer
				continue
			}
			m, err := w.Discord.Say(place.Channel, people[n%len(people)], mention(w)+fmt.Sprint("question ", n))
			if err != nil {
				t.Error(err)
				return
			}
			asked = append(asked, m)
			n++
		}
	})
	for _, role := range []stack.Role{stack.Worker, stack.Gateway, stack.NATS} {
		for _, p := range w.Running(role) {
			limit, cancel := context.WithTimeout(ctx, 20*time.Second)
			if code := p.Stop(limit); code != 0 {
				t.Errorf("%s ended with exit code %d after SIGTERM", p.Name, code)
			}
			cancel()
			fresh, err := w.Start(role, nil)
			if err != nil {
				t.Fatal(err)
			}
			ready(t, ctx, w, fresh)
		}
	}
	stop()
	all.Wait()
	once(t, ctx, w, asked)
	author := map[discordsim.ID]discordsim.ID{}
	for i, m := range asked {
		author[m.ID] = people[i%len(people)]
	}
	newest := map[discordsim.ID]discordsim.ID{}
	for _, p := range w.Discord.Posts() {
		user := author[p.Reference]
		if p.Reference < newest[user] {
			t.Errorf("the answer to %v came after that to a younger question of the same user", p.Reference)
		}
		newest[user] = p.Reference
	}
	t.Logf("%d questions", len(asked))
}

// TestEverythingKilledAtOnceComesBack: questions are asked while nothing runs, and before.
func TestEverythingKilledAtOnceComesBack(t *testing.T) {
	t.Parallel()
	ctx, w, place := up(t, stack.Config{WorkerEnv: map[string]string{"BUDGET_LIMITS": "none"}, GatewayEnv: map[string]string{"USER_RATE": "1000/1m"}},
		1, 2, nil, &hfsim.Server{Reply: hfsim.Echo, Latency: hfsim.Fixed(200 * time.Millisecond)})
	asked := []discordsim.Message{said(t, w, place, place.User, "before")}
	await(t, ctx, "the first answer", func() bool { return w.Discord.ReplyCount(asked[0].ID) == 1 })
	for i := range 5 {
		asked = append(asked, said(t, w, place, place.User, fmt.Sprint("just before ", i)))
	}
	for _, role := range []stack.Role{stack.Gateway, stack.Worker, stack.NATS} {
		for _, p := range w.Running(role) {
			p.Kill()
		}
	}
	for i := range 5 {
		asked = append(asked, said(t, w, place, place.User, fmt.Sprint("meanwhile ", i)))
	}
	if err := w.Up(ctx, 1, 2); err != nil {
		t.Fatal(err)
	}
	asked = append(asked, said(t, w, place, place.User, "after"))
	once(t, ctx, w, asked)
}

// TestWhatCantBeAnsweredInTimeGetsAnApology, also when the time runs out while nobody is there to say so.
func TestWhatCantBeAnsweredInTimeGetsAnApology(t *testing.T) {
	t.Parallel()
	ctx, w, place := up(t, stack.Config{WorkerEnv: map[string]string{"ANSWER_WITHIN": "8s", "BUDGET_LIMITS": "none"}}, 1, 1, nil,
		&hfsim.Server{Reply: hfsim.Echo, Latency: hfsim.Fixed(time.Hour)})
	asked := said(t, w, place, place.User, "anybody there?")
	await(t, ctx, "it is called for, or late already", func() bool {
		return w.Hugging.Books().InFlight == 1 || w.Discord.ReplyCount(asked.ID) == 1
	})
	w.Running(stack.Worker)[0].Kill()
	if _, err := w.Start(stack.Worker, nil); err != nil {
		t.Fatal(err)
	}
	once(t, ctx, w, []discordsim.Message{asked})
	if n := w.Hugging.Books().Calls; n > 1 {
		t.Errorf("%d calls, though the time was over", n)
	}
}
