//go:build !unix

package main

import (
	"os"
	"syscall"
)

// group: this system has no process groups that a signal reaches.
func group() *syscall.SysProcAttr { return nil }

func interrupt(p *os.Process) { _ = p.Signal(os.Interrupt) }

func kill(p *os.Process) { _ = p.Kill() }
