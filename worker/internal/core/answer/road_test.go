package answer_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
)

func TestAQuestionIsAnsweredAndRemembered(t *testing.T) {
	run(t, func(w *world) {
		w.model = func(context.Context, answer.Call) (answer.Completion, error) {
			return say("<think>hm</think>Salamander: hello"), nil
		}
		q := question(1)
		a := w.want(q, chat.Reply, "")
		if a.Text != "hello" || a.After != "" || a.Receipt == nil || a.Receipt.Key != "primary" || a.Receipt.Prompt != 400 || a.Receipt.Lease != w.requests[0].ID {
			t.Errorf("answer %+v", a)
		}
		if !slices.Equal(w.kinds(), []budget.Kind{budget.Success}) || w.typed != 0 {
			t.Errorf("settled %v, typed %d", w.kinds(), w.typed)
		}
		m := w.memory["7"]
		if len(m.Turns) != 1 || m.Turns[0].User != q.Text || m.Turns[0].Bot != "hello" || m.Turns[0].BotTokens != 5 || m.Last != q.ID {
			t.Errorf("memory %+v", m)
		}
		second := question(2)
		if a := w.want(second, chat.Reply, ""); a.After != q.ID {
			t.Errorf("the second answer comes after %q, want %q", a.After, q.ID)
		}
		var texts []string
		for _, turn := range w.calls[1].Prompt.Turns {
			texts = append(texts, string(turn.Role)+": "+turn.Text)
		}
		got := strings.Join(texts, "\n")
		if !strings.HasPrefix(got, "assistant: *stretches") || !strings.HasSuffix(got, "user: question 1\nassistant: hello\nuser: question 2") {
			t.Errorf("the second prompt is\n%s", got)
		}
		if len(w.ended) != 2 || w.ended[0].Answer.Question != q.ID {
			t.Errorf("the journal has %+v", w.ended)
		}
	})
}

func TestTypingIsRenewedWhileTheModelThinks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*chat.Question)
		signs  int // in 12 s
	}{
		"young, the gateway shows the first": {func(*chat.Question) {}, 2},
		"waited":                             {func(q *chat.Question) { q.Asked = q.Asked.Add(-time.Minute) }, 3},
		"replayed, no gateway knows of it":   {func(q *chat.Question) { q.ID = answer.ReplayID(q.ID, 1) }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				w.model = func(context.Context, answer.Call) (answer.Completion, error) {
					time.Sleep(12 * time.Second)
					return say("hello"), nil
				}
				q := question(1)
				c.change(&q)
				w.want(q, chat.Reply, "")
				if w.typed != c.signs {
					t.Errorf("typed %d times in 12 s, want %d", w.typed, c.signs)
				}
				time.Sleep(time.Minute)
				if w.typed != c.signs {
					t.Error("typing goes on after the answer")
				}
			})
		})
	}
}

func TestAnAnswerThatIsThereIsNotPaidTwice(t *testing.T) {
	for name, c := range map[string]struct {
		age   time.Duration // of the question when it comes again
		waits time.Duration // from then to its turn
	}{"just asked": {}, "asked a while ago": {age: 10 * time.Second}, "just asked, and waits for its turn": {waits: 10 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				q := question(1)
				q.Asked = time.Now().Add(-c.age)
				a := chat.AnswerTo(q, chat.Reply, time.Now())
				a.Text, a.Receipt = "was there", &chat.Receipt{Key: "second", Lease: "old", Prompt: 9, Completion: 3, Known: true}
				w.answers[q.ID] = a
				w.attempts[q.ID] = answer.Attempts{Counted: 1, Revision: 1} // its call was counted before it was made
				turn := w.Begin(q)
				time.Sleep(c.waits)
				if _, again := turn(w.t.Context()).Again(); again {
					t.Error("it comes again")
				}
				w.callCount(0)
				found := slices.ContainsFunc(w.settled, func(s settlement) bool {
					return s.Lease == "old" && s.Prompt == 9 && s.Kind == budget.Success
				})
				if !found {
					t.Errorf("the receipt was settled as %+v", w.settled)
				}
				for _, s := range w.settled {
					if s.Lease != "old" && s.Kind != budget.NotSent {
						t.Errorf("settled %+v, and no call was made", s)
					}
				}
				if m := w.memory["7"]; len(m.Turns) != 1 || m.Turns[0].Bot != "was there" {
					t.Errorf("memory %+v", m)
				}
				if len(w.ended) != 1 || !w.ended[0].Again {
					t.Errorf("journal %+v", w.ended)
				}
			})
		})
	}
}

