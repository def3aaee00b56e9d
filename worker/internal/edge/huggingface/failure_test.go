package huggingface

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/sim/hfsim"
	"salamander.dev/worker/internal/core/answer"
)

func TestEveryFaultHasItsClassAndCostsOneRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault   hfsim.Fault
		class   answer.Class
		status  int
		wait    time.Duration
		message string
	}{
		{hfsim.Fault{Kind: hfsim.RateLimited, Wait: 7 * time.Second}, answer.RateLimited, 429, 7 * time.Second, "Too many requests. Please slow down."},
		{hfsim.Fault{Kind: hfsim.RateLimited, Wait: 9 * time.Second, Hint: hfsim.HintRateLimit}, answer.RateLimited, 429, 9 * time.Second, "Too many"},
		{hfsim.Fault{Kind: hfsim.RateLimited, Wait: 9 * time.Second, Hint: hfsim.HintMisleads}, answer.RateLimited, 429, 0, "Too many"},
		{hfsim.Fault{Kind: hfsim.RateLimited, Hint: hfsim.HintNone}, answer.RateLimited, 429, 0, "Too many"},
		{hfsim.Fault{Kind: hfsim.RateLimited, Wait: 1e6 * time.Hour}, answer.RateLimited, 429, 32 * 24 * time.Hour, "Too many"},
		{hfsim.Fault{Kind: hfsim.Overloaded}, answer.RateLimited, 429, 0, "Model is overloaded"},
		{hfsim.Fault{Kind: hfsim.NoCredit}, answer.NoCredit, 402, 0, "You have depleted your monthly included credits."},
		{hfsim.Fault{Kind: hfsim.BadToken}, answer.Refused, 401, 0, "Invalid username or password."},
		{hfsim.Fault{Kind: hfsim.NoPermission}, answer.Refused, 403, 0, "sufficient permissions"},
		{hfsim.Fault{Kind: hfsim.BadRequest}, answer.Fatal, 400, 0, "Invalid value for 'messages'"},
		{hfsim.Fault{Kind: hfsim.NotFound}, answer.Fatal, 404, 0, "Not Found"},
		{hfsim.Fault{Kind: hfsim.TooLarge}, answer.Fatal, 413, 0, "Input is too long"},
		{hfsim.Fault{Kind: hfsim.Invalid}, answer.Fatal, 422, 0, "Input validation error"},
		{hfsim.Fault{Kind: hfsim.AnyStatus, Status: 408}, answer.Retry, 408, 0, "simulated"},
		{hfsim.Fault{Kind: hfsim.AnyStatus, Status: 409}, answer.Retry, 409, 0, "simulated"},
		{hfsim.Fault{Kind: hfsim.AnyStatus, Status: 425}, answer.Retry, 425, 0, "simulated"},
		{hfsim.Fault{Kind: hfsim.AnyStatus, Status: 410, Body: `{"error":"https://api-inference.huggingface.co is no longer supported."}`}, answer.Fatal, 410, 0, "no longer supported"},
		{hfsim.Fault{Kind: hfsim.AnyStatus, Status: 418, Body: " "}, answer.Fatal, 418, 0, "teapot"},
		{hfsim.Fault{Kind: hfsim.Internal}, answer.Retry, 500, 0, "Internal Error, please report to us"},
		{hfsim.Fault{Kind: hfsim.BadGateway}, answer.Retry, 502, 0, "502 Bad Gateway"},
		{hfsim.Fault{Kind: hfsim.Loading, Wait: 12500 * time.Millisecond}, answer.Retry, 503, 12500 * time.Millisecond, "currently loading"},
		{hfsim.Fault{Kind: hfsim.Loading, Wait: 1e6 * time.Hour}, answer.Retry, 503, 5 * time.Minute, "currently loading"},
		{hfsim.Fault{Kind: hfsim.Unavailable}, answer.Retry, 503, 0, "no healthy upstream"},
		{hfsim.Fault{Kind: hfsim.GatewayTimeout}, answer.Retry, 504, 0, "Gateway Timeout: The upstream did not answer in time"},
		{hfsim.Fault{Kind: hfsim.Reset}, answer.Retry, 0, 0, ""},
		{hfsim.Fault{Kind: hfsim.Truncated}, answer.Retry, 200, 0, "unexpected EOF"},
		{hfsim.Fault{Kind: hfsim.Huge}, answer.Retry, 200, 0, "larger than 1048576 bytes"},
		{hfsim.Fault{Kind: hfsim.Empty}, answer.Retry, 200, 0, "no body"},
		{hfsim.Fault{Kind: hfsim.EmptyText}, answer.Retry, 200, 0, "the answer is empty"},
		{hfsim.Fault{Kind: hfsim.NotUTF8}, answer.Retry, 200, 0, "not UTF-8"},
		{hfsim.Fault{Kind: hfsim.ErrorIn200}, answer.Retry, 200, 0, "upstream provider failed"},
		{hfsim.Fault{Kind: hfsim.ErrorIn200, Body: `[{"error":"ouch"}]`}, answer.Retry, 200, 0, "an error inside a 200: ouch"},
		{hfsim.Fault{Kind: hfsim.ErrorIn200, Body: `{"choices":[]}`}, answer.Retry, 200, 0, "no choices"},
		{hfsim.Fault{Kind: hfsim.ErrorIn200, Body: `"words"`}, answer.Retry, 200, 0, "not the shape"},
		{hfsim.Fault{Kind: hfsim.ErrorIn200, Body: "data: {\"error\":\"ouch\"}\n\n"}, answer.Retry, 200, 0, "not JSON"},
		{hfsim.Fault{Kind: hfsim.BrokenJSON}, answer.Retry, 200, 0, "not JSON"},
	}
	for _, task := range []Task{Chat, TextGeneration} {
		b := setup(t, Config{Task: task}, nil)
		for i, test := range tests {
			if task == TextGeneration && strings.Contains(test.fault.Body, "choices") {
				test.message = "no generated_text"
			}
			b.sim.Inject(test.fault)
			fail := mustFail(t, b.client, t.Context(), ask("hi"))
			if fail.Class != test.class || fail.Status != test.status || fail.RetryAfter != test.wait || !fail.Sent || fail.Key != "one" ||
				!strings.Contains(fail.Message, test.message) || fail.Message == "" || fail.Unbilled() != (test.status >= 400) {
				t.Errorf("%s %s: %+v", task, test.fault.Kind, fail)
			}
			if fail.Status != 0 && fail.RequestID != fmt.Sprintf("sim-%08d", i+1) {
				t.Errorf("%s %s: request id %q", task, test.fault.Kind, fail.RequestID)
			}
			if n := b.sim.Books().Calls; n != int64(i+1) {
				t.Fatalf("%s %s: %d requests for %d calls", task, test.fault.Kind, n, i+1)
			}
			if next := fail.NextKey(); next != (test.status == 429 || test.status == 402 || test.status == 401 || test.status == 403) {
				t.Errorf("%s: next key %v", test.fault.Kind, next)
			}
		}
	}
}

