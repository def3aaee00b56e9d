package hfsim_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"salamander.dev/shared/sim/hfsim"
)

func TestFaultsWithAStatus(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	tests := []struct {
		fault       hfsim.Fault
		status      int
		contentType string
		body        string
	}{
		{hfsim.Fault{Kind: hfsim.RateLimited, Wait: 7 * time.Second}, 429, "application/json", "Too many requests"},
		{hfsim.Fault{Kind: hfsim.Overloaded}, 429, "application/json", `"error_type":"overloaded"`},
		{hfsim.Fault{Kind: hfsim.NoCredit}, 402, "application/json", "depleted your monthly included credits"},
		{hfsim.Fault{Kind: hfsim.BadToken}, 401, "text/plain; charset=utf-8", "Invalid username or password."},
		{hfsim.Fault{Kind: hfsim.NoPermission}, 403, "application/json", "sufficient permissions"},
		{hfsim.Fault{Kind: hfsim.BadRequest}, 400, "application/json", `{"error":{"message"`},
		{hfsim.Fault{Kind: hfsim.NotFound}, 404, "application/json", `{"detail"`},
		{hfsim.Fault{Kind: hfsim.TooLarge}, 413, "application/json", "too long"},
		{hfsim.Fault{Kind: hfsim.Invalid}, 422, "application/json", `"error_type":"validation"`},
		{hfsim.Fault{Kind: hfsim.Internal}, 500, "application/json", "Internal Error"},
		{hfsim.Fault{Kind: hfsim.BadGateway}, 502, "text/html", "<h1>502 Bad Gateway</h1>"},
		{hfsim.Fault{Kind: hfsim.Loading, Wait: 12500 * time.Millisecond}, 503, "application/json", `"estimated_time":12.5`},
		{hfsim.Fault{Kind: hfsim.Unavailable}, 503, "text/plain", "no healthy upstream"},
		{hfsim.Fault{Kind: hfsim.GatewayTimeout}, 504, "application/problem+json", `"title":"Gateway Timeout"`},
		{hfsim.Fault{Kind: hfsim.AnyStatus, Status: 425}, 425, "application/json", `{"message":"simulated status 425"}`},
		{hfsim.Fault{Kind: hfsim.AnyStatus, Status: 500, Body: "ouch"}, 500, "application/json", "ouch"},
		{hfsim.Fault{Kind: hfsim.Redirect, Body: "http://127.0.0.1:9/x"}, 307, "text/plain", "moved"},
	}
	for _, test := range tests {
		b.Inject(test.fault)
		got := b.ask("k", "hi")
		if got.err != nil || got.status != test.status || got.header.Get("Content-Type") != test.contentType || !strings.Contains(got.body, test.body) {
			t.Errorf("%s: %+v", test.fault.Kind, got)
		}
		if test.fault.Kind == hfsim.RateLimited && got.header.Get("Retry-After") != "7" {
			t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
		}
		if test.fault.Kind == hfsim.Redirect && got.header.Get("Location") != "http://127.0.0.1:9/x" {
			t.Errorf("Location %q", got.header.Get("Location"))
		}
		calls := b.Calls(0)
		if c := calls[len(calls)-1]; c.Fault != test.fault.Kind || c.Status != test.status || c.PromptTokens != 0 || c.Over {
			t.Errorf("%s: books say %+v", test.fault.Kind, c)
		}
	}
	if got := b.ask("k", "hi").status; got != 200 {
		t.Errorf("after the faults: %d", got)
	}
}

func TestSpoiltAnswersAreCharged(t *testing.T) {
	t.Parallel()
	checks := map[hfsim.Kind]func(answer) bool{
		hfsim.Truncated: func(a answer) bool {
			return a.status == 200 && errors.Is(a.err, io.ErrUnexpectedEOF) && len(a.body) > 20
		},
		hfsim.Huge:       func(a answer) bool { return len(a.body) == 8<<20 },
		hfsim.Empty:      func(a answer) bool { return a.status == 200 && a.err == nil && a.body == "" },
		hfsim.EmptyText:  func(a answer) bool { return strings.Contains(a.body, `"content":""`) },
		hfsim.NotUTF8:    func(a answer) bool { return a.status == 200 && !utf8.ValidString(a.body) },
		hfsim.ErrorIn200: func(a answer) bool { return a.status == 200 && strings.HasPrefix(a.body, `{"error":{`) },
		hfsim.BrokenJSON: func(a answer) bool { return a.status == 200 && len(a.body) > 50 && !json.Valid([]byte(a.body)) },
		hfsim.NoUsage:    func(a answer) bool { return strings.Contains(a.body, `"usage":null`) },
		hfsim.ZeroUsage:  func(a answer) bool { return strings.Contains(a.body, `"total_tokens":0`) },
		hfsim.Trickle: func(a answer) bool {
			return a.status == 200 && a.header.Get("Content-Length") == "" && strings.Contains(a.body, "echo: hi")
		},
		hfsim.Reset: func(a answer) bool {
			return errors.Is(a.err, syscall.ECONNRESET) || errors.Is(a.err, io.EOF)
		},
	}
	for kind, ok := range checks {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(s *hfsim.Server) { s.Reply = hfsim.Echo })
			b.Inject(hfsim.Fault{Kind: kind, Pause: time.Microsecond})
			if got := b.ask("k", "hi"); !ok(got) {
				t.Errorf("status %d, error %v, %d bytes %.300q", got.status, got.err, len(got.body), got.body)
			}
			if c := b.finished(1)[0]; c.PromptTokens == 0 || c.Fault != kind {
				t.Errorf("books say %+v", c)
			}
		})
	}
}

