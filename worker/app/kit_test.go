package app_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/bus/bustest"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/logging"
	"salamander.dev/shared/sim/hfsim"
	"salamander.dev/worker/app"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kit is a NATS server, a simulated Hugging Face, and the gateway's side of the bus.
type kit struct {
	t    *testing.T
	ctx  context.Context
	nats *bustest.Server
	hf   *hfsim.Server
	bus  *bus.Bus
	env  map[string]string
}

// keys are the tokens of the tests; none may ever stand in a log.
const keys = "primary=hf_primary_token,second=hf_second_token"

var mark atomic.Uint64

func setup(t *testing.T, env map[string]string) *kit {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	k := &kit{t: t, ctx: ctx, nats: bustest.Run(t), hf: &hfsim.Server{Reply: hfsim.Echo, Keys: []hfsim.Key{
		{Name: "primary", Token: "hf_primary_token"}, {Name: "second", Token: "hf_second_token"},
	}}}
	if err := k.hf.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.hf.Close)
	k.bus = k.nats.Connect(control.Gateway)
	k.env = map[string]string{
		"NATS_URL": k.nats.URL(), "HF_BASE_URL": k.hf.URL(), "HF_MODEL": "test/model", "HF_API_KEYS": keys,
		"BUDGET_LIMITS": "none", "LOG_LEVEL": "debug", "DRAIN_TIMEOUT": "10s",
	}
	maps.Copy(k.env, env)
	return k
}

// worker is one running worker.
type worker struct {
	k        *kit
	app      *app.App
	log      *lines
	stop     context.CancelFunc // ends intake: a drain
	kill     context.CancelFunc // ends work, too
	finished chan error
}

// start runs a worker until the test ends; env wins over the kit's.
func (k *kit) start(env map[string]string) *worker {
	k.t.Helper()
	w := k.launch(env)
	k.await("the worker is ready", func() bool { return w.app.Ready() == nil })
	return w
}

// launch does not wait for it to be ready.
func (k *kit) launch(env map[string]string) *worker {
	k.t.Helper()
	all := maps.Clone(k.env)
	maps.Copy(all, env)
	cfg, err := app.Load(all)
	if err != nil {
		k.t.Fatal(err)
	}
	w := &worker{k: k, log: &lines{}, finished: make(chan error, 1)}
	w.app, err = app.New(cfg, logging.New(w.log, "worker", cfg.LogLevel, cfg.LogFormat))
	if err != nil {
		k.t.Fatal(err)
	}
	intake, stop := context.WithCancel(context.Background())
	work, kill := context.WithCancel(context.Background())
	w.stop, w.kill = stop, kill
	go func() { w.finished <- w.app.Run(intake, work) }()
	k.t.Cleanup(func() {
		w.end()
		if k.t.Failed() {
			k.t.Logf("log:\n%s", w.log)
		}
		for _, token := range []string{"hf_primary_token", "hf_second_token"} {
			if strings.Contains(w.log.String(), token) {
				k.t.Error("a token stands in the log")
			}
		}
	})
	return w
}

// end drains the worker, at once, and returns what Run returned.
func (w *worker) end() error {
	w.stop()
	w.kill()
	err := <-w.finished
	w.finished <- err
	return err
}

// refused waits until the worker ended by itself and returns what Run returned.
func (w *worker) refused() (err error) {
	w.k.t.Helper()
	select {
	case err = <-w.finished:
		w.finished <- err
	case <-w.k.ctx.Done():
		w.k.t.Fatal("never: the worker ends by itself")
	}
	return err
}

// await polls a condition until it holds or the test's time is up.
func (k *kit) await(what string, ok func() bool) {
	k.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-k.ctx.Done():
			k.t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// question makes a question of a user with a mark of its own.
func question(user, text string) chat.Question {
	id := chat.SnowflakeAt(time.Now()) + chat.Snowflake(mark.Add(1))
	return chat.Question{
		ID: chat.QuestionID(id.String()), Guild: "10", Channel: "20", User: chat.UserID(user), UserName: "ann",
		Message: chat.MessageID(id.String()), Text: text, Mark: id, Asked: time.Now().UTC(),
	}
}

// ask publishes questions in order.
func (k *kit) ask(qs ...chat.Question) {
	k.t.Helper()
	for _, q := range qs {
		if _, err := k.bus.PublishQuestion(k.ctx, q); err != nil {
			k.t.Fatal(err)
		}
	}
}

// answer waits for the answer to a question.
func (k *kit) answer(q chat.Question) (a chat.Answer) {
	k.t.Helper()
	k.await(fmt.Sprintf("an answer to %q", q.Text), func() bool {
		var ok bool
		var err error
		a, ok, err = k.bus.Answered(k.ctx, q)
		return ok && err == nil
	})
	return a
}

// empty waits until no question is open.
func (k *kit) empty() {
	k.t.Helper()
	k.await("the queue is empty", func() bool {
		n, _, err := k.bus.Queue(k.ctx)
		return err == nil && n == 0
	})
}

// want asks a question and compares how it ended.
func (k *kit) want(q chat.Question, kind chat.Kind, text string) chat.Answer {
	k.t.Helper()
	a := k.answer(q)
	if a.Kind != kind || text != "" && a.Text != text {
		k.t.Errorf("%q was answered %s %q (%s), want %s %q", q.Text, a.Kind, a.Text, a.Reason, kind, text)
	}
	return a
}

// lines collects a log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// metric reads one of the worker's metrics, -1 when there is none with these labels.
func (w *worker) metric(name string, labels map[string]string) float64 {
	w.k.t.Helper()
	families, err := w.app.Metrics().Gather()
	if err != nil {
		w.k.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			match := 0
			for _, l := range m.GetLabel() {
				if labels[l.GetName()] == l.GetValue() {
					match++
				}
			}
			if match < len(labels) {
				continue
			}
			switch {
			case m.GetCounter() != nil:
				return m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				return m.GetGauge().GetValue()
			case m.GetHistogram() != nil:
				return float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return -1
}