func TestAKeyOverItsLimitIsToldTheWait(t *testing.T) {
	t.Parallel()
	for _, hint := range []hfsim.Hint{hfsim.HintSeconds, hfsim.HintDate, hfsim.HintRateLimit} {
		b := setup(t, Config{}, func(s *hfsim.Server) {
			s.Limits, s.RetryHint = hfsim.MustLimits("1req/1h"), hint
			s.Now = func() time.Time { return time.Date(2026, 11, 22, 18, 59, 30, 0, time.UTC) }
		})
		if _, err := b.client.Complete(t.Context(), ask("hi")); err != nil {
			t.Fatal(err)
		}
		fail := mustFail(t, b.client, t.Context(), ask("hi"))
		if fail.Class != answer.RateLimited || fail.RetryAfter < 29*time.Second || fail.RetryAfter > 31*time.Second {
			t.Errorf("%q: %+v", hint, fail)
		}
	}
}

func TestUsageThatCannotBeTrueIsNotBelieved(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{}, nil)
	for _, kind := range []hfsim.Kind{hfsim.NoUsage, hfsim.ZeroUsage} {
		b.sim.Inject(hfsim.Fault{Kind: kind})
		done, err := b.client.Complete(t.Context(), ask("hi"))
		if err != nil || done.UsageKnown || done.PromptTokens != 0 || done.CompletionTokens != 0 {
			t.Errorf("%s: %+v, %v", kind, done, err)
		}
	}
	tests := map[string]string{
		`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}`:     "10 5 true",
		`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":40}`:     "10 30 true", // hidden reasoning
		`{"prompt_tokens":10,"completion_tokens":5}`:                       "10 5 true",
		`{"prompt_tokens":10,"completion_tokens":-5,"total_tokens":5}`:     "0 0 false",
		`{"prompt_tokens":1e99,"completion_tokens":5,"total_tokens":1e99}`: "0 0 false",
		`{"prompt_tokens":"10","completion_tokens":"5"}`:                   "0 0 false",
		`{"total_tokens":15}`: "0 0 false",
		`null`:                "0 0 false",
		``:                    "0 0 false",
	}
	for raw, want := range tests {
		if got := fmt.Sprint(readUsage([]byte(raw))); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestSilenceEndsInTimeAndLeaksNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range []hfsim.Kind{hfsim.Hang, hfsim.Stall, hfsim.Trickle} {
		b := setup(t, Config{Timeout: 50 * time.Millisecond}, nil)
		b.sim.Inject(hfsim.Fault{Kind: kind, Pause: 20 * time.Millisecond})
		fail := mustFail(t, b.client, t.Context(), ask("hi"))
		if fail.Class != answer.Retry || !fail.Sent || !errors.Is(fail, context.DeadlineExceeded) || !strings.Contains(fail.Message, "50ms") {
			t.Errorf("%s: %+v", kind, fail)
		}
	}
	for _, kind := range []hfsim.Kind{hfsim.Hang, hfsim.Stall} { // the caller's own end comes first
		b := setup(t, Config{Timeout: time.Minute}, nil)
		b.sim.Inject(hfsim.Fault{Kind: kind})
		ctx, cancel := context.WithCancel(t.Context())
		arrived := make(chan struct{})
		b.sim.SetLatency(func(hfsim.Request) time.Duration { close(arrived); return 0 })
		go func() { <-arrived; cancel() }()
		fail := mustFail(t, b.client, ctx, ask("hi"))
		if fail.Class != answer.Retry || !fail.Sent || !errors.Is(fail, context.Canceled) {
			t.Errorf("%s: %+v", kind, fail)
		}
	}
}

