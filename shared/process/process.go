// Package process turns signals into a bounded drain: first no new work, then an end to what is in flight, then an end.
package process

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// ErrLate says that run had not returned when all time was up. What it still held comes again to another process.
var ErrLate = errors.New("not everything ended in time")

// Limits bound a drain, counted from the signal.
type Limits struct {
	// Work is when what is in flight is given up.
	Work time.Duration
	// All is when nobody waits any more, whatever still hangs; the process is then to exit.
	All time.Duration
}

// For divides a DRAIN_TIMEOUT: what remains of it after All is for the operating system.
func For(timeout, work time.Duration) Limits {
	return Limits{Work: work, All: timeout - min(timeout/20, 500*time.Millisecond)}
}

// Run calls run with two contexts. intake ends at SIGTERM or SIGINT, or when ctx ends: then run takes no new work. work
// ends l.Work later, or at a second signal: then run gives up what is still in flight. Run returns what run returns, or
// [ErrLate] when that takes longer than l.All.
func Run(ctx context.Context, l Limits, run func(intake, work context.Context) error) error {
	intake, stopIntake := context.WithCancel(ctx)
	defer stopIntake()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	ended := make(chan error, 1)
	go func() { ended <- run(intake, work) }()
	select {
	case <-signals:
	case <-intake.Done():
	case err := <-ended:
		return err
	}
	stopIntake()
	late, over := time.NewTimer(l.Work), time.NewTimer(l.All)
	defer late.Stop()
	defer over.Stop()
	for {
		select {
		case <-signals:
		case <-late.C:
		case <-over.C:
			return ErrLate
		case err := <-ended:
			return err
		}
		stopWork()
	}
}
