package answer_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
)

// script answers call after call by its errors; nil is a success, and after the last all succeed.
func (w *world) script(errs ...error) {
	w.model = func(context.Context, answer.Call) (answer.Completion, error) {
		if n := len(w.calls); n <= len(errs) && errs[n-1] != nil {
			return answer.Completion{}, errs[n-1]
		}
		return say("hello"), nil
	}
}

func TestFailedCalls(t *testing.T) {
	retry := failure(answer.Retry, 503)
	tests := []struct {
		name   string
		errs   []error
		kind   chat.Kind
		reason string
		calls  int
		kinds  []budget.Kind
	}{
		{"one failure", []error{retry}, chat.Reply, "", 2, []budget.Kind{budget.Failed, budget.Success}},
		{"two failures", []error{retry, retry}, chat.Reply, "", 3, []budget.Kind{budget.Failed, budget.Failed, budget.Success}},
		{"three failures", []error{retry, retry, retry}, chat.Fallback, answer.ReasonFailed, 3,
			[]budget.Kind{budget.Failed, budget.Failed, budget.Failed}},
		{"a bad prompt", []error{failure(answer.Fatal, 422)}, chat.Fallback, answer.ReasonRejected, 1, []budget.Kind{budget.Failed}},
		{"no connection", []error{&answer.CallError{Class: answer.Retry, Key: "primary"}}, chat.Reply, "", 2,
			[]budget.Kind{budget.NotSent, budget.Success}},
		{"an error that is none of ours", []error{errors.New("odd")}, chat.Reply, "", 2, []budget.Kind{budget.Failed, budget.Success}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(w *world) {
				w.script(tt.errs...)
				w.want(question(1), tt.kind, tt.reason)
				w.callCount(tt.calls)
				if got := w.kinds(); !slices.Equal(got, tt.kinds) {
					t.Errorf("settled %v, want %v", got, tt.kinds)
				}
				if (len(w.letters) == 1) != (tt.kind == chat.Fallback) {
					t.Errorf("dead letters %+v", w.letters)
				}
				seen := map[string]bool{}
				for _, r := range w.requests {
					if seen[r.ID] {
						t.Errorf("two calls under one lease %s", r.ID)
					}
					seen[r.ID] = true
				}
			})
		})
	}
}

func TestWhatConcernsTheKeyMovesOnAndDoesNotCount(t *testing.T) {
	tests := []struct {
		class  answer.Class
		status int
		kind   budget.Kind
	}{
		{answer.RateLimited, 429, budget.RateLimited}, {answer.NoCredit, 402, budget.NoCredit}, {answer.Refused, 401, budget.KeyRefused},
	}
	for _, tt := range tests {
		t.Run(string(tt.class), func(t *testing.T) {
			run(t, func(w *world) {
				keys := []string{"a", "b", "c", "d", "e"}
				w.reserve = func(r budget.Request) (budget.Grant, error) {
					for _, k := range keys {
						if !slices.Contains(r.Exclude, k) {
							return grant(r, k), nil
						}
					}
					return budget.Grant{}, budget.ErrNoKeys
				}
				e := failure(tt.class, tt.status)
				w.script(e, e, e, e)
				begun := time.Now()
				a := w.want(question(1), chat.Reply, "")
				if a.Receipt.Key != "e" || time.Since(begun) > 0 {
					t.Errorf("answered with key %s after %s", a.Receipt.Key, time.Since(begun))
				}
				if s := w.settled[0]; s.Kind != tt.kind || !s.Sync {
					t.Errorf("settled %+v; others must know before the next key is tried", s)
				}
				if n := w.attempts[a.Question].Counted; n != 1 {
					t.Errorf("%d attempts counted, want 1", n)
				}
			})
		})
	}
}

func TestBackOffGrowsAndHonoursALoadingModel(t *testing.T) {
	run(t, func(w *world) {
		w.script(failure(answer.Retry, 500), failure(answer.Retry, 500))
		begun := time.Now()
		w.want(question(1), chat.Reply, "")
		if d := time.Since(begun); d < 1250*time.Millisecond || d > 2*time.Second {
			t.Errorf("two failures took %s", d)
		}
	})
	t.Run("loading", func(t *testing.T) {
		run(t, func(w *world) {
			w.script(&answer.CallError{Class: answer.Retry, Status: 503, Sent: true, RetryAfter: 12 * time.Second})
			begun := time.Now()
			w.want(question(1), chat.Reply, "")
			if d := time.Since(begun); d < 10*time.Second || d > 15*time.Second {
				t.Errorf("answered after %s", d)
			}
			if !slices.Contains(w.deferred, answer.WaitRetry) {
				t.Errorf("handed back for %v", w.deferred)
			}
		})
	})
	t.Run("loading for ever", func(t *testing.T) {
		run(t, func(w *world) {
			e := &answer.CallError{Class: answer.Retry, Status: 503, Sent: true, RetryAfter: 5 * time.Minute}
			w.script(e, e, e)
			begun := time.Now()
			w.want(question(1), chat.Fallback, answer.ReasonFailed)
			if d := time.Since(begun); d > time.Minute {
				t.Errorf("gave up after %s", d)
			}
		})
	})
}

