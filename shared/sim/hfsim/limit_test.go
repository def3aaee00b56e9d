package hfsim_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"salamander.dev/shared/sim/hfsim"
)

// clock is a time that the test turns.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func clockAt(text string) *clock {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return &clock{now: t}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestParseLimits(t *testing.T) {
	t.Parallel()
	limits, err := hfsim.ParseLimits("300req/1h, 30000tok/day,0.10usd/month,5req/1m rolling")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(limits); got != "[300req/1h 30000tok/day 0.1usd/month 5req/1m rolling]" {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"300", "300req", "x/1h", "3call/1h", "-1req/1h", "NaNreq/1h", "1req/0s", "1req/1ns", "1req/week", "1usd/month rolling"} {
		if l, err := hfsim.ParseLimit(bad); err == nil {
			t.Errorf("%q was read as %v", bad, l)
		}
	}
}

func TestOverTheRequestLimitIsRefusedAndCounted(t *testing.T) {
	t.Parallel()
	c := clockAt("2026-11-22T18:20:00Z")
	b := setup(t, func(s *hfsim.Server) {
		s.Now = c.Now
		s.Keys = []hfsim.Key{{Name: "one", Token: "t1", Limits: hfsim.MustLimits("3req/1h")}, {Name: "two", Token: "t2"}}
	})
	for i := range 5 {
		got := b.ask("t1", "hi")
		if want := map[bool]int{true: 200, false: 429}[i < 3]; got.status != want {
			t.Fatalf("call %d: %d", i, got.status)
		}
		if got.status == 429 && got.header.Get("Retry-After") != "2400" {
			t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
		}
	}
	if got := b.ask("t2", "hi").status; got != 200 {
		t.Errorf("the other key: %d", got)
	}
	if b.Over() != 2 {
		t.Errorf("%d calls over the limit", b.Over())
	}
	c.turn(40 * time.Minute)
	if got := b.ask("t1", "hi").status; got != 200 {
		t.Errorf("after the turn of the hour: %d", got)
	}
	book := b.Books().Key("one")
	if len(book.Windows) != 2 || book.Windows[0].Requests != 5 || book.Windows[0].Over != 2 || book.Windows[1].Requests != 1 ||
		book.Statuses[200] != 4 || book.Statuses[429] != 2 || !book.Windows[1].Start.Equal(c.Now()) {
		t.Errorf("books say %+v", book)
	}
	if calls := b.Calls(3); len(calls) != 4 || !calls[0].Over || calls[0].Window != "3req/1h 2026-11-22T18:00:00Z" || calls[3].Over {
		t.Errorf("calls %+v", calls)
	}
}

