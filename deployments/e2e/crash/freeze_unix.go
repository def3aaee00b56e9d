//go:build unix

package main

import (
	"syscall"
	"time"

	"salamander.dev/deployments/stack"
)

// freeze stops processes for a while.
func freeze(victims []*stack.Process, d time.Duration) {
	for _, p := range victims {
		if p.Signal(syscall.SIGSTOP) == nil {
			time.Sleep(d)
			_ = p.Signal(syscall.SIGCONT) // it was killed meanwhile: fine
		}
	}
}
