package app_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/sim/hfsim"
	"salamander.dev/worker/internal/core/answer"
)

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestADrainFinishesWhatIsInHand(t *testing.T) {
	k := setup(t, nil)
	k.hf.SetLatency(hfsim.Fixed(300 * time.Millisecond))
	w := k.start(nil)
	q, next := question("7", "one"), question("7", "two")
	k.ask(q, next)
	k.await("the call runs", func() bool { return k.hf.Books().InFlight == 1 })
	w.stop()
	if err := <-w.finished; err != nil {
		t.Errorf("Run: %v", err)
	}
	w.finished <- nil
	a, ok, err := k.bus.Answered(k.ctx, q)
	if err != nil || !ok || a.Kind != chat.Reply {
		t.Errorf("%+v, %v, %v", a, ok, err)
	}
	if living, err := k.bus.Living(k.ctx); err != nil || len(living) != 0 {
		t.Errorf("still among the living: %+v, %v", living, err)
	}
	k.start(nil)
	k.want(next, chat.Reply, "echo: two")
	if n := k.hf.Books().Calls; n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

func TestWhatCantBeFinishedIsHandedBack(t *testing.T) {
	k := setup(t, nil)
	k.hf.SetLatency(hfsim.Fixed(time.Hour))
	w := k.start(nil)
	q := question("7", "slow")
	k.ask(q)
	k.await("the call runs", func() bool { return k.hf.Books().InFlight == 1 })
	begun := time.Now()
	if err := w.end(); err != nil {
		t.Errorf("Run: %v", err)
	}
	took := time.Since(begun)
	k.hf.SetLatency(hfsim.Fixed(0))
	k.start(nil)
	k.want(q, chat.Reply, "echo: slow")
	t.Logf("ended %s after it was told", took)
	k.empty()
}

func TestADeadWorkersQuestionIsTakenUp(t *testing.T) {
	k := setup(t, nil)
	q := question("7", "whose am I?")
	k.ask(q)
	// What a worker leaves behind that was killed in its second call: two attempts, the latest without an end, and a
	// delivery that nobody acknowledges.
	record := answer.Attempts{Counted: 2, Why: "status 503"}
	if _, err := k.bus.Attempt().Update(k.ctx, string(q.ID), record, 0); err != nil {
		t.Fatal(err)
	}
	k.hf.Inject(hfsim.Fault{Kind: hfsim.Unavailable})
	k.start(nil)
	k.want(q, chat.Fallback, "")
	if n := k.hf.Books().Calls; n != 1 {
		t.Errorf("%d calls, want the third and last", n)
	}
	if l := k.letters(); len(l) != 1 || l[0].Attempts != 3 {
		t.Errorf("dead letters %+v", l)
	}
}

func TestAnAnswerThatIsThereIsFinishedNotPaidAgain(t *testing.T) {
	k := setup(t, nil)
	q := question("7", "paid already")
	a := chat.AnswerTo(q, chat.Reply, time.Now().UTC())
	a.Text, a.Receipt = "from the dead", &chat.Receipt{Key: "primary", Lease: "gone", Prompt: 5, Completion: 5, Known: true}
	if _, err := k.bus.Attempt().Update(k.ctx, string(q.ID), answer.Attempts{Counted: 1}, 0); err != nil { // before its call
		t.Fatal(err)
	}
	if err := k.bus.PublishAnswer(k.ctx, a); err != nil {
		t.Fatal(err)
	}
	k.ask(q)
	k.start(nil)
	k.empty()
	if n := k.hf.Books().Calls; n != 0 {
		t.Errorf("%d calls", n)
	}
	next := question("7", "next")
	k.hf.SetReply(func(r hfsim.Request) string { return r.Messages[len(r.Messages)-2].Content })
	k.ask(next)
	if got := k.want(next, chat.Reply, "from the dead"); got.After != q.ID {
		t.Errorf("after %q, want %q", got.After, q.ID)
	}
}

// After a restart NATS knows no duplicates any more, so that a gateway may publish what was answered long ago.
func TestAQuestionThatComesAgainDoesNotGoBeforeYoungerOnes(t *testing.T) {
	k := setup(t, nil)
	k.start(nil)
	first, second := question("7", "one"), question("7", "two")
	k.ask(first, second)
	k.want(second, chat.Reply, "echo: two")
	k.empty()
	k.nats.Stop()
	k.nats.Start()
	k.await("the first is taken again", func() bool { _, err := k.bus.PublishQuestion(k.ctx, first); return err == nil })
	k.empty()
	k.hf.SetReply(func(r hfsim.Request) string { return r.Messages[len(r.Messages)-2].Content })
	third := question("7", "three")
	k.ask(third)
	if a := k.want(third, chat.Reply, "echo: two"); a.After != second.ID {
		t.Errorf("the third is answered after %s, want %s", a.After, second.ID)
	}
	if n := k.hf.Books().Calls; n != 3 {
		t.Errorf("%d calls", n)
	}
}

func TestMalformedGoesToTheDeadLettersAndStopsNobody(t *testing.T) {
	k := setup(t, nil)
	w := k.start(nil)
	for _, body := range []string{"", "{", "\xff", `{"id":"1"}`} {
		if _, err := k.bus.JetStream().Publish(k.ctx, "chat.v1.question.10.20.7", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	q := question("7", "still there?")
	k.ask(q)
	k.want(q, chat.Reply, "")
	k.await("four dead letters", func() bool { return len(k.letters()) == 4 })
	if n := w.metric("salamander_dead_letters_total", map[string]string{"reason": "malformed"}); n != 4 {
		t.Errorf("salamander_dead_letters_total is %v", n)
	}
	if out := k.command("deadletters", "replay"); strings.Count(out, "skipped") != 4 {
		t.Errorf("replay: %s", out)
	}
	if out := k.command("deadletters", "purge"); !strings.Contains(out, "4 dead letters removed") {
		t.Errorf("purge: %s", out)
	}
	if out := k.command("deadletters", "list"); !strings.Contains(out, "no dead letters") {
		t.Errorf("list: %s", out)
	}
}

func TestAReplayIsAnsweredInAddition(t *testing.T) {
	k := setup(t, nil)
	k.start(nil)
	k.hf.Inject(hfsim.Fault{Kind: hfsim.Invalid, Count: 2})
	q := question("7", "try me")
	k.ask(q)
	k.want(q, chat.Fallback, "")
	if out := k.command("deadletters", "list"); !strings.Contains(out, string(q.ID)) || !strings.Contains(out, "model_refused") {
		t.Errorf("list: %s", out)
	}
	if out := k.command("deadletters", "list", "--json"); !strings.Contains(out, `"text":"try me"`) {
		t.Errorf("list --json: %s", out)
	}
	k.command("deadletters", "replay")
	first := q
	first.ID = answer.ReplayID(q.ID, 1)
	k.want(first, chat.Fallback, "") // it fails once more
	k.await("the letter of the replay is the only one", func() bool {
		l := k.letters()
		return len(l) == 1 && l[0].Question.ID == first.ID
	})
	k.command("deadletters", "replay", string(first.ID))
	second := q
	second.ID = answer.ReplayID(q.ID, 2)
	if a := k.want(second, chat.Reply, "echo: try me"); a.Message != q.Message {
		t.Errorf("the replay answers message %s, want %s", a.Message, q.Message)
	}
	k.await("the letters are gone", func() bool { return len(k.letters()) == 0 })
}

// A replay that ends without an answer and without a letter of its own can be replayed again.
func TestAReplayThatWasDroppedIsReplayedAgain(t *testing.T) {
	k := setup(t, nil)
	k.start(nil)
	k.hf.Inject(hfsim.Fault{Kind: hfsim.Invalid, Count: 1})
	q := question("7", "try me")
	k.ask(q)
	k.want(q, chat.Fallback, "")
	k.obey(k.order(control.Stop, "10"))
	k.command("deadletters", "replay")
	first := q
	first.ID = answer.ReplayID(q.ID, 1)
	k.want(first, chat.Dropped, "")
	k.obey(k.order(control.Start, "10"))
	if out := k.command("deadletters", "replay", string(q.ID)); !strings.Contains(out, "-r2") {
		t.Errorf("replay: %s", out)
	}
	second := q
	second.ID = answer.ReplayID(q.ID, 2)
	k.want(second, chat.Reply, "echo: try me")
	k.await("the letters are gone", func() bool { return len(k.letters()) == 0 })
}

// A stop may take a replay out of the queue before any worker has it; then the gateway records its end.
func TestAReplayThatLeftTheQueueIsReplayedAgain(t *testing.T) {
	k := setup(t, nil)
	w := k.start(nil)
	k.hf.Inject(hfsim.Fault{Kind: hfsim.Invalid, Count: 1})
	q := question("7", "try me")
	k.ask(q)
	k.want(q, chat.Fallback, "")
	k.empty()
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	k.command("deadletters", "replay")
	err := k.bus.DropQuestions(k.ctx, "10", math.MaxUint64, func(id chat.QuestionID) {
		if _, err := k.bus.Posted().Create(k.ctx, string(id), map[string]bool{"done": true}, 0); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := k.command("deadletters", "replay"); !strings.Contains(out, "-r2") {
		t.Errorf("replay: %s", out)
	}
	if out := k.command("deadletters", "replay"); !strings.Contains(out, "already") {
		t.Errorf("a replay of what is being asked: %s", out)
	}
}

func TestItWaitsForNATS(t *testing.T) {
	k := setup(t, nil)
	k.nats.Stop()
	w := k.launch(nil)
	err := w.app.Ready()
	if err == nil {
		t.Fatal("ready without NATS")
	}
	k.nats.Start()
	k.await("it is ready", func() bool { return w.app.Ready() == nil })
	k.await("the gateway's side is back", func() bool { return k.bus.Ready() == nil })
	q := question("7", "hello?")
	k.await("the question is taken", func() bool { _, err := k.bus.PublishQuestion(k.ctx, q); return err == nil })
	k.want(q, chat.Reply, "")
	k.nats.Stop()
	k.await("it is not ready any more", func() bool { return w.app.Ready() != nil })
	k.nats.Start()
	k.await("it is ready again", func() bool { return w.app.Ready() == nil })
	q = question("7", "and now?")
	k.await("the question is taken", func() bool { _, err := k.bus.PublishQuestion(k.ctx, q); return err == nil })
	k.want(q, chat.Reply, "")
}

func TestARestartOfNATSLosesNothing(t *testing.T) {
	k := setup(t, nil)
	k.hf.SetLatency(hfsim.Fixed(50 * time.Millisecond))
	k.start(nil)
	k.start(nil)
	var qs []chat.Question
	for i := range 40 {
		qs = append(qs, question(fmt.Sprint(100+i%10), fmt.Sprint("question ", i)))
	}
	k.ask(qs...)
	k.await("some calls were made", func() bool { return k.hf.Books().Calls >= 5 })
	k.nats.Stop()
	k.nats.Start()
	for _, q := range qs {
		k.want(q, chat.Reply, "echo: "+q.Text)
	}
}
