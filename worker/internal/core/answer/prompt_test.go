package answer_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
)

// english counts four letters a token.
func english(p answer.Prompt) int {
	n := 5 + len(p.System)/4
	for _, t := range p.Turns {
		n += 5 + len(t.Text)/4
	}
	return n
}

// awkward are questions whose tokens are hard to guess; some are so long that memory drops what was before them.
var awkward = []string{"hi", "🔥🔥🔥🔥", "你好，你今天怎么样？", "\u202e\u0000\uFFFD", strings.Repeat("xqzj", 500), "Zażółć gęślą jaźń", ""}

func TestTheEstimateIsNeverTooLow(t *testing.T) {
	for name, wraps := range map[string][]int{ // tokens that each provider counts more, in turn
		"one provider":                {0},
		"two, one counts 40 more":     {0, 40},
		"two, one counts far more":    {0, 0, 300},
		"three, the last one is rare": {0, 40, 0, 40, 0, 40, 120},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				calls := 0
				w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) {
					done := say("réponse 🔥 " + strings.Repeat("qx", calls%50))
					wrap := wraps[calls%len(wraps)]
					calls++
					done.Provider = strconv.Itoa(wrap)
					done.PromptTokens, done.CompletionTokens = english(c.Prompt)+wrap, len(done.Text)
					return done, nil
				}
				for i := range 60 {
					q := question(i + 1)
					q.Text = awkward[i%len(awkward)] + "!"
					q.UserName = "ann 🔥"
					w.want(q, chat.Reply, "")
					got, most := w.requests[i].PromptTokens, english(w.calls[i].Prompt)
					if i >= len(wraps) { // all were seen: whoever comes next
						most += slices.Max(wraps)
					}
					if got < most {
						t.Errorf("call %d: reserved %d, used up to %d", i, got, most)
					}
				}
			})
		})
	}
}

// converse has user 7 ask n more questions of an ordinary length, and returns what was reserved for the last one beside
// what it used.
func (w *world) converse(n int) (reserved, used int) {
	for range n {
		q := question(len(w.calls) + 1)
		q.Text = "and what is it that keeps a fire going?"
		w.want(q, chat.Reply, "")
	}
	return w.requests[len(w.requests)-1].PromptTokens, english(w.calls[len(w.calls)-1].Prompt)
}

// counts has the model count as english does.
func (w *world) counts() {
	w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) {
		done := say("wood, air and somebody who looks after it, as ever")
		done.PromptTokens, done.CompletionTokens = english(c.Prompt), len(done.Text)/4
		return done, nil
	}
}

func TestAConversationIsEstimatedByItsLastPrompt(t *testing.T) {
	run(t, func(w *world) {
		w.counts()
		if reserved, used := w.converse(9); reserved > used+used/3 {
			t.Errorf("reserved %d for a prompt of %d", reserved, used)
		}
		turns := w.memory["7"].Turns
		for i, turn := range turns {
			if newest := i == len(turns)-1; newest != (turn.Prompt.Tokens > 0) {
				t.Errorf("turn %d of %d has the count %+v; want it of the newest only", i+1, len(turns), turn.Prompt)
			}
		}
	})
}

func TestACountOfAnotherPersonaOrModelIsNotBelieved(t *testing.T) {
	for name, change := range map[string]func(*answer.Config){
		"persona": func(c *answer.Config) { c.Persona.System += strings.Repeat(" Mind the ashes.", 200) },
		"model":   func(c *answer.Config) { c.Model = "chat another/one" },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				w.counts()
				w.converse(9)
				change(&w.cfg)
				w.configure(w.cfg)
				q := question(100)
				q.User, q.Text = "8", "hi" // so that the new process knows the provider
				w.want(q, chat.Reply, "")
				reserved, used := w.converse(1)
				if reserved < used+300 {
					t.Errorf("reserved %d for a prompt of %d: the old count was taken", reserved, used)
				}
			})
		})
	}
}

func TestACountOfAPromptThatShowedLessIsNotBelieved(t *testing.T) {
	run(t, func(w *world) {
		w.counts()
		w.converse(9)
		tight := true
		reserve := w.reserve
		w.reserve = func(r budget.Request) (budget.Grant, error) {
			if tight { // so that the question is asked without its memory
				tight = false
				return budget.Grant{}, budget.ErrTooBig
			}
			return reserve(r)
		}
		w.converse(1)
		if reserved, used := w.converse(1); reserved < used {
			t.Errorf("reserved %d for a prompt of %d", reserved, used)
		}
	})
}

func TestAConversationGoesOnFromNoCountThatOthersContradict(t *testing.T) {
	run(t, func(w *world) {
		w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) {
			done := say("wood and air")
			done.PromptTokens, done.CompletionTokens = english(c.Prompt), 3
			if len(w.calls)%2 == 0 {
				done.PromptTokens = 3
			}
			return done, nil
		}
		w.converse(2)
		for range 8 {
			if reserved, used := w.converse(1); reserved < used {
				t.Errorf("call %d: reserved %d, used %d", len(w.calls), reserved, used)
			}
		}
	})
}

