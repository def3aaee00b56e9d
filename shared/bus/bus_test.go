package bus_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/bus/bustest"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/retry"
)

func question(id int, user string) chat.Question {
	mark := chat.Snowflake(1_000_000 + id)
	return chat.Question{
		ID: chat.QuestionID(mark.String()), Guild: "10", Channel: "20", User: chat.UserID(user), UserName: "ann",
		Message: chat.MessageID(mark.String()), Text: fmt.Sprintf("question %d", id), Mark: mark, Asked: time.Now().UTC(),
	}
}

func setup(t *testing.T) (context.Context, *bustest.Server, *bus.Bus) {
	t.Helper()
	s := bustest.Run(t)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx, s, s.Connect(control.Worker)
}

// handler answers by a function and counts what is malformed.
type handler struct {
	answer func(context.Context, chat.Question) retry.Verdict
	urgent func(chat.Question) bool

	mu        sync.Mutex
	malformed []chat.DeadLetter
}

func (h *handler) Begin(q chat.Question) func(context.Context) retry.Verdict {
	return func(ctx context.Context) retry.Verdict { return h.answer(ctx, q) }
}

func (h *handler) Urgent(q chat.Question) bool { return h.urgent != nil && h.urgent(q) }
func (h *handler) Malformed(_ context.Context, l chat.DeadLetter) retry.Verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.malformed = append(h.malformed, l)
	return retry.Done
}

// run starts a consumer and returns a function that ends it and waits.
func run(ctx context.Context, b *bus.Bus, slots int, h *handler) (c *bus.QuestionConsumer, stop func()) {
	c = b.NewQuestionConsumer(slots, h)
	intake, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); c.Run(intake, ctx) }()
	return c, func() { cancel(); <-done }
}

// await polls a condition until it holds or the test's time is up.
func await(t *testing.T, ctx context.Context, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func TestAQuestionIsTakenOnceAndEndsWhenDone(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	q := question(1, "7")
	if dup, err := b.PublishQuestion(ctx, q); err != nil || dup {
		t.Fatalf("first publish: duplicate %v, %v", dup, err)
	}
	if dup, err := b.PublishQuestion(ctx, q); err != nil || !dup {
		t.Fatalf("second publish: duplicate %v, %v", dup, err)
	}
	got := make(chan chat.Question, 10)
	tries := 0
	h := &handler{answer: func(_ context.Context, q chat.Question) retry.Verdict {
		got <- q
		if tries++; tries == 1 {
			return retry.After(10 * time.Millisecond)
		}
		return retry.Done
	}}
	_, stop := run(ctx, b, 2, h)
	defer stop()
	for range 2 {
		if g := <-got; g != q {
			t.Errorf("got %+v, want %+v", g, q)
		}
	}
	await(t, ctx, "the queue is empty", func() bool { n, _, err := b.Queue(ctx); return err == nil && n == 0 })
}

func TestOneUsersQuestionsAreAnsweredInOrderAndUsersDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	const users, each = 8, 12
	for i := range each {
		for u := range users {
			if _, err := b.PublishQuestion(ctx, question(i*users+u, fmt.Sprint(100+u))); err != nil {
				t.Fatal(err)
			}
		}
	}
	var mu sync.Mutex
	last, running, most := map[chat.UserID]chat.Snowflake{}, 0, 0
	inHand := map[chat.UserID]bool{}
	h := func() *handler {
		return &handler{answer: func(_ context.Context, q chat.Question) retry.Verdict {
			mu.Lock()
			if inHand[q.User] || q.Mark <= last[q.User] {
				t.Errorf("user %s: question %d in hand while another is, or after %d", q.User, q.Mark, last[q.User])
			}
			inHand[q.User], last[q.User] = true, q.Mark
			running++
			most = max(most, running)
			mu.Unlock()
			_, _ = b.Waiting(ctx, "10") // some work
			mu.Lock()
			running--
			inHand[q.User] = false
			mu.Unlock()
			return retry.Done
		}}
	}
	_, stop1 := run(ctx, b, 4, h())
	defer stop1()
	_, stop2 := run(ctx, s.Connect(control.Worker), 4, h())
	defer stop2()
	await(t, ctx, "the queue is empty", func() bool { n, _, err := b.Queue(ctx); return err == nil && n == 0 })
	if most < 2 {
		t.Errorf("at most %d question in hand at a time: users wait for each other", most)
	}
}

