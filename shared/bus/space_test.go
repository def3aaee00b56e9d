package bus_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"salamander.dev/shared/control"
)

// Turns of one name are spaced over all processes, by the entry that each leaves; another name's are not held up.
func TestTurnsAreSpaced(t *testing.T) {
	t.Parallel()
	ctx, s, one := setup(t)
	two := s.Connect(control.Gateway)
	const every = 200 * time.Millisecond
	begin := time.Now()
	var mu sync.Mutex
	var turns []time.Duration
	var all sync.WaitGroup
	for range 2 {
		for _, space := range []func(context.Context, string, time.Duration) error{one.Space, two.Space} {
			all.Go(func() {
				if err := space(ctx, "some.turn", every); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				turns = append(turns, time.Since(begin))
			})
		}
	}
	all.Wait()
	for i, at := range turns { // in the order in which they were let pass; a load can only make them later
		if at < time.Duration(i)*every {
			t.Errorf("turn %d came after %s, too early", i, at)
		}
	}
	if err := one.Space(ctx, "other.turn", time.Hour); err != nil {
		t.Error(err)
	}
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := two.Space(soon, "other.turn", time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a turn within the hour: %v", err)
	}
}

// A caller whose clock is far ahead does not hold the others up for as long.
func TestAClockThatIsAheadDelaysByOneSpaceOnly(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	kv, err := b.KeyValue(ctx, "ONCE")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(ctx, "some.turn", []byte(`"`+time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)+`"`)); err != nil {
		t.Fatal(err)
	}
	if err := b.Space(ctx, "some.turn", 100*time.Millisecond); err != nil {
		t.Error(err)
	}
}
