package discord

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"salamander.dev/gateway/internal/core/outbound"
)

// bucketIdle is how long an unused bucket is remembered.
const bucketIdle = 2 * time.Minute

// maxBuckets bounds the buckets; beyond it, idle ones go at once.
const maxBuckets = 20000

// limiter holds the per-route limits: a bucket for each bucket hash that Discord names and each channel (or webhook,
// or application) that it counts by. Until Discord has named it, the route stands for the hash (Discord, Rate Limits).
type limiter struct {
	mu      sync.Mutex
	hashes  map[string]string  // route → hash
	limits  map[string]budget  // hash → what a new bucket may start with
	buckets map[string]*bucket // route or hash, and major
	swept   time.Time
}

func newLimiter() *limiter {
	return &limiter{hashes: map[string]string{}, limits: map[string]budget{}, buckets: map[string]*bucket{}, swept: time.Now()}
}

// bucket finds or makes the bucket of a route and its major parameter.
func (l *limiter) bucket(r *route, major string) *bucket {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweepLocked(time.Now())
	byRoute := r.name + "/" + major
	hash, named := l.hashes[r.name]
	if !named {
		return l.getLocked(byRoute, r.start)
	}
	byHash := hash + "/" + major
	if b := l.buckets[byHash]; b != nil {
		return b
	}
	if b := l.buckets[byRoute]; b != nil { // from before the hash was known; others may wait in it
		l.buckets[byHash] = b
		return b
	}
	start := r.start
	if known, ok := l.limits[hash]; ok {
		start = known
	}
	return l.getLocked(byHash, start)
}

func (l *limiter) getLocked(key string, start budget) *bucket {
	b := l.buckets[key]
	if b == nil {
		b = newBucket(start)
		l.buckets[key] = b
	}
	return b
}

// learn notes which bucket a route belongs to. Buckets made before stay reachable under both names.
func (l *limiter) learn(r *route, major string, b *bucket, h http.Header) {
	hash := h.Get("X-RateLimit-Bucket")
	said, told := readLimit(h)
	if hash == "" || !told {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hashes[r.name] = hash
	if said.remaining == said.limit-1 {
		l.limits[hash] = budget{said.limit, said.resetAfter}
	}
	if key := hash + "/" + major; l.buckets[key] == nil {
		l.buckets[key] = b
	}
}

func (l *limiter) sweepLocked(now time.Time) {
	if now.Sub(l.swept) < bucketIdle/2 && len(l.buckets) < maxBuckets {
		return
	}
	l.swept = now
	for key, b := range l.buckets {
		if b.idle(now) || (len(l.buckets) >= maxBuckets && b.idle(now.Add(bucketIdle))) {
			delete(l.buckets, key)
		}
	}
}

// limitHeaders are what Discord says of a bucket with an answer.
type limitHeaders struct {
	limit, remaining int
	resetAfter       time.Duration
}

func readLimit(h http.Header) (limitHeaders, bool) {
	limit, err := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	if err != nil || limit < 1 {
		return limitHeaders{}, false
	}
	remaining, err := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	if err != nil {
		return limitHeaders{}, false
	}
	after, ok := seconds(h.Get("X-RateLimit-Reset-After"))
	if !ok {
		at, err := strconv.ParseFloat(h.Get("X-RateLimit-Reset"), 64)
		now, dateErr := http.ParseTime(h.Get("Date"))
		if err != nil || dateErr != nil {
			return limitHeaders{}, false
		}
		after, _ = seconds(strconv.FormatFloat(at-float64(now.Unix()), 'f', 3, 64))
	}
	return limitHeaders{limit, min(max(remaining, 0), limit), after}, true
}

// seconds reads a count of seconds with fractions, rounded up to the millisecond; at most an hour is believed.
func seconds(text string) (time.Duration, bool) {
	s, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(s) || s < 0 {
		return 0, false
	}
	return time.Duration(math.Ceil(min(s, 3600)*1000)) * time.Millisecond, true
}

// retryAfter is the wait that a 429 or 503 asks for: the body's is the more precise one.
func retryAfter(h http.Header, body float64) time.Duration {
	if body > 0 && !math.IsNaN(body) {
		d, _ := seconds(strconv.FormatFloat(body, 'f', 3, 64))
		return d
	}
	if d, ok := seconds(h.Get("Retry-After")); ok {
		return d
	}
	if d, ok := seconds(h.Get("X-RateLimit-Reset-After")); ok {
		return d
	}
	return 0
}

// limited is the error of a request that was held back and never sent.
func limited(ctx context.Context, route string, wait time.Duration) *APIError {
	return &APIError{Route: route, Class: outbound.ClassRetry, After: wait, Unsent: true, held: true, Detail: "held back by a rate limit", cause: context.Cause(ctx)}
}

// beyond says that a wait would outlast ctx.
func beyond(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < wait
}

// pause waits (for ever when negative) until something changed; false when ctx ended.
func pause(ctx context.Context, wait time.Duration, changed <-chan struct{}) bool {
	var fire <-chan time.Time
	if wait >= 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		fire = t.C
	}
	select {
	case <-fire:
	case <-changed:
	case <-ctx.Done():
		return false
	}
	return true
}