func TestMalformedStopsNobody(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	for _, body := range []string{"", "{", `{"id":"1"}`, "\xff\xfe", `{"id":"1","guild":"9","channel":"20","user":"7","message":"1","text":"x","mark":"1","asked":"2026-01-01T00:00:00Z"}`} {
		if _, err := b.JetStream().Publish(ctx, "chat.v1.question.10.20.7", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.PublishQuestion(ctx, question(5, "7")); err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{})
	h := &handler{answer: func(context.Context, chat.Question) retry.Verdict { close(answered); return retry.Done }}
	_, stop := run(ctx, b, 1, h)
	defer stop()
	<-answered
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.malformed) != 5 {
		t.Errorf("%d dead letters, want 5: %+v", len(h.malformed), h.malformed)
	}
}

func TestBoundsRefuseInsteadOfDropping(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	var err error
	n := 0
	for ; n < 1000 && err == nil; n++ {
		_, err = b.PublishQuestion(ctx, question(n, "7"))
	}
	if !errors.Is(err, bus.ErrFull) {
		t.Fatalf("after %d questions of one user: %v, want ErrFull", n, err)
	}
	if _, err := b.PublishQuestion(ctx, question(5000, "8")); err != nil {
		t.Errorf("another user is refused too: %v", err)
	}
	if got, _ := b.Waiting(ctx, "10"); got != n {
		t.Errorf("%d waiting, want %d", got, n)
	}
	got := 0
	if err := b.DropQuestions(ctx, "10", math.MaxUint64, func(chat.QuestionID) { got++ }); err != nil || got != n {
		t.Errorf("dropped %d (%v), want %d", got, err, n)
	}
}

func TestAnAnswerIsCreatedOnceAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	q := question(1, "7")
	a := chat.AnswerTo(q, chat.Reply, time.Now().UTC())
	a.Text = "first"
	if err := b.PublishAnswer(ctx, a); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Start()
	if err := b.AwaitConnected(ctx); err != nil {
		t.Fatal(err)
	}
	second := a
	second.Text = "second"
	if err := b.PublishAnswer(ctx, second); !errors.Is(err, bus.ErrAnswered) {
		t.Errorf("second answer: %v, want ErrAnswered", err)
	}
	got, ok, err := b.Answered(ctx, q)
	if err != nil || !ok || got.Text != "first" {
		t.Errorf("stored answer %+v, %v, %v", got, ok, err)
	}
}