// TestAQuestionThatAGatewayRefusedEndsWithTheSameNotice: one gateway found no room for it, another one did.
func TestAQuestionThatAGatewayRefusedEndsWithTheSameNotice(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		w.changes[q.ID] = chat.Change{Question: q.ID, Refused: true, Text: "edited later"}
		w.want(q, chat.Refusal, chat.ReasonFull)
		w.callCount(0)
		if a := w.answers[q.ID]; a.Text != chat.TextFull {
			t.Errorf("it says %q", a.Text)
		}
		if m := w.memory["7"]; len(m.Turns) != 0 || m.Last != q.ID {
			t.Errorf("memory %+v", m)
		}
	})
}

func TestAPublishWhoseConfirmationGotLostIsOurOwn(t *testing.T) {
	run(t, func(w *world) {
		w.failing["publish"], w.landed["publish"] = 1, true
		w.want(question(1), chat.Reply, "")
		w.callCount(1)
		if len(w.ended) != 1 || w.ended[0].Again || len(w.settled) != 1 {
			t.Errorf("journal %+v, settled %+v", w.ended, w.settled)
		}
	})
}

func TestAPaidAnswerOutlivesATroubledStore(t *testing.T) {
	run(t, func(w *world) {
		w.failing["publish"] = 20
		w.want(question(1), chat.Reply, "")
		w.callCount(1)
	})
}

func TestTheTurnIsStoredBeforeTheQuestionIsDone(t *testing.T) {
	run(t, func(w *world) {
		w.failing["remember"] = 1
		q := question(1)
		if _, again := w.Answer(w.t.Context(), q).Again(); !again {
			t.Fatal("done although the turn is not stored")
		}
		w.want(q, chat.Reply, "")
		w.callCount(1)
		if len(w.memory["7"].Turns) != 1 {
			t.Error("the turn is not stored")
		}
	})
}

func TestWhatNobodyWantsIsDropped(t *testing.T) {
	tests := []struct {
		reason string
		set    func(w *world, q chat.Question)
	}{
		{answer.ReasonStopped, func(w *world, _ chat.Question) { w.stopped = true }},
		{answer.ReasonMuted, func(w *world, q chat.Question) { w.muted = q.User }},
		{answer.ReasonOlder, func(w *world, q chat.Question) { w.dropBefore = q.Mark }},
		{answer.ReasonDeleted, func(w *world, q chat.Question) { w.changes[q.ID] = chat.Change{Question: q.ID, Deleted: true} }},
		{answer.ReasonEmptied, func(w *world, q chat.Question) { w.changes[q.ID] = chat.Change{Question: q.ID, Text: " "} }},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			run(t, func(w *world) {
				q := question(1)
				tt.set(w, q)
				w.want(q, chat.Dropped, tt.reason)
				w.callCount(0)
				if w.typed != 0 || len(w.requests) != 0 || w.memory["7"].Last != "" {
					t.Error("a dropped question typed, reserved or was remembered")
				}
			})
		})
	}
}

func TestANewerQuestionIsNotDropped(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		w.dropBefore = q.Mark - 1
		w.want(q, chat.Reply, "")
	})
}

func TestAnEditBeforeTheCallChangesTheQuestion(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		w.changes[q.ID] = chat.Change{Question: q.ID, Text: "edited"}
		w.want(q, chat.Reply, "")
		turns := w.calls[0].Prompt.Turns
		if got := turns[len(turns)-1].Text; got != "edited" || w.memory["7"].Turns[0].User != "edited" {
			t.Errorf("asked %q, remembered %q", got, w.memory["7"].Turns[0].User)
		}
	})
}

