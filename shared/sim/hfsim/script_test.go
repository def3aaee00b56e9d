package hfsim_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"salamander.dev/shared/sim/hfsim"
)

// talk builds a request from what was said in turn, beginning with the user.
func talk(said ...string) hfsim.Request {
	r := hfsim.Request{Messages: []hfsim.Message{{Role: "system", Content: "You are Salamander."}}}
	for i, text := range said {
		r.Messages = append(r.Messages, hfsim.Message{Role: []string{"user", "assistant"}[i%2], Content: text})
	}
	r.Question = said[len(said)-1]
	return r
}

func TestSalamanderAnswersInCharacter(t *testing.T) {
	t.Parallel()
	say := hfsim.Salamander(1)
	tests := []struct{ want, said string }{
		{"simulat", "Who are you?"},
		{"42", "what is 6 * 7?"},
		{"3.5", "7 / 2"},
		{"fire would go out", "1/0"},
		{"```go", "show me some code"},
		{"welcome", "thanks a lot|With pleasure"},
		{"Ann", "Hello! My name is Ann"},
	}
	for _, test := range tests {
		question, alternative, _ := strings.Cut(test.said, "|")
		got := say(talk(question))
		if !strings.Contains(got, test.want) && (alternative == "" || !strings.Contains(got, alternative)) {
			t.Errorf("%q: %q", question, got)
		}
	}
	memory := []struct{ want, question string }{
		{"You are Ann", "what is my name?"},
		{"blue", "What's my favourite colour?"},
		{"rusty old trains", "what do I like?"},
		{"“I love rusty old trains”", "what did I just say?"},
		{"not told me about your shoe size", "what is my shoe size?"},
	}
	for _, test := range memory {
		got := say(talk("hi, my name is Ann", "Hello!", "my favourite colour is blue", "Nice!", "I love rusty old trains", "Oh!", test.question))
		if !strings.Contains(got, test.want) {
			t.Errorf("%q: %q", test.question, got)
		}
	}
	if got := say(talk("what is my name?")); strings.Contains(got, "You are ") {
		t.Errorf("knows a name that nobody told: %q", got)
	}
}

func TestSalamanderIsVariedAndRepeatable(t *testing.T) {
	t.Parallel()
	questions := []string{"hi", "tell me a joke", "hi there", "how are you?", "what about quantum gravity?",
		"hello", "why?", "yes", "no", "你好", "I am sad", "tell me a story", "are you a bot?", "where do you live?", "bye"}
	seen := map[string]bool{}
	for seed := range uint64(20) {
		for _, q := range questions {
			got := hfsim.Salamander(seed)(talk(q))
			if got == "" || got != hfsim.Salamander(seed)(talk(q)) {
				t.Fatalf("%q: %q is not repeatable", q, got)
			}
			if strings.Contains(got, "{") && !strings.Contains(got, "```") {
				t.Errorf("%q: a placeholder was left: %q", q, got)
			}
			seen[got] = true
		}
	}
	if len(seen) < 30 {
		t.Errorf("only %d different answers", len(seen))
	}
}

func FuzzSalamander(f *testing.F) {
	f.Add("my name is Ann", "what is my name?")
	f.Add("my favourite colour is blue", "what is my favourite colour?")
	f.Add("1 + 1", "999999999 x 999999999")
	f.Fuzz(func(t *testing.T, before, question string) {
		got := hfsim.Salamander(1)(talk(before, "Oh!", question))
		if got == "" || utf8.ValidString(before) && utf8.ValidString(question) && !utf8.ValidString(got) {
			t.Errorf("%q, %q: %q", before, question, got)
		}
	})
}

func FuzzCountTokens(f *testing.F) {
	f.Add("hello fire salamander", "\u00a0x\u3000y")
	f.Fuzz(func(t *testing.T, a, b string) {
		n := hfsim.CountTokens(a)
		if n < 0 || n > len(a) || hfsim.CountTokens(a+" "+b) != n+hfsim.CountTokens(b) {
			t.Errorf("%q has %d tokens", a, n)
		}
	})
}
