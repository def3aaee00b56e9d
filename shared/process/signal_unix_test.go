//go:build unix

package process_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"salamander.dev/shared/process"
)

func TestASignalEndsIntakeAndASecondOneWork(t *testing.T) {
	// Not parallel: the signal goes to the whole process.
	err := process.Run(t.Context(), process.Limits{Work: time.Hour, All: 2 * time.Hour}, func(intake, work context.Context) error {
		for _, c := range []context.Context{intake, work} {
			if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
				return err
			}
			<-c.Done()
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