func TestPostingsComeInOrderAndAgain(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	for i := range 5 {
		a := chat.AnswerTo(question(i, "7"), chat.Reply, time.Now().UTC())
		a.Text = fmt.Sprint(i)
		if err := b.PublishAnswer(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	intake, cancel := context.WithCancel(ctx)
	defer cancel()
	got := make(chan bus.Posting, 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Connect(control.Gateway).ConsumeAnswers(intake, func(p bus.Posting) { got <- p }, func(raw string, err error) { t.Errorf("malformed %s: %v", raw, err) })
	}()
	for i := range 5 {
		p := <-got
		if p.Answer == nil || p.Answer.Text != fmt.Sprint(i) || p.Fresh {
			t.Errorf("posting %d is %+v, fresh %v, though it was stored before the gateway came", i, p.Answer, p.Fresh)
		}
		if i == 2 {
			p.Settle(retry.After(0))
		} else {
			p.Settle(retry.Done)
		}
	}
	if p := <-got; p.Answer.Text != "2" || p.Fresh {
		t.Errorf("again: %+v, fresh %v", p.Answer, p.Fresh)
	} else {
		p.Settle(retry.Done)
	}
	last := chat.AnswerTo(question(9, "7"), chat.Reply, time.Now())
	last.Text = "the last"
	if err := b.PublishAnswer(ctx, last); err != nil {
		t.Fatal(err)
	}
	p := <-got
	if !p.Fresh {
		t.Error("what was stored while the gateway was there is not fresh")
	}
	p.Settle(retry.After(0))
	if p := <-got; p.Fresh {
		t.Error("what is handed out for the second time is fresh")
	} else {
		p.Settle(retry.Done)
	}
	cancel()
	<-done
}

// TestWhatWasStoredBeforeAReconnectIsNotFresh: a server that was killed may have forgotten that it delivered.
func TestWhatWasStoredBeforeAReconnectIsNotFresh(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	gw := s.Connect(control.Gateway)
	store := func(i int) {
		a := chat.AnswerTo(question(i, "7"), chat.Reply, time.Now())
		a.Text = "an answer"
		if err := b.PublishAnswer(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	store(1)
	s.Stop()
	s.Start()
	for _, x := range []*bus.Bus{b, gw} {
		if err := x.AwaitConnected(ctx); err != nil {
			t.Fatal(err)
		}
	}
	intake, cancel := context.WithCancel(ctx)
	got, done := make(chan bus.Posting, 2), make(chan struct{})
	go func() {
		defer close(done)
		gw.ConsumeAnswers(intake, func(p bus.Posting) { got <- p; p.Settle(retry.Done) }, nil)
	}()
	if p := <-got; p.Fresh {
		t.Error("what was stored before the reconnect is fresh")
	}
	store(2)
	if p := <-got; !p.Fresh {
		t.Error("what was stored after it is not")
	}
	cancel()
	<-done
}

// TestAReconnectThatIsNotKnownOfYetCounts: NATS tells of it in a goroutine of its own, which messages may outrun.
func TestAReconnectThatIsNotKnownOfYetCounts(t *testing.T) {
	t.Parallel()
	_, _, b := setup(t)
	now := time.Now().Add(time.Second)
	if !b.StoodAt(now, 0) || b.StoodAt(now.Add(-time.Hour), 0) {
		t.Error("the connection stands since it was made")
	}
	if b.StoodAt(now, 1) {
		t.Error("the connection of before a reconnect counts")
	}
}

func TestClaimsAreWonOnce(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	other := s.Connect(control.Gateway)
	a, err1 := b.Claim(ctx, "cmd.1", 0)
	c, err2 := other.Claim(ctx, "cmd.1", 0)
	if err1 != nil || err2 != nil || !a || c {
		t.Errorf("claims %v %v, %v %v", a, c, err1, err2)
	}
	if ok, err := b.Claim(ctx, "typing.1", time.Second); !ok || err != nil {
		t.Fatal(ok, err)
	}
	await(t, ctx, "a claim with a time to live is free again", func() bool {
		ok, err := other.Claim(ctx, "typing.1", time.Second)
		return ok && err == nil
	})
	now := time.Now()
	first, _ := b.ClaimUntil(ctx, "notice.1", now, now.Add(time.Hour))
	again, _ := other.ClaimUntil(ctx, "notice.1", now, now.Add(2*time.Hour))
	later, _ := other.ClaimUntil(ctx, "notice.1", now.Add(61*time.Minute), now.Add(3*time.Hour))
	if !first || again || !later {
		t.Errorf("claims until a moment: %v %v %v, want true false true", first, again, later)
	}
}

// A gateway that drains hands back what it was given and did not take over, and lets go of the pin: another goes on
// before the first would be missed (5 s) and before what it had is delivered again (10 s).
func TestADrainingGatewayHandsOverAtOnce(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	first, stop := context.WithCancel(ctx)
	taken, left := make(chan bus.Posting, 100), make(chan struct{})
	go func() {
		defer close(left)
		s.Connect(control.Gateway).ConsumeAnswers(first, func(p bus.Posting) {
			taken <- p
			<-first.Done() // it is slow: the others wait behind
			p.Settle(retry.After(0))
		}, func(string, error) {})
	}()
	publish := func(n int) {
		a := chat.AnswerTo(question(n, "7"), chat.Reply, time.Now().UTC())
		a.Text = "answer"
		if err := b.PublishAnswer(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 5 {
		publish(n)
	}
	<-taken
	got := make(chan bus.Posting, 100)
	second, end := context.WithTimeout(ctx, 4*time.Second)
	defer end()
	stop()
	go s.Connect(control.Gateway).ConsumeAnswers(ctx, func(p bus.Posting) { p.Settle(retry.Done); got <- p }, func(string, error) {})
	<-left
	seen := map[chat.QuestionID]bool{}
	for len(seen) < 5 {
		select {
		case p := <-got:
			seen[p.Answer.Question] = true
		case <-second.Done():
			t.Fatalf("%d of 5 answers were handed over", len(seen))
		}
	}
}

// TestWhoWaitsIsNudged: a question that waits for the one before it is told when that is settled.
func TestWhoWaitsIsNudged(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	q := question(1, "7")
	nudges, err := s.Connect(control.Worker).Conn().SubscribeSync("chat.v1.event." + string(q.Guild) + "." + string(q.Channel) + ".settled.7")
	if err != nil {
		t.Fatal(err)
	}
	_, stop := run(ctx, b, 2, &handler{answer: func(context.Context, chat.Question) retry.Verdict { return retry.Done }})
	defer stop()
	if _, err := b.PublishQuestion(ctx, q); err != nil {
		t.Fatal(err)
	}
	if _, err := nudges.NextMsgWithContext(ctx); err != nil {
		t.Errorf("no nudge: %v", err)
	}
}
