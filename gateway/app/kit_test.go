package app

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/bus/bustest"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/retry"
	"salamander.dev/shared/sim/discordsim"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// patience is how long a condition may take to come true; it is no measure of anything.
const patience = 20 * time.Second

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for late := time.After(patience); !ok(); {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("never: %s", what)
		}
	}
}

// stage is a world with a real NATS and a simulated Discord, in which gateways are started.
type stage struct {
	t     *testing.T
	nats  *bustest.Server
	sim   *discordsim.Server
	world discordsim.World
	bus   *bus.Bus
	env   map[string]string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, nats: bustest.Run(t), sim: &discordsim.Server{}}
	if err := s.sim.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.sim.Close)
	s.world = s.sim.DefaultWorld()
	s.bus = s.nats.Connect(control.Worker)
	s.env = map[string]string{
		"NATS_URL": s.nats.URL(), "DISCORD_TOKEN": discordsim.DefaultToken, "DISCORD_BASE_URL": s.sim.URL(),
		"CHAT_CHANNEL_IDS": s.world.Channel.String(), "USER_RATE": "1000/1m", "LOG_LEVEL": "debug", "LOG_CONTENT": "always",
	}
	return s
}

// gateway is one running gateway.
type gateway struct {
	*App
	t    *testing.T
	log  *journal
	stop func()
	done chan struct{}
	err  error
}

// start runs a gateway until the test ends or stop is called; overrides are pairs of setting and value.
func (s *stage) start(overrides ...string) *gateway {
	s.t.Helper()
	g := s.begin(overrides...)
	eventually(s.t, "the gateway is ready", func() bool { return g.ready() == nil })
	return g
}

// begin is start without waiting for it to be ready.
func (s *stage) begin(overrides ...string) *gateway {
	s.t.Helper()
	env := map[string]string{}
	for k, v := range s.env {
		env[k] = v
	}
	for i := 0; i+1 < len(overrides); i += 2 {
		env[overrides[i]] = overrides[i+1]
	}
	g := &gateway{t: s.t, log: &journal{}, done: make(chan struct{})}
	a, err := New(env, g.log)
	if err != nil {
		s.t.Fatal(err)
	}
	g.App = a
	intake, stop := context.WithCancel(context.Background())
	work, stopWork := context.WithCancel(context.Background())
	g.stop = func() {
		stop()
		late := time.AfterFunc(patience, stopWork)
		defer late.Stop()
		<-g.done
	}
	go func() {
		defer close(g.done)
		g.err = a.Run(intake, work)
	}()
	s.t.Cleanup(func() {
		g.stop()
		stopWork()
		if s.t.Failed() {
			fmt.Fprintf(os.Stderr, "--- log of %s\n%s", s.t.Name(), g.log)
		}
	})
	return g
}

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) has(parts ...string) bool {
	for line := range strings.Lines(j.String()) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			return true
		}
	}
	return false
}

// worker is a tiny worker: it answers every question with what reply makes of it.
type worker struct {
	bus   *bus.Bus
	reply func(chat.Question) (chat.Answer, bool)

	mu    sync.Mutex
	asked []chat.Question
	last  map[string]chat.QuestionID
}

// work starts a worker until the test ends. reply may be nil: an echo.
func (s *stage) work(reply func(chat.Question) (chat.Answer, bool)) *worker {
	s.t.Helper()
	w := &worker{bus: s.bus, reply: reply, last: map[string]chat.QuestionID{}}
	if reply == nil {
		w.reply = func(q chat.Question) (chat.Answer, bool) {
			a := chat.AnswerTo(q, chat.Reply, time.Now())
			a.Text = "echo: " + q.Text
			return a, true
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.bus.NewQuestionConsumer(16, w).Run(ctx, ctx) })
	s.t.Cleanup(func() { cancel(); wg.Wait() })
	return w
}

func (w *worker) Begin(q chat.Question) func(context.Context) retry.Verdict {
	return func(ctx context.Context) retry.Verdict { return w.answer(ctx, q) }
}

func (w *worker) answer(ctx context.Context, q chat.Question) retry.Verdict {
	if a, ok, err := w.bus.Answered(ctx, q); err != nil || ok {
		_ = a
		if err != nil {
			return retry.After(50 * time.Millisecond)
		}
		return retry.Done
	}
	a, ok := w.reply(q)
	if !ok {
		return retry.After(20 * time.Millisecond)
	}
	key := string(q.Channel) + "." + string(q.User)
	w.mu.Lock()
	a.After = w.last[key]
	w.mu.Unlock()
	if err := w.bus.PublishAnswer(ctx, a); err != nil {
		return retry.After(20 * time.Millisecond)
	}
	w.mu.Lock()
	w.last[key] = q.ID
	w.asked = append(w.asked, q)
	w.mu.Unlock()
	return retry.Done
}

func (w *worker) Urgent(chat.Question) bool { return false }

func (w *worker) Malformed(context.Context, chat.DeadLetter) retry.Verdict { return retry.Done }

// questions are those that were answered so far.
func (w *worker) questions() []chat.Question {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]chat.Question(nil), w.asked...)
}

// say says something as the world's user in its channel.
func (s *stage) say(text string, opts ...discordsim.SayOpts) discordsim.Message {
	s.t.Helper()
	return s.sayIn(s.world.Channel, s.world.User, text, opts...)
}

func (s *stage) sayIn(channel, user discordsim.ID, text string, opts ...discordsim.SayOpts) discordsim.Message {
	s.t.Helper()
	m, err := s.sim.Say(channel, user, text, opts...)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// answered waits for the first reply to a message.
func (s *stage) answered(m discordsim.Message) discordsim.Post {
	s.t.Helper()
	eventually(s.t, "an answer to "+m.Content, func() bool { return s.sim.ReplyCount(m.ID) > 0 })
	return s.sim.Replies(m.ID)[0]
}

// metric reads a counter or gauge of a gateway; label is the value of its one label, empty for none.
func (g *gateway) metric(name, label string) float64 {
	g.t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label != "" && (len(m.GetLabel()) != 1 || m.GetLabel()[0].GetValue() != label) {
				continue
			}
			switch {
			case m.Counter != nil:
				return m.GetCounter().GetValue()
			case m.Gauge != nil:
				return m.GetGauge().GetValue()
			case m.Histogram != nil:
				return float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	g.t.Fatalf("no metric %s{%s}", name, label)
	return 0
}

// members adds people to the world's server.
func (s *stage) members(n int) []discordsim.ID {
	s.t.Helper()
	var users []discordsim.ID
	for i := range n {
		u := s.sim.AddUser(fmt.Sprint("user", i), false)
		if err := s.sim.AddMember(s.world.Guild, u.ID); err != nil {
			s.t.Fatal(err)
		}
		users = append(users, u.ID)
	}
	return users
}
