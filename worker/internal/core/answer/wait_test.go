package answer_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/core/memory"
)

// closedFor has the budget open after d.
func (w *world) closedFor(d time.Duration, why budget.Reason) (opens time.Time) {
	opens = time.Now().Add(d)
	w.reserve = func(r budget.Request) (budget.Grant, error) {
		if time.Now().Before(opens) {
			return budget.Grant{}, &budget.WaitError{Until: opens, Reason: why}
		}
		return grant(r, "primary"), nil
	}
	return opens
}

func TestAShortWaitIsWaitedInside(t *testing.T) {
	run(t, func(w *world) {
		opens := w.closedFor(1500*time.Millisecond, budget.Turning)
		w.want(question(1), chat.Reply, "")
		if d := time.Since(opens); d < 0 || d > 50*time.Millisecond || len(w.notices) != 0 || len(w.deferred) != 0 {
			t.Errorf("answered %s after the opening, %d notices, handed back for %v", d, len(w.notices), w.deferred)
		}
	})
}

func TestALongWaitIsToldOncePerChannelUntilItsTime(t *testing.T) {
	run(t, func(w *world) {
		opens := w.closedFor(7*time.Minute+300*time.Millisecond, budget.Exhausted)
		first := question(1)
		second := question(2)
		second.User = "8"
		done := make(chan chat.Answer)
		go func() { done <- w.ask(second) }()
		a := w.ask(first)
		b := <-done
		if a.Kind != chat.Reply || b.Kind != chat.Reply {
			t.Fatalf("ended as %s and %s", a.Kind, b.Kind)
		}
		if late := a.Answered.Sub(opens); late < 0 || late > 500*time.Millisecond {
			t.Errorf("answered %s after the opening", late)
		}
		if len(w.notices) != 1 {
			t.Fatalf("%d notices, want 1", len(w.notices))
		}
		n := w.notices[0]
		if n.Until.Before(opens) || n.Until.Sub(opens) >= time.Second || !strings.Contains(n.Text, fmt.Sprintf("<t:%d:R>", n.Until.Unix())) {
			t.Errorf("notice %+v, the budget opens at %s", n, opens)
		}
		if w.attempts[first.ID].Counted != 1 || w.attempts[second.ID].Counted != 1 {
			t.Errorf("waiting was counted as attempts: %+v", w.attempts)
		}
	})
}

func TestWhoWaitsInsideIsWokenWhenACallNeedsLess(t *testing.T) {
	run(t, func(w *world) {
		w.closedFor(5*time.Minute, budget.Exhausted)
		changed := w.changed
		w.later(700*time.Millisecond, func() {
			w.reserve = func(r budget.Request) (budget.Grant, error) { return grant(r, "primary"), nil }
			close(changed)
		})
		begun := time.Now()
		w.want(question(1), chat.Reply, "")
		if d := time.Since(begun); d != 700*time.Millisecond || len(w.notices) != 0 {
			t.Errorf("answered after %s with %d notices", d, len(w.notices))
		}
	})
}

func TestWhatCantMakeItIsEndedAtOnce(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		kind   chat.Kind
		reason string
	}{
		{"a month", &budget.WaitError{Until: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), Reason: budget.Resting}, chat.Apology, answer.ReasonNoBudget},
		{"exhausted for long", &budget.WaitError{Until: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), Reason: budget.Exhausted}, chat.Apology, answer.ReasonNoBudget},
		{"no keys", budget.ErrNoKeys, chat.Apology, answer.ReasonNoKeys},
		{"too big", budget.ErrTooBig, chat.Refusal, answer.ReasonTooBig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(w *world) {
				w.reserve = func(budget.Request) (budget.Grant, error) { return budget.Grant{}, tt.err }
				begun := time.Now()
				w.want(question(1), tt.kind, tt.reason)
				w.callCount(0)
				if time.Since(begun) > 0 || len(w.notices) != 0 {
					t.Errorf("ended after %s with %d notices", time.Since(begun), len(w.notices))
				}
			})
		})
	}
}

func TestWhileCallsMayGiveBackNobodyIsSentAway(t *testing.T) {
	run(t, func(w *world) {
		w.views = []budget.KeyView{{Key: "primary", State: budget.StateActive, Leases: 1}}
		w.closedFor(30*24*time.Hour, budget.Exhausted)
		w.later(20*time.Second, func() {
			w.reserve = func(r budget.Request) (budget.Grant, error) { return grant(r, "primary"), nil }
		})
		w.want(question(1), chat.Reply, "")
		if len(w.notices) != 0 {
			t.Errorf("notices %+v name a time that is too late", w.notices)
		}
	})
}

