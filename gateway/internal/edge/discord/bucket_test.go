package discord

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/gateway/internal/core/outbound"
)

// window is a rate limit as Discord keeps it: n requests from the first one on, then all are free again.
type window struct {
	mu      sync.Mutex
	n, used int
	per     time.Duration
	reset   time.Time
	refused int
}

func (w *window) serve() (int, http.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if !now.Before(w.reset) {
		w.used, w.reset = 0, now.Add(w.per)
	}
	status := http.StatusOK
	if w.used++; w.used > w.n {
		w.used = w.n
		w.refused++
		status = http.StatusTooManyRequests
	}
	return status, header(w.n, w.n-w.used, w.reset.Sub(now))
}

func header(limit, remaining int, after time.Duration) http.Header {
	return http.Header{
		"X-Ratelimit-Limit": {strconv.Itoa(limit)}, "X-Ratelimit-Remaining": {strconv.Itoa(remaining)},
		"X-Ratelimit-Reset-After": {strconv.FormatFloat(after.Seconds(), 'f', 3, 64)},
	}
}

// Whatever the latencies and the load, a bucket whose first guess is not above the limit is never refused, and wastes
// little.
func TestBucketNeverExceedsAWindow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			limit, callers := 1+r.IntN(8), 1+r.IntN(12)
			per := time.Duration(500+r.IntN(5000)) * time.Millisecond
			latency := time.Duration(1 + r.IntN(int(per/4)))
			w := &window{n: limit, per: per}
			guess := budget{1 + r.IntN(limit), per + time.Duration(r.IntN(int(2*per)))}
			if r.IntN(2) == 0 {
				guess = budget{limit, per}
			}
			b := newBucket(guess)
			served := 0
			var mu sync.Mutex
			var all sync.WaitGroup
			end := time.Now().Add(20 * per)
			for range callers {
				own := rand.New(rand.NewPCG(seed, r.Uint64()))
				all.Go(func() {
					for time.Now().Before(end) {
						if err := b.take(t.Context(), "x"); err != nil {
							t.Error(err)
							return
						}
						pause(t.Context(), time.Duration(own.Int64N(int64(latency))), nil) // there
						status, h := w.serve()
						pause(t.Context(), time.Duration(own.Int64N(int64(latency))), nil) // and back
						b.answered(status, h, 0)
						mu.Lock()
						served++
						mu.Unlock()
					}
				})
			}
			all.Wait()
			if w.refused > 0 {
				t.Errorf("seed %d: %d requests were refused (limit %d per %s, guess %v, latency to %s)", seed, w.refused, limit, per, guess, latency)
			}
			if b.inflight != 0 || b.waiting != 0 {
				t.Errorf("seed %d: %d in flight, %d waiting at the end", seed, b.inflight, b.waiting)
			}
			if want := 20 * limit / 4; callers >= limit && served < want {
				t.Errorf("seed %d: %d served in 20 windows of %d", seed, served, limit)
			}
		})
	}
}

func TestBucketServesInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(budget{1, time.Second})
		var order []int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if err := b.take(t.Context(), "x"); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				b.answered(0, nil, 0)
			})
			synctest.Wait()
		}
		all.Wait()
		if !slices.IsSorted(order) || len(order) != 20 {
			t.Errorf("order %v", order)
		}
	})
}

func TestBucketWaitsCanEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(budget{1, time.Minute})
		if err := b.take(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := b.take(ctx, "x") // longer than its deadline: refused at once
		if err == nil || err.Class != outbound.ClassRetry || !err.Unsent || err.After <= 59*time.Second || time.Since(start) != 0 {
			t.Errorf("after %s: %+v", time.Since(start), err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := b.take(ctx, "x"); err == nil || !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		b.answered(0, nil, 0)
		if err := b.take(t.Context(), "x"); err != nil { // the queue is intact
			t.Error(err)
		}
	})
}