func TestAttemptsCountOverCrashes(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		dead := make(chan struct{})
		w.model = func(ctx context.Context, _ answer.Call) (answer.Completion, error) {
			<-dead // the process dies in the call: nothing that it would have done happens
			return answer.Completion{}, &answer.CallError{Class: answer.Retry, Cause: ctx.Err(), Sent: true}
		}
		for range 3 {
			go w.Begin(q)(w.t.Context())
			time.Sleep(time.Second)
			w.configure(w.cfg) // the next process
		}
		w.want(q, chat.Fallback, answer.ReasonUnknown)
		w.callCount(3)
		if l := w.letters; len(l) != 1 || l[0].Attempts != 3 {
			t.Errorf("letters %+v", l)
		}
		close(dead)
	})
}

// TestAttemptsOfAFreshQuestionAreFound: that a question asked just now was tried before is not assumed, but found out before
// a call is made, and without keeping what was reserved.
func TestAttemptsOfAFreshQuestionAreFound(t *testing.T) {
	for counted, calls := range map[int]int{0: 1, 1: 1, 2: 1, 3: 0} {
		t.Run(strconv.Itoa(counted), func(t *testing.T) {
			run(t, func(w *world) {
				q := question(1)
				if counted > 0 {
					w.attempts[q.ID] = answer.Attempts{Counted: counted, Revision: 7}
				}
				kind := chat.Reply
				if calls == 0 {
					kind = chat.Fallback
				}
				begun := time.Now()
				if got := w.ask(q); got.Kind != kind || time.Since(begun) > time.Second {
					w.t.Errorf("ended as %s after %s, want %s at once", got.Kind, time.Since(begun), kind)
				}
				w.callCount(calls)
				if got := w.attempts[q.ID].Counted; got != counted+calls {
					w.t.Errorf("%d attempts on record, want %d", got, counted+calls)
				}
				given := 0
				for _, k := range w.kinds() {
					if k == budget.NotSent {
						given++
					}
				}
				if len(w.requests)-given != calls {
					w.t.Errorf("%d reserved, %d given back, for %d calls", len(w.requests), given, calls)
				}
			})
		})
	}
}

func TestTwoProcessesWithOneQuestion(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		w.model = func(context.Context, answer.Call) (answer.Completion, error) {
			time.Sleep(time.Second)
			return say("hello"), nil
		}
		first := w.Service
		go first.Begin(q)(w.t.Context())
		time.Sleep(100 * time.Millisecond)
		w.configure(w.cfg)
		w.want(q, chat.Reply, "") // a stalled process is not told from a dead one: at most one call more
		if len(w.calls) > 2 || len(w.answers) != 1 || len(w.memory["7"].Turns) != 1 {
			t.Errorf("%d calls, %d answers, memory %+v", len(w.calls), len(w.answers), w.memory["7"])
		}
		time.Sleep(5 * time.Second)
	})
}

func TestADeliveryOfWhatRunsHereComesBack(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		w.model = func(context.Context, answer.Call) (answer.Completion, error) {
			time.Sleep(time.Second)
			return say("hello"), nil
		}
		go w.Begin(q)(w.t.Context())
		time.Sleep(100 * time.Millisecond)
		if _, again := w.Answer(w.t.Context(), q).Again(); !again {
			t.Error("done while it runs")
		}
		time.Sleep(5 * time.Second)
		w.callCount(1)
	})
}

func TestAnEmptyAnswerCountsAsFailure(t *testing.T) {
	run(t, func(w *world) {
		w.model = func(context.Context, answer.Call) (answer.Completion, error) { return say("<think>endless"), nil }
		w.want(question(1), chat.Fallback, answer.ReasonFailed)
		w.callCount(3)
		if !slices.Equal(w.kinds(), []budget.Kind{budget.Success, budget.Success, budget.Success}) {
			t.Errorf("settled %v: the tokens were used", w.kinds())
		}
		if len(w.memory["7"].Turns) != 0 || w.memory["7"].Last == "" {
			t.Errorf("memory %+v: a fallback is no turn", w.memory["7"])
		}
	})
}