// finished waits until n calls are done.
func (b *bench) finished(n int) []hfsim.Call {
	b.t.Helper()
	var done []hfsim.Call
	b.until("calls done", func() bool {
		done = done[:0]
		for _, c := range b.Calls(0) {
			if c.Done {
				done = append(done, c)
			}
		}
		return len(done) >= n
	})
	return done
}

// until waits for a condition.
func (b *bench) until(what string, holds func() bool) {
	b.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("in vain waited for: %s", what)
		}
	}
}

func TestSilenceEndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	for _, kind := range []hfsim.Kind{hfsim.Hang, hfsim.Stall, hfsim.Trickle} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			b.Inject(hfsim.Fault{Kind: kind, Pause: time.Hour})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			got := b.post(ctx, "/chat/completions", "k", chat("hi"))
			if !errors.Is(got.err, context.DeadlineExceeded) {
				t.Errorf("got %+v", got)
			}
			if c := b.finished(1)[0]; !c.Gone || c.PromptTokens == 0 || (kind == hfsim.Hang) != (c.Status == 0) {
				t.Errorf("books say %+v", c)
			}
		})
	}
}

func TestCloseEndsWhateverHangs(t *testing.T) {
	t.Parallel()
	for _, kind := range []hfsim.Kind{hfsim.Hang, hfsim.Stall, hfsim.Trickle, hfsim.Huge} {
		b := setup(t, func(s *hfsim.Server) { s.Latency = hfsim.Fixed(0) })
		b.Inject(hfsim.Fault{Kind: kind, Pause: time.Hour})
		arrived := make(chan answer, 1)
		go func() {
			req, _ := http.NewRequest(http.MethodPost, b.URL()+"/chat/completions",
				strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`))
			req.Header.Set("Authorization", "Bearer k")
			resp, err := b.http.Do(req)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			arrived <- answer{err: err}
		}()
		b.until("a call in flight", func() bool { return b.Books().InFlight == 1 })
		b.Close()
		b.Close()
		if got := <-arrived; got.err == nil {
			t.Errorf("%s: the answer was complete", kind)
		}
		if n := b.Books().InFlight; n != 0 {
			t.Errorf("%s: %d in flight after Close", kind, n)
		}
	}
}

func TestFaultsInStreams(t *testing.T) {
	t.Parallel()
	checks := map[hfsim.Kind]func(answer) bool{
		hfsim.ErrorInStream: func(a answer) bool {
			return strings.Contains(a.body, `data: {"error":{"message"`) && !strings.Contains(a.body, "[DONE]") && strings.Contains(a.body, "echo:")
		},
		hfsim.Truncated: func(a answer) bool {
			return errors.Is(a.err, io.ErrUnexpectedEOF) && !strings.Contains(a.body, "[DONE]")
		},
		hfsim.NoUsage: func(a answer) bool {
			return strings.Contains(a.body, "[DONE]") && !strings.Contains(a.body, "total_tokens")
		},
		hfsim.Trickle:    func(a answer) bool { return strings.HasSuffix(a.body, "data: [DONE]\n\n") },
		hfsim.ErrorIn200: func(a answer) bool { return strings.HasPrefix(a.body, `{"error"`) },
	}
	for kind, ok := range checks {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(s *hfsim.Server) { s.Reply = hfsim.Echo })
			b.Inject(hfsim.Fault{Kind: kind, Pause: time.Microsecond})
			body := chat("one two three four")
			body["stream"], body["stream_options"] = true, object{"include_usage": true}
			if got := b.post(t.Context(), "/chat/completions", "k", body); got.status != 200 || !ok(got) {
				t.Errorf("status %d, error %v, body %q", got.status, got.err, got.body)
			}
		})
	}
}

func TestFaultsChooseTheirCalls(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.Inject(
		hfsim.Fault{Kind: hfsim.Internal, Key: "one", Count: 2},
		hfsim.Fault{Kind: hfsim.BadRequest, Question: "poison", Count: -1},
	)
	steps := []struct {
		key, question string
		status        int
	}{
		{"two", "hi", 200}, {"one", "hi", 500}, {"two", "a poison pill", 400}, {"one", "poison", 500},
		{"one", "hi", 200}, {"one", "poison", 400}, {"two", "poison", 400},
	}
	for i, step := range steps {
		if got := b.ask(step.key, step.question).status; got != step.status {
			t.Errorf("step %d: %d, want %d", i, got, step.status)
		}
	}
	if left := b.Faults(); len(left) != 1 || left[0].Kind != hfsim.BadRequest {
		t.Errorf("left: %+v", left)
	}
	b.ClearFaults()
	if got := b.ask("two", "poison").status; got != 200 {
		t.Errorf("after clearing: %d", got)
	}
}

func TestRandomFaultsFollowTheSeed(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		b := setup(t, nil)
		b.SetRates(map[hfsim.Kind]float64{hfsim.Internal: 0.2, hfsim.RateLimited: 0.1}, seed)
		for range 300 {
			_ = b.ask("k", "hi")
		}
		var s strings.Builder
		for _, c := range b.Calls(0) {
			s.WriteByte("..2.45"[c.Status/100])
		}
		return s.String()
	}
	one, again, other := run(1), run(1), run(2)
	if one != again || one == other {
		t.Errorf("seeds do not decide:\n%s\n%s\n%s", one, again, other)
	}
	if n := strings.Count(one, "5"); n < 30 || n > 90 {
		t.Errorf("%d of 300 were 500 at a rate of 0.2", n)
	}
	if n := strings.Count(one, "4"); n < 10 || n > 60 {
		t.Errorf("%d of 300 were 429 at a rate of 0.1", n)
	}
}
