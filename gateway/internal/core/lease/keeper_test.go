package lease_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// in runs a test in virtual time; its gateways end with it.
func in(t *testing.T, total int, f func(w *town)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(newTown(t, total)) })
}

func TestOneGatewayServesEverything(t *testing.T) {
	in(t, 4, func(w *town) {
		name := w.join()
		if w.all[name].Down() == "" {
			t.Error("it says that it serves before it looked")
		}
		w.pass(time.Second, nil)
		w.even()
	})
}

func TestShardsAreSharedOutWithoutAGap(t *testing.T) {
	in(t, 4, func(w *town) {
		w.join()
		w.pass(5*time.Second, nil)
		w.takes = 8 * time.Second // longer than anybody would wait who did not look whether the new session is live
		for range 2 {
			w.join()
			w.pass(40*time.Second, func(at time.Duration) {
				if shard := w.gap(); shard >= 0 {
					t.Fatalf("%s after another gateway joined nobody serves shard %d", at, shard)
				}
			})
			w.even()
		}
	})
}

// The dead are noticed by DeadAfter and a round; the session's own start comes on top.
func TestShardsOfTheDeadAreTakenOver(t *testing.T) {
	in(t, 4, func(w *town) {
		first, _ := w.join(), w.join()
		w.pass(30*time.Second, nil)
		w.even()
		w.kill(first)
		taken := time.Duration(0)
		w.pass(20*time.Second, func(at time.Duration) {
			if taken == 0 && w.gap() < 0 {
				taken = at
			}
		})
		if limit := 4*time.Second + 2*time.Second + takes; taken == 0 || taken > limit {
			t.Errorf("taken over after %s, want at most %s", taken, limit)
		}
		w.even()
	})
}

func TestShardsOfTheLeavingAreTakenAtOnce(t *testing.T) {
	in(t, 4, func(w *town) {
		first, _ := w.join(), w.join()
		w.pass(30*time.Second, nil)
		w.drain(first)
		w.pass(1100*time.Millisecond+takes, nil)
		w.even()
	})
}

// While the book is away nobody can tell who lives, so everybody goes on with what it has; also when the book has
// forgotten everything.
func TestNothingChangesHandsWhenTheBookWasAway(t *testing.T) {
	for _, forgets := range []bool{false, true} {
		t.Run(map[bool]string{false: "and remembers", true: "and forgot"}[forgets], func(t *testing.T) {
			in(t, 5, func(w *town) {
				w.join()
				w.join()
				w.pass(30*time.Second, nil)
				before := w.serving()
				w.book.set(func() { w.book.away = true })
				w.pass(time.Minute, nil)
				w.book.set(func() {
					if w.book.away = false; forgets {
						clear(w.book.leases)
						clear(w.book.members)
					}
				})
				w.pass(time.Minute, func(time.Duration) {
					if !maps.EqualFunc(before, w.serving(), slices.Equal) {
						t.Fatalf("before: %v, now: %v", before, w.serving())
					}
				})
			})
		})
	}
}

// A gateway whose machine stalls loses its shards, and ends its own sessions when it is back.
func TestAStalledGatewayHandsOver(t *testing.T) {
	in(t, 4, func(w *town) {
		first, _ := w.join(), w.join()
		w.pass(30*time.Second, nil)
		w.all[first].gate <- struct{}{}
		w.pass(20*time.Second, nil)
		<-w.all[first].gate
		w.pass(time.Minute, func(at time.Duration) {
			if shard := w.gap(); shard >= 0 {
				t.Fatalf("%s later nobody serves shard %d", at, shard)
			}
		})
		w.even()
	})
}

func TestMoreGatewaysThanShards(t *testing.T) {
	in(t, 2, func(w *town) {
		first := w.join()
		w.join()
		w.join()
		w.pass(30*time.Second, nil)
		w.even() // also: the third says that it serves, since all shards are live elsewhere
		w.kill(first)
		w.pass(20*time.Second, nil)
		w.even()
	})
}

// Whatever comes and goes, in the end every shard has one gateway and every gateway its share.
func TestAnyHistoryEndsEvenly(t *testing.T) {
	for seed := range uint64(40) {
		t.Run("", func(t *testing.T) {
			in(t, 1+int(seed%7), func(w *town) {
				r := rand.New(rand.NewPCG(seed, 1))
				w.join()
				for range 25 {
					names := slices.Sorted(maps.Keys(w.all))
					some := names[r.IntN(len(names))]
					switch n := r.IntN(5); {
					case n <= 1 && len(names) < 5:
						w.join()
					case n == 2 && len(names) > 1:
						w.kill(some)
					case n == 3 && len(names) > 1:
						w.drain(some)
					case n == 4:
						w.book.set(func() { w.book.away = true })
						w.pass(time.Duration(r.IntN(20))*time.Second, nil)
						w.book.set(func() { w.book.away = false })
					}
					w.pass(time.Duration(r.IntN(15))*time.Second, nil)
				}
				w.pass(2*time.Minute, nil)
				w.even()
			})
		})
	}
}
