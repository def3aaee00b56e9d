package answer_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/core/memory"
	"salamander.dev/worker/internal/core/persona"
)

// world is a service over fakes that remember everything. Its fields are set before the service is asked.
type world struct {
	t *testing.T
	*answer.Service
	cfg answer.Config

	mu       sync.Mutex
	answers  map[chat.QuestionID]chat.Answer
	changes  map[chat.QuestionID]chat.Change
	attempts map[chat.QuestionID]answer.Attempts
	memory   map[chat.UserID]answer.Memory
	letters  []chat.DeadLetter
	forgot   []chat.QuestionID
	recalled int
	typed    int
	notices  []chat.Notice
	notified map[chat.ChannelID]time.Time

	stopped      bool
	muted        chat.UserID
	dropBefore   chat.Snowflake
	forgetBefore chat.Snowflake

	reserve  func(r budget.Request) (budget.Grant, error)
	views    []budget.KeyView
	changed  chan struct{}
	settled  []settlement
	requests []budget.Request

	model func(ctx context.Context, c answer.Call) (answer.Completion, error)
	calls []answer.Call

	// failing makes the named operation fail the next times.
	failing map[string]int
	// landed makes the named operation happen although it fails.
	landed map[string]bool

	called   []answer.CallReport
	ended    []answer.Report
	deferred []answer.Wait
}

type settlement struct {
	Lease string
	Kind  budget.Kind
	Sync  bool
	budget.Outcome
}

// errAway is what every fake returns while it fails.
var errAway = errors.New("the store is away")

// run runs a test in a bubble with its own clock.
func run(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t)) })
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, answers: map[chat.QuestionID]chat.Answer{}, changes: map[chat.QuestionID]chat.Change{},
		attempts: map[chat.QuestionID]answer.Attempts{}, memory: map[chat.UserID]answer.Memory{},
		notified: map[chat.ChannelID]time.Time{}, changed: make(chan struct{}), failing: map[string]int{}, landed: map[string]bool{},
	}
	w.reserve = func(r budget.Request) (budget.Grant, error) { return grant(r, "primary"), nil }
	w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) { return say("hello"), nil }
	p := persona.Salamander()
	p.Fallback = "fallback"
	w.configure(answer.Config{
		Persona: p, Name: "w1", Memory: memory.Limits{Turns: 8, TTL: 30 * time.Minute, Tokens: 1000},
	})
	return w
}

// Answer answers a question whose turn it is.
func (w *world) Answer(ctx context.Context, q chat.Question) retry.Verdict { return w.Begin(q)(ctx) }

// configure replaces the service by one with other settings, as a process that starts anew has.
func (w *world) configure(cfg answer.Config) {
	w.t.Helper()
	w.cfg = cfg
	s, err := answer.New(answer.Deps{
		Answers: (*stores)(w), Records: (*stores)(w), Memories: (*stores)(w), Voice: (*stores)(w), Letters: (*letters)(w),
		State: (*state)(w), Budget: (*ledger)(w), Model: (*model)(w), Journal: (*journal)(w),
	}, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Service = s
}

// later changes the world after d.
func (w *world) later(d time.Duration, change func()) {
	time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		change()
	})
}

func grant(r budget.Request, key string) budget.Grant {
	return budget.Grant{
		Lease: r.ID, Key: key, PromptTokens: r.PromptTokens, MaxTokens: r.MaxTokens, At: time.Now(), Deadline: time.Now().Add(r.Hold),
	}
}

func say(text string) answer.Completion {
	return answer.Completion{Text: text, PromptTokens: 400, CompletionTokens: 5, UsageKnown: true, Status: 200}
}

func failure(class answer.Class, status int) error {
	return &answer.CallError{Class: class, Status: status, Sent: true, Message: "it failed", Key: "primary"}
}

// question makes the n-th question of user 7.
func question(n int) chat.Question {
	id := chat.SnowflakeAt(time.Now()) + chat.Snowflake(n)
	return chat.Question{
		ID: chat.QuestionID(id.String()), Guild: "10", Channel: "20", User: "7", UserName: "ann",
		Message: chat.MessageID(id.String()), Text: "question " + strconv.Itoa(n), Mark: id, Asked: time.Now().UTC(),
	}
}

// ask answers a question as the bus would: again after every hand-back, until it is done. It returns the answer.
func (w *world) ask(q chat.Question) chat.Answer {
	w.t.Helper()
	for range 2000 {
		after, again := w.Answer(w.t.Context(), q).Again()
		if !again {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.answers[q.ID]
		}
		time.Sleep(after) // the bubble's clock
	}
	w.t.Fatal("the question never ended")
	return chat.Answer{}
}

// want asks a question and compares how it ended.
func (w *world) want(q chat.Question, kind chat.Kind, reason string) chat.Answer {
	w.t.Helper()
	a := w.ask(q)
	synctest.Wait() // for the race detector: what ran in timers happened before
	if a.Kind != kind || a.Reason != reason {
		w.t.Errorf("ended as %s (%s) %q, want %s (%s)", a.Kind, a.Reason, a.Text, kind, reason)
	}
	if a.Kind != chat.Dropped && a.Text == "" {
		w.t.Error("an answer without text")
	}
	return a
}

func (w *world) callCount(n int) {
	w.t.Helper()
	synctest.Wait()
	if len(w.calls) != n {
		w.t.Errorf("%d model calls, want %d", len(w.calls), n)
	}
}

// kinds returns how the leases were settled, in order.
func (w *world) kinds() []budget.Kind {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []budget.Kind
	for _, s := range w.settled {
		all = append(all, s.Kind)
	}
	return all
}

// fails says whether an operation is to fail now; w.mu is held.
func (w *world) fails(op string) bool {
	if w.failing[op] > 0 {
		w.failing[op]--
		return true
	}
	return false
}
