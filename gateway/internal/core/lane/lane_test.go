package lane_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/gateway/internal/core/lane"
)

func TestJobsOfOneKeyRunInOrderAndKeysDontWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := lane.New[string](100)
		var mu sync.Mutex
		var got []int
		stuck := make(chan struct{})
		for i := range 20 {
			if !g.Try("a", func() {
				time.Sleep(time.Duration(20-i) * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				got = append(got, i)
			}) {
				t.Fatalf("job %d was refused", i)
			}
		}
		g.Try("b", func() { <-stuck })
		ran := false
		g.Try("c", func() { ran = true })
		synctest.Wait()
		if !ran {
			t.Error("a key waited for another one that is stuck")
		}
		close(stuck)
		g.Close()
		g.Wait()
		if !slices.IsSorted(got) || len(got) != 20 {
			t.Errorf("order %v", got)
		}
		if g.Len() != 0 {
			t.Errorf("%d jobs are still counted", g.Len())
		}
	})
}

func TestAFullGroupRefusesOrWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := lane.New[int](2)
		stuck := make(chan struct{})
		g.Try(1, func() { <-stuck })
		g.Try(1, func() {})
		if g.Try(2, func() {}) {
			t.Error("a third job was taken")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Go(ctx, 2, func() {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Go on a full group: %v", err)
		}
		ran := make(chan struct{})
		go func() { _ = g.Go(t.Context(), 3, func() { close(ran) }) }()
		synctest.Wait()
		close(stuck)
		<-ran
		g.Close()
		g.Close()
		if g.Try(4, func() {}) {
			t.Error("a closed group took a job")
		}
		if err := g.Go(t.Context(), 4, func() {}); !errors.Is(err, lane.ErrClosed) {
			t.Errorf("Go on a closed group: %v", err)
		}
		g.Wait()
	})
}