func TestAStatusCountsEvenIfItsBodyNeverEnds(t *testing.T) {
	t.Parallel()
	c, _ := stage(t, Config{Timeout: 200 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(429)
		_, _ = io.WriteString(w, `{"error":`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	fail := mustFail(t, c, t.Context(), ask("hi"))
	if fail.Class != answer.RateLimited || fail.RetryAfter != 30*time.Second {
		t.Errorf("got %+v", fail)
	}
}

func TestNoErrorShowsATokenOrWhatPeopleWrote(t *testing.T) {
	t.Parallel()
	const question = "my deepest secret is a cold fire"
	leaks := []string{
		`{"error":"bad token %[1]s"}`,
		`{"error":{"message":"Incorrect API key provided: %[1]s. You said: %[2]s"}}`,
		`{"detail":[{"loc":["body","inputs"],"msg":"too long: %[1]s","input":"%[2]s"}]}`,
		`{"message":"Authorization: Bearer %[1]s"}`,
		`plain %[1]s and %[2]s`,
		"<html><title>%[1]s</title><body>%[2]s</body></html>",
		`{"title":"%[1]s","detail":"%[1]s%[1]s"}`,
		"hf_AbCdEfGhIjKl\u200bMnOpQrStUvWxYz012345 with something invisible in it",
		strings.Repeat("x", 285) + " %[1]s",
		`{"error":"someone else's: hf_QqQqQqQqQqQqQqQqQqQq"}`,
		strings.Repeat("x ", 100) + "%[2]s " + strings.Repeat("y", 100) + " %[2]s",
	}
	for _, status := range []int{200, 401, 422, 500} {
		for _, leak := range leaks {
			body := strings.ReplaceAll(strings.ReplaceAll(leak, "%[1]s", oneToken), "%[2]s", question)
			c, _ := stage(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Request-Id", "id-"+oneToken)
				w.Header().Set("X-Inference-Provider", twoToken)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			})
			fail := mustFail(t, c, t.Context(), ask(question))
			shown := fmt.Sprintf("%v %+v %#v %s", fail, fail, fail, fail.Error())
			for _, never := range []string{oneToken, oneToken[:20], oneToken[12:], twoToken, "QqQq", question, "deepest"} {
				if strings.Contains(shown, never) {
					t.Errorf("status %d, body %.60q: %q in %s", status, body, never, shown)
				}
			}
			if n := len([]rune(fail.Message)); n > maxMessage || strings.ContainsAny(fail.Message, "\n\r\x00") {
				t.Errorf("a message of %d runes: %q", n, fail.Message)
			}
		}
	}
}

func TestAnAnswerThatRepeatsTheKeyLosesIt(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{}, func(s *hfsim.Server) {
		s.Reply = func(hfsim.Request) string { return "your key is " + oneToken + "!" }
	})
	done, err := b.client.Complete(t.Context(), ask("hi"))
	if err != nil || done.Text != "your key is [redacted]!" {
		t.Errorf("got %q, %v", done.Text, err)
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	const sent, later = "Sun, 22 Nov 2026 17:00:00 GMT", "Sun, 22 Nov 2026 17:00:42 GMT"
	tests := []struct {
		header map[string]string
		want   time.Duration
	}{
		{map[string]string{}, 0},
		{map[string]string{"Retry-After": "30"}, 30 * time.Second},
		{map[string]string{"Retry-After": " 1.5 "}, 1500 * time.Millisecond},
		{map[string]string{"Retry-After": "-5"}, 0},
		{map[string]string{"Retry-After": "NaN"}, 0},
		{map[string]string{"Retry-After": "1e300"}, maxCooling},
		{map[string]string{"Retry-After": "soon"}, 0},
		{map[string]string{"Retry-After": later, "Date": sent}, 42 * time.Second}, // their clock is an hour behind
		{map[string]string{"Retry-After": "Sun, 22 Nov 2026 18:00:10 GMT"}, 10 * time.Second},
		{map[string]string{"Retry-After": sent}, 0},
		{map[string]string{"RateLimit": `"api";r=0;t=55`}, 55 * time.Second},
		{map[string]string{"RateLimit": `"api";r=3;t=55`}, 0},
		{map[string]string{"RateLimit": `"api";t=55`}, 0},
		{map[string]string{"RateLimit": `"api";r=0`}, 0},
		{map[string]string{"RateLimit": `"a;b,r=0";r=7;t=9, "hour" ; r=0 ; t=60`}, time.Minute},
		{map[string]string{"RateLimit": `"api";r=0;t=55`, "Retry-After": "90"}, 90 * time.Second},
		{map[string]string{"RateLimit": `"api";r=0;t=95`, "Retry-After": "90"}, 90 * time.Second},
		{map[string]string{"RateLimit": `"api";r=99794;t=3000`, "Retry-After": "2"}, 2 * time.Second},
	}
	for _, test := range tests {
		h := http.Header{}
		for name, value := range test.header {
			h.Set(name, value)
		}
		if got := told429(h, now); got != test.want {
			t.Errorf("%v: %v, want %v", test.header, got, test.want)
		}
	}
}

func TestErrorBodiesOfEveryShape(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`{"error":"s"}`:                      "s",
		`{"error":{"message":"m","code":1}}`: "m",
		`{"detail":"d"}`:                     "d",
		`{"detail":[{"loc":["body"],"msg":"field required","input":"x"}]}`: "field required",
		`{"message":"m"}`:               "m",
		`{"title":"t","detail":"d"}`:    "t: d",
		`{"error":"e","message":"m"}`:   "e: m",
		`{"error":["a","b"]}`:           "a: b",
		`[{"error":"e"}]`:               "e",
		`{"error":{"error":"e"}}`:       "e",
		`"words"`:                       "words",
		`just text`:                     "just text",
		`<h1>502</h1> <p>Bad</p>`:       "502 Bad",
		`{"status":500}`:                "",
		`{"error":{"message":{"a":1}}}`: "",
		``:                              "",
	}
	for body, want := range tests {
		if got := oneLine(readError([]byte(body)).message); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
