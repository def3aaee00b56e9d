package answer_test

import (
	"context"
	"testing"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
)

// hang is a model that answers only when its call is ended.
func hang(ctx context.Context, _ answer.Call) (answer.Completion, error) {
	<-ctx.Done()
	return answer.Completion{}, &answer.CallError{Class: answer.Retry, Sent: true, Cause: ctx.Err(), Message: "the call was ended"}
}

func TestAStopEndsWhatRunsAndWhatWaits(t *testing.T) {
	run(t, func(w *world) {
		w.model = hang
		running, waiting, elsewhere := question(1), question(2), question(9)
		waiting.User, elsewhere.User, elsewhere.Guild = "8", "9", "11"
		w.reserve = func(r budget.Request) (budget.Grant, error) {
			if r.User == "8" {
				return budget.Grant{}, &budget.WaitError{Until: time.Now().Add(time.Second), Reason: budget.Turning}
			}
			return grant(r, "primary"), nil
		}
		ctx, cancel := context.WithCancel(w.t.Context())
		for _, q := range []chat.Question{running, waiting, elsewhere} {
			go w.Begin(q)(ctx)
		}
		time.Sleep(time.Second)
		if in, all := w.Running("10"); in != 1 || all != 2 {
			t.Errorf("%d of %d calls run in the server", in, all)
		}
		command := waiting.Mark + 1 // the third is younger
		w.mu.Lock()
		w.dropBefore = command
		w.mu.Unlock()
		begun := time.Now()
		w.Obey(w.t.Context())
		if time.Since(begun) > 0 {
			t.Errorf("it took %s", time.Since(begun))
		}
		for _, q := range []chat.Question{running, waiting} {
			if a := w.answers[q.ID]; a.Kind != chat.Dropped || a.Reason != answer.ReasonOlder {
				t.Errorf("%s ended as %+v", q.Text, a)
			}
		}
		if c, d := w.Ended(command); c != 1 || d != 1 {
			t.Errorf("the command ended %d calls and %d waiting questions, want 1 and 1", c, d)
		}
		if in, all := w.Running(control.Fleet); in != 1 || all != 1 {
			t.Errorf("%d of %d calls run on", in, all)
		}
		if s := w.settled; len(s) != 1 || s[0].Kind != budget.Failed || s[0].UsageKnown {
			t.Errorf("settled %+v: what was sent stays charged", s)
		}
		cancel()
		time.Sleep(time.Minute)
	})
}

func TestAStopThatComesWhileTheModelSpeaksDropsTheAnswer(t *testing.T) {
	run(t, func(w *world) {
		w.model = func(context.Context, answer.Call) (answer.Completion, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.stopped = true
			return say("hello"), nil
		}
		w.want(question(1), chat.Dropped, answer.ReasonStopped)
	})
}

func TestADrainHandsBackWhatItCantFinish(t *testing.T) {
	run(t, func(w *world) {
		w.model = hang
		q := question(1)
		ctx, cancel := context.WithCancel(w.t.Context())
		time.AfterFunc(time.Second, cancel)
		begun := time.Now()
		after, again := w.Answer(ctx, q).Again()
		if !again || after != 0 || time.Since(begun) != time.Second {
			t.Errorf("handed back %v after %s, %s later", again, after, time.Since(begun))
		}
		if n := w.attempts[q.ID].Counted; n != 0 {
			t.Errorf("%d attempts counted: it was not the question's failure", n)
		}
		w.configure(w.cfg)
		w.script()
		w.want(q, chat.Reply, "")
	})
}

func TestADrainStillStoresAPaidAnswer(t *testing.T) {
	run(t, func(w *world) {
		ctx, cancel := context.WithCancel(w.t.Context())
		w.model = func(context.Context, answer.Call) (answer.Completion, error) {
			cancel() // at the very moment at which the answer is there
			return say("hello"), nil
		}
		q := question(1)
		if _, again := w.Answer(ctx, q).Again(); again || w.answers[q.ID].Text != "hello" || len(w.memory["7"].Turns) != 1 {
			t.Errorf("handed back %v, answer %+v", again, w.answers[q.ID])
		}
	})
}

func TestADrainDoesNotWaitForAStoreThatIsAway(t *testing.T) {
	run(t, func(w *world) {
		ctx, cancel := context.WithCancel(w.t.Context())
		w.failing["publish"] = 1 << 30
		w.model = func(context.Context, answer.Call) (answer.Completion, error) {
			cancel()
			return say("hello"), nil
		}
		begun := time.Now()
		if _, again := w.Answer(ctx, question(1)).Again(); !again || time.Since(begun) > 3*time.Second {
			t.Errorf("handed back %v after %s", again, time.Since(begun))
		}
	})
}

func TestUrgentIsWhatNobodyWants(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		if w.Urgent(q) {
			t.Error("urgent without a reason")
		}
		w.stopped = true
		if !w.Urgent(q) {
			t.Error("not urgent although the server is stopped")
		}
	})
}

func TestMalformedIsKept(t *testing.T) {
	run(t, func(w *world) {
		w.failing["letter"] = 1
		l := chat.DeadLetter{Raw: "{", Stage: "worker", Reason: answer.ReasonMalformed}
		if _, again := w.Malformed(w.t.Context(), l).Again(); !again {
			t.Error("done although it is not stored")
		}
		if _, again := w.Malformed(w.t.Context(), l).Again(); again || len(w.letters) != 1 {
			t.Errorf("letters %+v", w.letters)
		}
	})
}
