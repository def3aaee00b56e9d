//go:build !unix

package main

import (
	"time"

	"salamander.dev/deployments/stack"
)

// freeze kills instead: this system can't stop a process for a while.
func freeze(victims []*stack.Process, _ time.Duration) {
	for _, p := range victims {
		p.Kill()
	}
}
