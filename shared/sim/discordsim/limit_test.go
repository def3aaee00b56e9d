package discordsim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/sim/discordsim"
)

func TestRouteLimit(t *testing.T) {
	t.Parallel()
	k := newClock()
	b := setup(t, &discordsim.Server{Now: k.now, Limits: discordsim.RateLimits{On: true}})
	other, err := b.AddChannel(discordsim.Channel{Guild: b.w.Guild})
	must(t, err)
	bucket := ""
	for i := range 5 {
		a := b.want(b.post(b.w.Channel, object{"content": "hi"}), 200, 0)
		h := a.header
		if h.Get("X-RateLimit-Limit") != "5" || h.Get("X-RateLimit-Remaining") != string(rune('4'-i)) || h.Get("X-RateLimit-Reset-After") != "5.000" || h.Get("X-RateLimit-Reset") == "" {
			t.Fatalf("headers %v", h)
		}
		bucket = h.Get("X-RateLimit-Bucket")
	}
	k.advance(500 * time.Millisecond)
	a := b.want(b.post(b.w.Channel, object{"content": "hi"}), 429, 0)
	h := a.header
	if a.body["retry_after"] != 4.5 || a.body["global"] != false || h.Get("Retry-After") != "5" || h.Get("X-RateLimit-Scope") != "user" ||
		h.Get("X-RateLimit-Remaining") != "0" || h.Get("X-RateLimit-Bucket") != bucket || h.Get("X-RateLimit-Global") != "" {
		t.Fatalf("429 %s %v", a.raw, h)
	}
	b.want(b.post(other.ID, object{"content": "hi"}), 200, 0) // another channel, another bucket
	b.want(b.do("GET", "/channels/"+b.w.Channel.String()+"/messages", nil), 200, 0)
	k.advance(4500 * time.Millisecond)
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 200, 0)
	if n := b.Counts(); n.Limited != 1 || n.Invalid != 1 {
		t.Fatalf("counts %+v", n)
	}
}

func TestLimitsOnDemand(t *testing.T) {
	t.Parallel()
	k := newClock()
	b := setup(t, &discordsim.Server{Now: k.now})
	if h := b.want(b.post(b.w.Channel, object{"content": "hi"}), 200, 0).header; h.Get("X-RateLimit-Limit") != "" {
		t.Fatalf("headers without limits %v", h)
	}
	b.SetLimits(discordsim.RateLimits{On: true, Routes: map[string]discordsim.Rate{"POST /channels/{channel}/messages": {N: 1, Per: time.Minute}}})
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 200, 0)
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 429, 0)
	b.SetLimits(discordsim.RateLimits{})
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 200, 0)
}

// The documented global 429 has Retry-After and X-RateLimit-Global, no bucket headers.
func TestGlobalLimit(t *testing.T) {
	t.Parallel()
	k := newClock()
	b := setup(t, &discordsim.Server{Now: k.now, Limits: discordsim.RateLimits{On: true}})
	for range 50 {
		b.want(b.do("GET", "/users/@me", nil), 200, 0)
	}
	a := b.want(b.post(b.w.Channel, object{"content": "hi"}), 429, 0)
	h := a.header
	if a.body["global"] != true || a.body["retry_after"] != 1.0 || h.Get("Retry-After") != "1" || h.Get("X-RateLimit-Global") != "true" ||
		h.Get("X-RateLimit-Scope") != "global" || h.Get("X-RateLimit-Reset-After") != "" || h.Get("X-RateLimit-Bucket") != "" {
		t.Fatalf("429 %s %v", a.raw, h)
	}
	// Interactions and webhooks are exempt: these tokens are unknown, not limited.
	b.want(b.do("POST", "/interactions/1/x/callback", object{"type": 5}), 404, 10062)
	k.advance(time.Second)
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 200, 0)
}

func TestBanForInvalidRequests(t *testing.T) {
	t.Parallel()
	k := newClock()
	b := setup(t, &discordsim.Server{Now: k.now, Limits: discordsim.RateLimits{Invalid: 4}})
	b.Inject(discordsim.Fault{Status: 429, Scope: "shared", Times: 10})
	for range 10 {
		b.want(b.do("GET", "/users/@me", nil), 429, 0) // shared ones don't count
	}
	must(t, b.SetOverwrites(b.w.Channel, discordsim.Overwrite{ID: b.w.Guild, Deny: discordsim.SendMessages}))
	for range 3 {
		b.want(b.post(b.w.Channel, object{"content": "hi"}), 403, 50013)
	}
	b.want(b.do("GET", "/channels/1", nil), 404, 10003) // nor do 404s
	req, err := http.NewRequest("GET", b.URL()+"/api/v9/users/@me", nil)
	must(t, err)
	if a, err := b.send(req); err != nil || a.status != 401 {
		t.Fatalf("without a token: %v %d", err, a.status)
	}
	a := b.do("GET", "/users/@me", nil)
	if a.status != 429 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || a.header.Get("Retry-After") == "" || a.header.Get("X-RateLimit-Scope") != "" {
		t.Fatalf("banned: %d %v", a.status, a.header)
	}
	k.advance(10 * time.Minute)
	b.want(b.do("GET", "/users/@me", nil), 200, 0)
}