func TestWindowsAreAlignedOrRoll(t *testing.T) {
	t.Parallel()
	c := clockAt("2026-01-31T23:59:00Z")
	b := setup(t, func(s *hfsim.Server) {
		s.Now = c.Now
		s.Keys = []hfsim.Key{
			{Name: "aligned", Token: "a", Limits: hfsim.MustLimits("1req/1h")},
			{Name: "rolling", Token: "r", Limits: hfsim.MustLimits("1req/1h rolling")},
			{Name: "day", Token: "d", Limits: hfsim.MustLimits("1req/day")},
			{Name: "month", Token: "m", Limits: hfsim.MustLimits("1req/month")},
		}
	})
	statuses := func() string {
		var s []string
		for _, token := range []string{"a", "r", "d", "m"} {
			s = append(s, strconv.Itoa(b.ask(token, "hi").status))
		}
		return strings.Join(s, " ")
	}
	steps := []struct {
		turn time.Duration
		want string
	}{
		{0, "200 200 200 200"},
		{59 * time.Second, "429 429 429 429"},
		{time.Second, "200 429 200 200"}, // midnight, and the month turns
		{59 * time.Minute, "429 200 429 429"},
		{time.Minute, "200 429 429 429"},
	}
	for i, step := range steps {
		c.turn(step.turn)
		if got := statuses(); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
}

func TestTokensAndDollars(t *testing.T) {
	t.Parallel()
	c := clockAt("2026-11-22T18:20:00Z")
	b := setup(t, func(s *hfsim.Server) {
		s.Now, s.Reply = c.Now, hfsim.Echo
		s.Keys = []hfsim.Key{
			{Name: "tok", Token: "t", Limits: hfsim.MustLimits("60tok/1h")},
			{Name: "usd", Token: "u", Limits: hfsim.MustLimits("0.00001usd/month")},
		}
	})
	// One call is 19+5 tokens and $0.0000066.
	for i, want := range []int{200, 200, 429} {
		if got := b.ask("t", "what burns?").status; got != want {
			t.Errorf("tokens, call %d: %d", i, got)
		}
	}
	for i, want := range []int{200, 200, 402} {
		got := b.ask("u", "what burns?")
		if got.status != want || want == 402 && !strings.Contains(got.body, "depleted your monthly included credits") {
			t.Errorf("dollars, call %d: %d %s", i, got.status, got.body)
		}
	}
	books := b.Books()
	// The third call asked for more than was left. The second one in dollars passed the limit while it was served.
	if k := books.Key("tok"); k.Over != 1 || k.PromptTokens != 38 || k.CompletionTokens != 10 {
		t.Errorf("tokens: %+v", k)
	}
	if k := books.Key("usd"); k.Over != 2 || k.NanoUSD != 13200 {
		t.Errorf("dollars: %+v", k)
	}
}

func TestALaggingMeterRefusesLateAndTheBooksDoNot(t *testing.T) {
	t.Parallel()
	c := clockAt("2026-11-22T18:20:00Z")
	b := setup(t, func(s *hfsim.Server) {
		s.Now, s.Reply, s.MeterLag = c.Now, hfsim.Echo, 30*time.Minute
		s.Limits = hfsim.MustLimits("0.00001usd/month")
	})
	for i := range 4 {
		if got := b.ask("u", "what burns?").status; got != 200 {
			t.Errorf("call %d: %d", i, got)
		}
	}
	if b.Over() != 3 {
		t.Errorf("%d over", b.Over())
	}
	c.turn(31 * time.Minute)
	if got := b.ask("u", "what burns?").status; got != 402 {
		t.Errorf("after the lag: %d", got)
	}
}

func TestEveryWayOfTellingTheWait(t *testing.T) {
	t.Parallel()
	for _, hint := range []hfsim.Hint{hfsim.HintSeconds, hfsim.HintDate, hfsim.HintRateLimit, hfsim.HintMisleads, hfsim.HintNone} {
		b := setup(t, func(s *hfsim.Server) { s.Limits, s.RetryHint = hfsim.MustLimits("0req/1h"), hint })
		got := b.ask("k", "hi")
		retry, limit := got.header.Get("Retry-After"), got.header.Get("RateLimit")
		_, notSeconds := strconv.Atoi(retry)
		_, notDate := http.ParseTime(retry)
		ok := map[hfsim.Hint]bool{
			hfsim.HintSeconds:   notSeconds == nil && strings.Contains(limit, "r=499"),
			hfsim.HintDate:      notDate == nil,
			hfsim.HintRateLimit: retry == "" && strings.HasPrefix(limit, `"api";r=0;t=`),
			hfsim.HintMisleads:  retry == "" && strings.HasPrefix(limit, `"api";r=99794;t=`),
			hfsim.HintNone:      retry == "" && strings.Contains(limit, "r=499"),
		}[hint]
		if got.status != 429 || !ok {
			t.Errorf("%q: %d, Retry-After %q, RateLimit %q", hint, got.status, retry, limit)
		}
	}
}

func TestFastHours(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *hfsim.Server) { s.TimeScale, s.Limits = 100_000, hfsim.MustLimits("1req/1h") })
	seen := map[string]bool{}
	deadline := time.Now().Add(20 * time.Second)
	for len(seen) < 3 { // an hour lasts 36 ms
		if time.Now().After(deadline) {
			t.Fatal("the hours do not pass")
		}
		if got := b.ask("k", "hi"); got.status == 429 && got.header.Get("Retry-After") != "1" {
			t.Errorf("the wait is not told in the client's time: %q", got.header.Get("Retry-After"))
		}
		calls := b.Calls(0)
		seen[calls[len(calls)-1].Window] = true
	}
}