func TestTheDeadlineEndsTheWait(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		w.reserve = func(budget.Request) (budget.Grant, error) { // it moves on and on
			return budget.Grant{}, &budget.WaitError{Until: time.Now().Add(40 * time.Second), Reason: budget.Cooling}
		}
		a := w.want(q, chat.Apology, "no_budget")
		if late := a.Answered.Sub(q.Asked); late < 14*time.Minute || late > 15*time.Minute+time.Second {
			t.Errorf("the apology came after %s", late)
		}
	})
}

func TestOthersComeFirst(t *testing.T) {
	run(t, func(w *world) {
		n := 0
		w.reserve = func(r budget.Request) (budget.Grant, error) {
			if n++; n <= 3 {
				return budget.Grant{}, &budget.ShareError{RetryAfter: time.Millisecond}
			}
			return grant(r, "primary"), nil
		}
		begun := time.Now()
		w.want(question(1), chat.Reply, "")
		if d := time.Since(begun); d < 60*time.Millisecond || d > time.Second {
			t.Errorf("it came back three times within %s", d)
		}
		if !slices.Equal(w.deferred, []answer.Wait{answer.WaitShare, answer.WaitShare, answer.WaitShare}) {
			t.Errorf("handed back for %v", w.deferred)
		}
	})
}

func TestAConversationThatIsTooBigIsLeftOut(t *testing.T) {
	run(t, func(w *world) {
		w.want(question(1), chat.Reply, "")
		most := 0
		w.reserve = func(r budget.Request) (budget.Grant, error) {
			if most == 0 {
				most = r.PromptTokens - 1
			}
			if r.PromptTokens > most {
				return budget.Grant{}, budget.ErrTooBig
			}
			return grant(r, "primary"), nil
		}
		w.want(question(2), chat.Reply, "")
		for _, turn := range w.calls[1].Prompt.Turns {
			if turn.Text == "question 1" {
				t.Error("the conversation was sent")
			}
		}
	})
}

func TestForgetWinsOverAQuestionThatRuns(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		w.model = func(context.Context, answer.Call) (answer.Completion, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			d, _ := w.memory["7"].Document.Forget(q.Mark + 1)
			w.memory["7"] = answer.Memory{Document: d, Revision: w.memory["7"].Revision + 1}
			return say("hello"), nil
		}
		w.want(q, chat.Reply, "")
		if m := w.memory["7"]; len(m.Turns) != 0 || m.Last != q.ID {
			t.Errorf("memory %+v", m)
		}
	})
}

func TestARebootMakesConversationsUnknown(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		w.want(q, chat.Reply, "")
		w.forgetBefore = q.Mark
		w.want(question(2), chat.Reply, "")
		if got, first := len(w.calls[1].Prompt.Turns), len(w.calls[0].Prompt.Turns); got != first {
			t.Errorf("%d turns after the reboot, want %d", got, first)
		}
	})
}

func TestMemoryCanBeSwitchedOff(t *testing.T) {
	run(t, func(w *world) {
		cfg := w.cfg
		cfg.Memory = memory.Limits{}
		w.configure(cfg)
		q := question(1)
		w.want(q, chat.Reply, "")
		if a := w.want(question(2), chat.Reply, ""); a.After != q.ID || len(w.memory["7"].Turns) != 0 {
			t.Errorf("after %q, memory %+v", a.After, w.memory["7"])
		}
	})
}

// TestAnAnsweredQuestionDoesNotWaitForBudget: NATS forgot that it ended, and nothing is counted of an ending without a call.
func TestAnAnsweredQuestionDoesNotWaitForBudget(t *testing.T) {
	run(t, func(w *world) {
		w.reserve = func(budget.Request) (budget.Grant, error) {
			return budget.Grant{}, &budget.WaitError{Until: time.Now().Add(time.Minute), Reason: budget.Cooling}
		}
		if _, again := w.Answer(w.t.Context(), question(1)).Again(); !again {
			t.Fatal("the first question did not wait")
		}
		said := len(w.notices)
		q := question(2)
		a := chat.AnswerTo(q, chat.Apology, time.Now().Add(-time.Millisecond))
		a.Text = "sorry"
		w.answers[q.ID] = a
		if _, again := w.Answer(w.t.Context(), q).Again(); again || len(w.notices) != said {
			t.Errorf("again %v, %d notices", again, len(w.notices)-said)
		}
	})
}

func TestAReplayIsNotRefusedAsItsQuestionWas(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		q.ID = answer.ReplayID(q.ID, 1)
		w.changes[q.ID] = chat.Change{Question: "1", Refused: true, Text: q.Text}
		w.want(q, chat.Reply, "")
	})
}
