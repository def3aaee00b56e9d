package discordsim

import (
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Rate is n requests in a window that opens with the first of them.
type Rate struct {
	N   int           `json:"n"`
	Per time.Duration `json:"per"`
}

// RateLimits are Discord's limits on REST. They are off in the zero value.
type RateLimits struct {
	On     bool            `json:"on"`
	Routes map[string]Rate `json:"routes,omitempty"` // over the defaults; N 0: no bucket
	Global int             `json:"global,omitempty"` // per second; 0: 50, negative: none

	// Invalid is the number of 401, 403 and 429 in 10 minutes that earns a ban; 0: 10,000.
	// It counts whether On or not.
	Invalid int `json:"invalid,omitempty"`
}

const (
	invalidWindow = 10 * time.Minute
	globalWindow  = time.Second
)

// defaultRates: 5 messages per 5 s and channel is what live headers show (it is not
// documented); the others are plausible values for routes that do have a bucket.
var defaultRates = map[string]Rate{
	"POST /channels/{channel}/messages":                   {5, 5 * time.Second},
	"PATCH /channels/{channel}/messages/{message}":        {5, 5 * time.Second},
	"DELETE /channels/{channel}/messages/{message}":       {5, time.Second},
	"POST /channels/{channel}/typing":                     {5, 5 * time.Second},
	"POST /channels/{channel}/messages/{message}/threads": {50, 5 * time.Minute},
	"POST /channels/{channel}/threads":                    {50, 5 * time.Minute},
	"PUT /applications/{app}/commands":                    {2, 5 * time.Second},
	"PUT /applications/{app}/guilds/{guild}/commands":     {2, 5 * time.Second},
	"POST /webhooks/{app}/{token}":                        {5, 2 * time.Second},
	"PATCH /webhooks/{app}/{token}/messages/{message}":    {5, 2 * time.Second},
	"POST /users/@me/channels":                            {10, 10 * time.Second},
	"GET /gateway/bot":                                    {2, 5 * time.Second},
}

// limiter counts. Guarded by Server.mu.
type limiter struct {
	cfg     RateLimits
	buckets map[string]*bucket
	global  bucket
	invalid bucket
	banned  time.Time
}

type bucket struct {
	used  int
	reset time.Time
}

// take uses one of n; wait is how long until the window turns when none was left.
func (b *bucket) take(n int, per time.Duration, now time.Time) (ok bool, wait time.Duration) {
	if !now.Before(b.reset) {
		b.used, b.reset = 0, now.Add(per)
	}
	if b.used >= n {
		return false, b.reset.Sub(now)
	}
	b.used++
	return true, 0
}

// SetLimits changes the rate limits; all windows start anew.
func (s *Server) SetLimits(r RateLimits) {
	s.lock()
	defer s.unlock()
	s.limits = limiter{cfg: r}
}

func (s *Server) rateOf(route string) Rate {
	if r, ok := s.limits.cfg.Routes[route]; ok {
		return r
	}
	return defaultRates[route]
}

// banned reports whether the address is shut out, and for how long.
func (s *Server) banned() (time.Duration, bool) {
	s.lock()
	defer s.mu.Unlock()
	left := s.limits.banned.Sub(s.now())
	return left, left > 0
}

// countInvalid books a 401, 403 or 429 and starts the ban at the limit.
func (s *Server) countInvalid() {
	s.books.counts.Invalid++
	limit := orDefault(s.limits.cfg.Invalid, 10_000)
	now := s.now()
	s.limits.invalid.take(math.MaxInt, invalidWindow, now)
	if s.limits.invalid.used >= limit {
		s.limits.banned, s.limits.invalid = now.Add(invalidWindow), bucket{}
	}
}

// limitGlobal takes one of the bot's 50 requests per second. The documented 429 has
// Retry-After and X-RateLimit-Global and none of the bucket headers.
func (s *Server) limitGlobal(h http.Header) *apiError {
	s.lock()
	defer s.mu.Unlock()
	n := orDefault(s.limits.cfg.Global, 50)
	if !s.limits.cfg.On || n < 0 {
		return nil
	}
	ok, wait := s.limits.global.take(n, globalWindow, s.now())
	if ok {
		return nil
	}
	return tooMany(h, wait, "global", false)
}

// limitRoute takes one of a bucket, which is a route and its major parameter, and sets
// the documented headers.
func (s *Server) limitRoute(h http.Header, route, major string) *apiError {
	s.lock()
	defer s.mu.Unlock()
	rate := s.rateOf(route)
	if !s.limits.cfg.On || rate.N == 0 {
		return nil
	}
	if s.limits.buckets == nil {
		s.limits.buckets = map[string]*bucket{}
	}
	now := s.now()
	s.sweepBuckets(now)
	key := route + " " + major
	b := s.limits.buckets[key]
	if b == nil {
		b = &bucket{}
		s.limits.buckets[key] = b
	}
	ok, wait := b.take(rate.N, rate.Per, now)
	h.Set("X-RateLimit-Bucket", bucketName(route))
	h.Set("X-RateLimit-Limit", strconv.Itoa(rate.N))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(rate.N-b.used))
	h.Set("X-RateLimit-Reset", fmt.Sprintf("%.3f", float64(b.reset.UnixMilli())/1000))
	h.Set("X-RateLimit-Reset-After", seconds(b.reset.Sub(now)))
	if ok {
		return nil
	}
	return tooMany(h, wait, "user", false)
}

// sweepBuckets bounds the map: windows that are over hold nothing.
func (s *Server) sweepBuckets(now time.Time) {
	if len(s.limits.buckets) < 4096 {
		return
	}
	for k, b := range s.limits.buckets {
		if !now.Before(b.reset) {
			delete(s.limits.buckets, k)
		}
	}
}

func bucketName(route string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(route))
	return fmt.Sprintf("%016x", h.Sum64())
}

// seconds rounds up to milliseconds, so that who waits that long is not early.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%.3f", math.Ceil(float64(d)/float64(time.Millisecond))/1000)
}

// tooMany builds the documented 429; Retry-After is in whole seconds, rounded up.
func tooMany(h http.Header, wait time.Duration, scope string, bare bool) *apiError {
	after := math.Ceil(wait.Seconds()*1000) / 1000
	if !bare {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(after))))
		h.Set("X-RateLimit-Scope", scope)
		if scope == "global" {
			h.Set("X-RateLimit-Global", "true")
		}
	}
	e := &apiError{Status: http.StatusTooManyRequests, Message: "You are being rate limited.", RetryAfter: &after, Scope: scope}
	global := scope == "global"
	e.Global = &global
	if scope == "shared" {
		e.Message = "The resource is being rate limited."
	}
	return e
}