func TestStatesOfKeys(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *hfsim.Server) { s.Keys = []hfsim.Key{{Name: "one", Token: "t1"}} })
	for token, want := range map[string]int{"t1": 200, "t2": 401, "": 401} {
		if got := b.ask(token, "hi").status; got != want {
			t.Errorf("token %q: %d", token, got)
		}
	}
	for state, want := range map[hfsim.State]int{hfsim.Unauthorized: 401, hfsim.Forbidden: 403, hfsim.Depleted: 402, hfsim.Active: 200} {
		b.SetState("one", state)
		got := b.ask("t1", "hi")
		if got.status != want || strings.Contains(got.body, "t1") {
			t.Errorf("state %q: %d %s", state, got.status, got.body)
		}
	}
	if k := b.Books().Key("(unknown)"); k.Calls != 2 || k.Statuses[401] != 2 {
		t.Errorf("calls without a valid token: %+v", k)
	}
	b.SetKey(hfsim.Key{Name: "one", Token: "t9", Limits: hfsim.MustLimits("1req/1h")})
	if old, now := b.ask("t1", "hi").status, b.ask("t9", "hi").status; old != 401 || now != 200 {
		t.Errorf("after the change of the token: old %d, new %d", old, now)
	}
}

func TestBooksHoldUnderConcurrency(t *testing.T) {
	t.Parallel()
	const workers, each, limit = 16, 100, 500
	b := setup(t, func(s *hfsim.Server) {
		s.Limits, s.MaxCalls = hfsim.MustLimits(fmt.Sprintf("%dreq/month", limit)), 300
		s.Now = clockAt("2026-11-22T18:20:00Z").Now
		s.Latency = hfsim.Uniform(0, time.Millisecond, 1)
	})
	b.http.Transport.(*http.Transport).MaxIdleConnsPerHost = workers
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				_ = b.ask("k", "hi")
			}
		})
	}
	wg.Wait()
	k := b.Books().Key("k")
	if k.Calls != workers*each || k.Over != workers*each-limit || k.Statuses[200] != limit || k.InFlight != 0 ||
		k.MaxInFlight < 1 || k.MaxInFlight > workers || k.Windows[0].Requests != workers*each {
		t.Errorf("books say %+v", k)
	}
	calls := b.Calls(0)
	if n := len(calls); n < 300 || n > 600 || calls[n-1].N != workers*each {
		t.Errorf("%d calls remembered, the last is %d", n, calls[n-1].N)
	}
	if last := b.Calls(workers*each - 1); len(last) != 1 {
		t.Errorf("%d calls after the last but one", len(last))
	}
	b.ResetBooks()
	if books := b.Books(); books.Calls != 0 || books.Over != 0 || len(b.Calls(0)) != 0 || books.Key("k").Windows == nil {
		t.Errorf("after a reset: %+v", books)
	}
	if got := b.ask("k", "hi").status; got != 200 {
		t.Errorf("after a reset: %d", got)
	}
}

func TestAToppedUpKeyIsServedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *hfsim.Server) { s.Limits = hfsim.MustLimits("1req/month") })
	for _, key := range []string{"k", "k", "other", "other"} {
		b.ask(key, "hi")
	}
	b.ForgetUse("k")
	b.ForgetUse("never seen")
	if k, other := b.ask("k", "hi").status, b.ask("other", "hi").status; k != 200 || other != 429 {
		t.Errorf("the key that was topped up: %d, the other: %d", k, other)
	}
	if k := b.Books().Key("k"); k.Calls != 3 || k.Over != 1 || k.Windows[0].Requests != 1 {
		t.Errorf("its book: %+v", k)
	}
}

func BenchmarkCall(b *testing.B) {
	var s hfsim.Server
	s.Limits = hfsim.MustLimits("1000000000req/1h")
	if err := s.Start(""); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer h.CloseIdleConnections()
	for b.Loop() {
		req, _ := http.NewRequest(http.MethodPost, s.URL()+"/chat/completions",
			strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"tell me a joke"}]}`))
		req.Header.Set("Authorization", "Bearer k")
		resp, err := h.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}