func TestWhoCountsMoreThanTheLastPromptExplainsIsReservedMore(t *testing.T) {
	const more = 140
	run(t, func(w *world) {
		w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) {
			done := say("wood and air")
			done.PromptTokens, done.CompletionTokens = english(c.Prompt), 3
			if len(w.calls)%4 == 0 { // and then not again, so that it is not in the count that the next prompt goes on from
				done.PromptTokens += more
			}
			return done, nil
		}
		w.converse(8)
		for range 8 {
			if reserved, used := w.converse(1); reserved < used+more {
				t.Errorf("call %d: reserved %d, used up to %d", len(w.calls), reserved, used+more)
			}
		}
	})
}

func TestTheEstimateLearnsTheFixedPart(t *testing.T) {
	run(t, func(w *world) {
		w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) {
			done := say("hello")
			done.PromptTokens = english(c.Prompt)
			return done, nil
		}
		for i := range 3 {
			q := question(i + 1)
			q.User, q.Text = chat.UserID(rune('a'+i)), "hi"
			w.want(q, chat.Reply, "")
		}
		first, last, used := w.requests[0].PromptTokens, w.requests[2].PromptTokens, english(w.calls[2].Prompt)
		if last >= first || last > used+used/2 {
			t.Errorf("reserved %d at first, then %d for a prompt of %d", first, last, used)
		}
	})
}

func TestTheEstimateLearnsFromWhoCountsLetters(t *testing.T) {
	letters := func(p answer.Prompt) int {
		n := len(p.System)
		for _, t := range p.Turns {
			n += len(t.Text)
		}
		return n
	}
	run(t, func(w *world) {
		w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) {
			done := say("hello")
			done.PromptTokens = letters(c.Prompt)
			return done, nil
		}
		for i := range 5 {
			q := question(i + 1)
			q.User, q.Text = chat.UserID(rune('a'+i)), strings.Repeat("hi", i+1)
			w.want(q, chat.Reply, "")
			if got, most := w.requests[i].PromptTokens, letters(w.calls[i].Prompt); i > 0 && got < most {
				t.Errorf("call %d: reserved %d, used %d", i, got, most)
			}
		}
	})
}

func TestTheEstimateHoldsForEveryProvider(t *testing.T) {
	run(t, func(w *world) {
		n := 0
		w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) {
			done := say("hello")
			done.Provider, done.PromptTokens = "a", english(c.Prompt)
			if n++; n%2 == 0 { // another template
				done.Provider, done.PromptTokens = "b", english(c.Prompt)+40
			}
			return done, nil
		}
		for i := range 10 {
			w.want(question(i+1), chat.Reply, "")
			if most := english(w.calls[i].Prompt) + 40; i > 1 && w.requests[i].PromptTokens < most {
				t.Errorf("call %d: reserved %d, used up to %d", i, w.requests[i].PromptTokens, most)
			}
		}
	})
}

func TestNothingIsLearnedFromCountsThatContradictEachOther(t *testing.T) {
	run(t, func(w *world) {
		n := 0
		w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) {
			done := say("hello")
			if n++; n%2 == 0 {
				done.PromptTokens = english(c.Prompt)
			} else {
				done.PromptTokens = 3
			}
			return done, nil
		}
		for i := range 12 {
			q := question(i + 1)
			q.User, q.Text = chat.UserID(rune('a'+i)), "hi"
			w.want(q, chat.Reply, "")
		}
		for i := 2; i < 12; i++ {
			if got, most := w.requests[i].PromptTokens, english(w.calls[i].Prompt); got < most {
				t.Errorf("call %d: reserved %d, may use %d", i, got, most)
			}
		}
	})
}

// A provider that was not seen before may put more marks around every turn.
func TestAnotherProvidersMarksAreBounded(t *testing.T) {
	run(t, func(w *world) {
		w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) {
			done := say("ok")
			done.Provider, done.PromptTokens, done.CompletionTokens = "a", english(c.Prompt), 1
			if len(w.calls) > 8 {
				done.Provider, done.PromptTokens = "b", done.PromptTokens+2*len(c.Prompt.Turns)
			}
			return done, nil
		}
		for i := range 12 {
			q := question(i + 1)
			q.Text = "hi"
			w.want(q, chat.Reply, "")
			got, most := w.requests[i].PromptTokens, english(w.calls[i].Prompt)
			if i >= 8 {
				most += 2 * len(w.calls[i].Prompt.Turns)
			}
			if got < most {
				t.Errorf("call %d: reserved %d, used %d", i, got, most)
			}
		}
	})
}