func TestBucketLearns(t *testing.T) {
	t.Parallel()
	take := func(t *testing.T, b *bucket) time.Duration {
		t.Helper()
		start := time.Now()
		if err := b.take(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	for name, run := range map[string]func(*testing.T){
		"no headers mean no limit": func(t *testing.T) {
			b := newBucket(budget{5, 5 * time.Second})
			take(t, b)
			b.answered(200, http.Header{}, 0)
			for range 100 {
				if d := take(t, b); d != 0 {
					t.Fatalf("waited %s", d)
				}
			}
		},
		"an error without headers teaches nothing": func(t *testing.T) {
			b := newBucket(budget{1, time.Second})
			take(t, b)
			b.answered(502, http.Header{}, 0)
			if d := take(t, b); d != time.Second {
				t.Errorf("waited %s, want the guess's second", d)
			}
		},
		"one at a time until the first answer": func(t *testing.T) {
			b := newBucket(budget{})
			take(t, b)
			time.AfterFunc(300*time.Millisecond, func() { b.answered(200, header(10, 9, time.Second), 0) })
			if d := take(t, b); d != 300*time.Millisecond {
				t.Errorf("waited %s", d)
			}
			if d := take(t, b); d != 0 {
				t.Errorf("waited %s", d)
			}
		},
		"a lost answer frees the probe": func(t *testing.T) {
			b := newBucket(budget{})
			take(t, b)
			b.answered(0, nil, 0)
			if d := take(t, b); d != 0 {
				t.Errorf("waited %s", d)
			}
		},
		"429 is obeyed": func(t *testing.T) {
			b := newBucket(budget{5, 5 * time.Second})
			take(t, b)
			b.answered(429, http.Header{}, 7*time.Second)
			if d := take(t, b); d != 7*time.Second {
				t.Errorf("waited %s", d)
			}
		},
		"a smaller limit is followed": func(t *testing.T) {
			b := newBucket(budget{5, 5 * time.Second})
			take(t, b)
			b.answered(200, header(2, 1, 3*time.Second), 0)
			if d := take(t, b); d != 0 {
				t.Errorf("waited %s", d)
			}
			if d := take(t, b); d != 3*time.Second {
				t.Errorf("waited %s", d)
			}
		},
		"answers out of order": func(t *testing.T) {
			b := newBucket(budget{5, 5 * time.Second})
			for range 3 {
				take(t, b)
			}
			b.answered(200, header(5, 2, 5*time.Second), 0)
			b.answered(200, header(5, 4, 5*time.Second), 0)
			b.answered(200, header(5, 3, 5*time.Second), 0)
			if b.left != 2 {
				t.Errorf("left %d, want 2", b.left)
			}
		},
		"typing leaves the last slot": func(t *testing.T) {
			b := newBucket(budget{})
			take(t, b)
			b.answered(200, header(3, 2, time.Minute), 0)
			if !b.spare() || b.spare() {
				t.Errorf("left %d", b.left)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, run)
		})
	}
}

func TestLimiterSharesAndForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter()
		first := l.bucket(routePost, "1")
		other := l.bucket(routePost, "2")
		if first == other || l.bucket(routePost, "1") != first {
			t.Fatal("buckets are not per channel")
		}
		h := header(5, 4, 5*time.Second)
		h.Set("X-RateLimit-Bucket", "abc")
		l.learn(routePost, "1", first, h)
		if l.bucket(routePost, "1") != first || l.bucket(routePost, "2") != other {
			t.Error("a learned hash splits a bucket that others wait in")
		}
		l.learn(routeMessages, "1", l.bucket(routeMessages, "1"), h) // another route, the same hash
		if l.bucket(routeMessages, "1") != first {
			t.Error("one hash and channel, two buckets")
		}
		if l.bucket(routeTyping, "1") == first {
			t.Error("routes are mixed")
		}
		pause(t.Context(), 2*bucketIdle, nil)
		l.bucket(routePost, "3")
		if n := len(l.buckets); n != 1 {
			t.Errorf("%d buckets are left, want 1", n)
		}
	})
}

// Whatever the latencies, a server that counts by the second never sees more than the share, and most of it is used.
func TestGlobalLimit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		perSecond int
		latency   time.Duration
	}{
		"alone": {50, 20 * time.Millisecond}, "a share": {25, 20 * time.Millisecond}, "least": {1, 20 * time.Millisecond}, "slow": {50, 800 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGlobal()
				g.setRate(tc.perSecond)
				w := &window{n: tc.perSecond, per: time.Second}
				served := 0
				var mu sync.Mutex
				var all sync.WaitGroup
				start := time.Now()
				for i := range 200 {
					own := rand.New(rand.NewPCG(1, uint64(i)))
					all.Go(func() {
						for time.Since(start) < 20*time.Second {
							if err := g.take(t.Context(), "x"); err != nil {
								t.Error(err)
								return
							}
							pause(t.Context(), time.Duration(own.Int64N(int64(tc.latency))), nil) // there
							w.serve()
							pause(t.Context(), time.Duration(own.Int64N(int64(tc.latency))), nil) // and back
							g.answered()
							mu.Lock()
							served++
							mu.Unlock()
						}
					})
				}
				all.Wait()
				if w.refused > 0 {
					t.Errorf("%d were refused", w.refused)
				}
				most := 20 * float64(tc.perSecond) / (globalWindow + tc.latency).Seconds()
				if float64(served) < 0.85*most {
					t.Errorf("%d served, of about %.0f", served, most)
				}
			})
		})
	}
}

func TestGlobalPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGlobal()
		g.pauseFor(3 * time.Second)
		if g.spare() {
			t.Error("typing during a pause")
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.take(ctx, "x"); err == nil || err.After != 3*time.Second || time.Since(start) != 0 {
			t.Errorf("beyond the deadline: %v", err)
		}
		if err := g.take(t.Context(), "x"); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func TestGuardCountsTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		for range 3 {
			for range 10 {
				g.note(time.Now())
			}
			pause(t.Context(), 3*time.Minute, nil)
		}
		if n := g.count(time.Now()); n != 30 {
			t.Errorf("%d, want 30", n)
		}
		pause(t.Context(), 2*time.Minute, nil)
		if n := g.count(time.Now()); n != 20 {
			t.Errorf("%d, want 20", n)
		}
		pause(t.Context(), time.Hour, nil)
		if n := g.count(time.Now()); n != 0 {
			t.Errorf("%d, want 0", n)
		}
	})
}
