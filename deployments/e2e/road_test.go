// Package e2e asserts the whole road: real gateway, worker and NATS processes between a simulated Discord and a
// simulated Hugging Face, judged by the simulators' books.
package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

func TestMain(m *testing.M) {
	stack.Main()
	os.Exit(m.Run())
}

// up starts a world; the processes' lines are shown when the test fails.
func up(t *testing.T, cfg stack.Config, gateways, workers int, d *discordsim.Server, h *hfsim.Server) (context.Context, *stack.World, discordsim.World) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute) // go test gives a package ten
	t.Cleanup(cancel)
	var mu sync.Mutex
	var lines []string
	cfg.Dir = t.TempDir()
	cfg.Lines = func(name, line string) {
		mu.Lock()
		defer mu.Unlock()
		if len(lines) < 2000 {
			lines = append(lines, name+" "+line)
		}
	}
	w, err := stack.NewWorld(cfg, d, h)
	if err != nil {
		t.Fatal(err)
	}
	place := w.Discord.DefaultWorld()
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		w.Close(end)
		if t.Failed() {
			mu.Lock()
			defer mu.Unlock()
			t.Log(strings.Join(lines, "\n"))
		}
	})
	if err := w.Up(ctx, gateways, workers); err != nil {
		t.Fatal(err)
	}
	return ctx, w, place
}

// await polls until ok holds or the test's time is up.
func await(t *testing.T, ctx context.Context, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// mention is how a user's client writes a mention of the bot.
func mention(w *stack.World) string { return fmt.Sprintf("<@%s> ", w.Discord.BotID()) }

func TestAQuestionIsAnsweredByAReplyToIt(t *testing.T) {
	t.Parallel()
	ctx, w, place := up(t, stack.Config{}, 1, 2, nil, &hfsim.Server{Reply: hfsim.Echo})
	asked, err := w.Discord.Say(place.Channel, place.User, mention(w)+"what is 😀 fire?")
	if err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "an answer", func() bool { return w.Discord.ReplyCount(asked.ID) == 1 })
	p := w.Discord.Replies(asked.ID)[0]
	if p.Content != "echo: what is fire?" || p.Reference != asked.ID || !p.EnforceNonce || p.Nonce == "" {
		t.Errorf("the answer is %+v", p)
	}
}

// TestTenThousandQuestionsEndInTenThousandAnswers: 200 users in 20 channels, two gateways and four workers.
func TestTenThousandQuestionsEndInTenThousandAnswers(t *testing.T) {
	t.Parallel()
	const users, channels, questions = 200, 20, 10_000
	d := &discordsim.Server{KeepBodies: -1}
	h := &hfsim.Server{Reply: hfsim.Echo}
	ctx, w, place := up(t, stack.Config{
		GatewayEnv: map[string]string{"USER_RATE": "1000/1m"}, WorkerEnv: map[string]string{"BUDGET_LIMITS": "none", "MEMORY_TURNS": "2"},
	}, 2, 4, d, h)
	var people [users]discordsim.ID
	for i := range people {
		people[i] = d.AddUser(fmt.Sprint("user", i), false).ID
		if err := d.AddMember(place.Guild, people[i]); err != nil {
			t.Fatal(err)
		}
	}
	var rooms [channels]discordsim.ID
	for i := range rooms {
		c, err := d.AddChannel(discordsim.Channel{Guild: place.Guild, Name: fmt.Sprint("room", i)})
		if err != nil {
			t.Fatal(err)
		}
		rooms[i] = c.ID
	}
	begin := time.Now()
	asked := make([]discordsim.ID, questions)
	for i := range asked {
		// A user stays in one room, and asks again only when few questions are open, so that no bound refuses any.
		await(t, ctx, "the queue has room", func() bool { return i-d.Counts().Posts < 1500 })
		m, err := d.Say(rooms[i%users%channels], people[i%users], fmt.Sprintf("%squestion %d", mention(w), i))
		if err != nil {
			t.Fatal(err)
		}
		asked[i] = m.ID
	}
	await(t, ctx, "as many posts as questions", func() bool { return d.Counts().Posts >= questions })
	took := time.Since(begin)
	counts := d.ReplyCounts(asked)
	for i, id := range asked {
		if counts[id] != 1 {
			t.Errorf("question %d has %d answers", i, counts[id])
		}
	}
	want := map[discordsim.ID]string{}
	for i, id := range asked {
		want[id] = fmt.Sprintf("echo: question %d", i)
	}
	for _, p := range d.Posts() {
		if p.Content != want[p.Reference] {
			t.Errorf("the answer to %v is %q, want %q", p.Reference, p.Content, want[p.Reference])
		}
	}
	t.Logf("%d questions in %s: %.0f/s; model calls %d", questions, took.Round(time.Millisecond), questions/took.Seconds(), h.Books().Calls)
}