func TestBounds(t *testing.T) {
	t.Run("too long", func(t *testing.T) {
		run(t, func(w *world) {
			q := question(1)
			q.Text = strings.Repeat("ж", chat.MaxQuestionRunes+1)
			w.want(q, chat.Refusal, answer.ReasonTooLong)
			w.callCount(0)
		})
	})
	t.Run("just not too long", func(t *testing.T) {
		run(t, func(w *world) {
			q := question(1)
			q.Text = strings.Repeat("ж", chat.MaxQuestionRunes)
			w.want(q, chat.Reply, "")
		})
	})
	t.Run("too late", func(t *testing.T) {
		run(t, func(w *world) {
			q := question(1)
			time.Sleep(15 * time.Minute)
			w.want(q, chat.Apology, answer.ReasonLate)
			w.callCount(0)
		})
	})
	t.Run("too late while the model thinks", func(t *testing.T) {
		run(t, func(w *world) {
			w.model = func(ctx context.Context, _ answer.Call) (answer.Completion, error) {
				<-ctx.Done()
				return answer.Completion{}, &answer.CallError{Class: answer.Retry, Sent: true, Message: "no answer", Cause: ctx.Err()}
			}
			q := question(1)
			time.Sleep(15*time.Minute - 10*time.Second)
			w.want(q, chat.Apology, answer.ReasonLate)
			w.callCount(1)
			if took := time.Since(q.Asked); took > 15*time.Minute+time.Second {
				t.Errorf("apologised %s after it was asked", took)
			}
			if len(w.letters) != 0 || w.kinds()[0] != budget.Failed {
				t.Errorf("letters %+v, settled %v", w.letters, w.kinds())
			}
		})
	})
	t.Run("endless answer", func(t *testing.T) {
		run(t, func(w *world) {
			w.model = func(context.Context, answer.Call) (answer.Completion, error) {
				return say(strings.Repeat("€", 100_000)), nil
			}
			if a := w.want(question(1), chat.Reply, ""); len(a.Text) > 32<<10 || strings.ContainsRune(a.Text, '\uFFFD') {
				t.Errorf("%d bytes", len(a.Text))
			}
		})
	})
}

func TestWhenTheStoreIsAwayTheQuestionComesAgain(t *testing.T) {
	for _, op := range []string{"answered", "attempts", "letter"} {
		t.Run(op, func(t *testing.T) {
			run(t, func(w *world) {
				w.failing[op] = 3
				w.model = func(context.Context, answer.Call) (answer.Completion, error) {
					return answer.Completion{}, failure(answer.Fatal, 400)
				}
				w.want(question(1), chat.Fallback, answer.ReasonRejected)
				if len(w.letters) != 1 || !slices.Contains(w.deferred, answer.WaitStore) {
					t.Errorf("letters %+v, handed back for %v", w.letters, w.deferred)
				}
			})
		})
	}
}

func TestAMemoryThatWasReadBeforeTheTurnIsReadAgainUnlessItIsWhole(t *testing.T) {
	for name, c := range map[string]struct {
		hint    bool // the gateway knows the question before
		early   bool // the look began before that one was done
		recalls int
	}{"known, and done": {true, false, 0}, "known, not done yet": {true, true, 1}, "not known": {false, false, 1}, "not known, not done yet": {false, true, 1}} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				first, second := question(1), question(2)
				if c.hint {
					second.Previous = first.ID
				}
				var late func(context.Context) retry.Verdict
				if c.early {
					late = w.Begin(second)
				}
				w.want(first, chat.Reply, "")
				w.recalled = 0
				if late == nil {
					late = w.Begin(second)
				}
				if _, again := late(w.t.Context()).Again(); again {
					t.Error("the second question was not answered")
				}
				if turns := w.calls[1].Prompt.Turns; len(turns) < 3 || turns[len(turns)-2].Text != "hello" {
					t.Errorf("the second prompt lacks the first answer: %+v", turns)
				}
				if w.recalled != c.recalls {
					t.Errorf("the memory was read again %d times, want %d", w.recalled, c.recalls)
				}
			})
		})
	}
}