func TestNothingIsSentWhenAttemptOrBudgetIsNotStored(t *testing.T) {
	run(t, func(w *world) {
		w.failing["attempts"] = 1
		w.want(question(1), chat.Reply, "")
		w.callCount(1)
		if !slices.Equal(w.kinds(), []budget.Kind{budget.NotSent, budget.Success}) {
			t.Errorf("settled %v", w.kinds())
		}
	})
	t.Run("budget", func(t *testing.T) {
		run(t, func(w *world) {
			n := 0
			w.reserve = func(r budget.Request) (budget.Grant, error) {
				if n++; n <= 5 {
					return budget.Grant{}, errAway
				}
				return grant(r, "primary"), nil
			}
			q := question(1)
			w.want(q, chat.Reply, "")
			w.callCount(1)
			if got := w.attempts[q.ID].Counted; got != 1 {
				t.Errorf("%d attempts counted, want 1", got)
			}
		})
	})
}

func TestAGrantThatIsOverIsNotUsed(t *testing.T) {
	run(t, func(w *world) {
		n := 0
		w.reserve = func(r budget.Request) (budget.Grant, error) {
			g := grant(r, "primary")
			if n++; n == 1 {
				g.NotAfter = time.Now().Add(-time.Millisecond)
			}
			return g, nil
		}
		w.want(question(1), chat.Reply, "")
		w.callCount(1)
		if !slices.Equal(w.kinds(), []budget.Kind{budget.NotSent, budget.Success}) {
			t.Errorf("settled %v", w.kinds())
		}
	})
}

func TestACallThatMayHaveLeftLateIsChargedLate(t *testing.T) {
	run(t, func(w *world) {
		w.reserve = func(r budget.Request) (budget.Grant, error) {
			g := grant(r, "primary")
			g.NotAfter = time.Now().Add(100 * time.Millisecond)
			return g, nil
		}
		w.model = func(context.Context, answer.Call) (answer.Completion, error) {
			time.Sleep(time.Second)
			return say("hello"), nil
		}
		w.want(question(1), chat.Reply, "")
		if !w.settled[0].Late {
			t.Error("not charged to the next window")
		}
	})
}

func TestErrorsOfTheProviderAreChargedWithoutTokens(t *testing.T) {
	run(t, func(w *world) {
		w.script(failure(answer.Retry, 503))
		w.want(question(1), chat.Reply, "")
		if s := w.settled[0]; !s.UsageKnown || s.Prompt != 0 || s.Completion != 0 {
			t.Errorf("settled %+v", s)
		}
	})
	t.Run("unknown outcome", func(t *testing.T) {
		run(t, func(w *world) {
			w.script(failure(answer.Retry, 0))
			w.want(question(1), chat.Reply, "")
			if s := w.settled[0]; s.UsageKnown || s.Kind != budget.Failed {
				t.Errorf("settled %+v: what is not known stays charged", s)
			}
		})
	})
}

func TestTheCallEndsWithTheLease(t *testing.T) {
	run(t, func(w *world) {
		w.reserve = func(r budget.Request) (budget.Grant, error) {
			g := grant(r, "primary")
			g.Deadline = time.Now().Add(3 * time.Second)
			return g, nil
		}
		w.model = func(ctx context.Context, _ answer.Call) (answer.Completion, error) {
			if d, ok := ctx.Deadline(); !ok || time.Until(d) != 3*time.Second {
				t.Errorf("the call's deadline is %s", d)
			}
			return say("hello"), nil
		}
		w.want(question(1), chat.Reply, "")
	})
}

func TestAReplayThatIsAnsweredLeavesTheDeadLetters(t *testing.T) {
	run(t, func(w *world) {
		q := question(1)
		base := q.ID
		q.ID = answer.ReplayID(base, 2)
		w.want(q, chat.Reply, "")
		want := []chat.QuestionID{base, answer.ReplayID(base, 1), q.ID}
		if !slices.Equal(w.forgot, want) {
			t.Errorf("forgot the letters of %v, want %v", w.forgot, want)
		}
	})
	t.Run("failed again", func(t *testing.T) {
		run(t, func(w *world) {
			w.script(failure(answer.Fatal, 400))
			q := question(1)
			base := q.ID
			q.ID = answer.ReplayID(base, 1)
			w.want(q, chat.Fallback, answer.ReasonRejected)
			if !slices.Equal(w.forgot, []chat.QuestionID{base}) || w.letters[0].Question.ID != q.ID {
				t.Errorf("forgot %v, letters %+v", w.forgot, w.letters)
			}
		})
	})
	if b, n := answer.Replay("12-r3"); b != "12" || n != 3 {
		t.Error(b, n)
	}
	if b, n := answer.Replay("12-rx"); b != "12-rx" || n != 0 {
		t.Error(b, n)
	}
}
