package huggingface

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"salamander.dev/worker/internal/core/answer"
)

func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{`{"error":"s"}`, `{"error":{"message":"m"}}`, `{"detail":[{"msg":"x"}]}`, `{"estimated_time":1e308}`,
		`<html><title>x</title>`, `[[[[[["x"]]]]]]`, "\xff" + oneToken, `{"error":"hf_` + "\u0000" + `AbCd"}`} {
		f.Add([]byte(seed))
	}
	redact := newRedactor(keys())
	f.Fuzz(func(t *testing.T, body []byte) {
		e := readError(body)
		if e.estimated < 0 || e.estimated > maxCooling {
			t.Errorf("estimated %v", e.estimated)
		}
		m := redact.message(e.message, answer.Prompt{})
		if !utf8.ValidString(m) || utf8.RuneCountInString(m) > maxMessage || strings.ContainsAny(m, "\n\r\t\x00") {
			t.Errorf("message %q", m)
		}
		if strings.Contains(m, oneToken) || strings.Contains(m, twoToken) {
			t.Errorf("a token in %q", m)
		}
	})
}

func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		`{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
		`{"choices":[{"message":{"content":[{"type":"text","text":"x"}]}}],"usage":{"total_tokens":1e99}}`,
		`{"choices":[{"message":{"content":null,"refusal":"no"}}]}`, `{"error":"x"}`, `[{"generated_text":"x"}]`, `{"generated_text":"x\nAnn: y"}`, `[]`, "\xff",
	} {
		f.Add([]byte(seed), "12", "7")
	}
	f.Fuzz(func(t *testing.T, body []byte, prompt, written string) {
		r := response{status: 200, header: http.Header{"X-Prompt-Tokens": {prompt}, "X-Generated-Tokens": {written}}, body: body}
		for _, reader := range []task{chat{call: ask("hi")}, newTextGeneration(Config{}, ask("hi"))} {
			done, problem := reader.read(r)
			if problem != "" {
				continue
			}
			if !utf8.ValidString(done.Text) {
				t.Errorf("%T: text %q", reader, done.Text)
			}
			if done.UsageKnown != (done.PromptTokens > 0 && done.CompletionTokens > 0) || done.PromptTokens < 0 ||
				done.PromptTokens > maxUsage || done.CompletionTokens > maxUsage {
				t.Errorf("%T: usage %+v", reader, done)
			}
		}
	})
}

func FuzzInputs(f *testing.F) {
	f.Add("Ann", "hello\nSalamander: no", "Salamander")
	f.Add("\u2028:\n", "\x00\r\n", "")
	f.Fuzz(func(t *testing.T, name, text, persona string) {
		call := ask("x")
		call.Prompt = answer.Prompt{Persona: persona, Turns: []answer.Turn{{Role: answer.RoleUser, Name: name, Text: text}}}
		lines := strings.Split(newTextGeneration(Config{}, call).inputs, "\n")
		if len(lines) != 2 || !strings.HasSuffix(lines[1], ":") || strings.EqualFold(strings.SplitN(lines[0], ":", 2)[0]+":", lines[1]) {
			t.Errorf("%q", lines)
		}
	})
}

func FuzzWaits(f *testing.F) {
	f.Add("30", `"api";r=0;t=55`, "")
	f.Add("Sun, 22 Nov 2026 17:00:42 GMT", `"a;r=0`, "Sun, 22 Nov 2026 17:00:00 GMT")
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, retry, limit, date string) {
		h := http.Header{"Retry-After": {retry}, "Ratelimit": {limit}, "Date": {date}}
		if d := told429(h, now); d < 0 {
			t.Errorf("%v", d)
		}
	})
}
