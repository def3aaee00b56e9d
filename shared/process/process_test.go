package process_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/shared/process"
)

func TestWorkGoesOnForTheDrainAfterIntakeEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		want := errors.New("what run returns")
		err := process.Run(ctx, process.Limits{Work: 25 * time.Second, All: time.Minute}, func(intake, work context.Context) error {
			cancel()
			<-intake.Done()
			if work.Err() != nil {
				t.Error("work ended with intake")
			}
			<-work.Done()
			return want
		})
		if took := time.Since(start); took != 25*time.Second || !errors.Is(err, want) {
			t.Errorf("ended after %s with %v", took, err)
		}
	})
}

func TestNobodyWaitsForWhatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		over := make(chan struct{})
		err := process.Run(ctx, process.For(25*time.Second, 20*time.Second), func(_, work context.Context) error {
			<-work.Done()
			<-over
			return nil
		})
		if took := time.Since(start); took >= 25*time.Second || took <= 20*time.Second || !errors.Is(err, process.ErrLate) {
			t.Errorf("ended after %s with %v", took, err)
		}
		close(over)
	})
}

func TestOneProcessorUnlessTheEnvironmentSaysOtherwise(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	runtime.GOMAXPROCS(2)
	if process.OneProcessor(map[string]string{"GOMAXPROCS": "2"}); runtime.GOMAXPROCS(0) != 2 {
		t.Error("GOMAXPROCS of the environment does not stand")
	}
	if process.OneProcessor(nil); runtime.GOMAXPROCS(0) != 1 {
		t.Error("more than one processor is used")
	}
}
