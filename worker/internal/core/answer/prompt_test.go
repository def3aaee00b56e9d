package answer_test

import (
	"context"
	"strings"
	"testing"

	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/answer"
)

// english counts four letters a token.
func english(p answer.Prompt) int {
	n := 5 + len(p.System)/4
	for _, t := range p.Turns {
		n += 5 + len(t.Text)/4
	}
	return n
}

func TestTheEstimateIsNeverTooLow(t *testing.T) {
	texts := []string{"hi", "🔥🔥🔥🔥", "你好，你今天怎么样？", "\u202e\u0000\uFFFD", strings.Repeat("xqzj", 500), "Zażółć gęślą jaźń", ""}
	run(t, func(w *world) {
		w.model = func(_ context.Context, c answer.Call) (answer.Completion, error) {
			done := say("réponse 🔥 " + strings.Repeat("qx", 40))
			done.PromptTokens, done.CompletionTokens = english(c.Prompt), len(done.Text)
			return done, nil
		}
		for i := range 40 {
			q := question(i + 1)
			q.Text = texts[i%len(texts)] + "!"
			q.UserName = "ann 🔥"
			w.want(q, chat.Reply, "")
			got, most := w.requests[i].PromptTokens, english(w.calls[i].Prompt)
			if got < most {
				t.Errorf("call %d: reserved %d, used %d", i, got, most)
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
