//go:build unix

package main

import (
	"os"
	"syscall"
)

// group gives the go command and the program that it runs a process group, which a terminal's Ctrl-C would reach as a whole.
func group() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func interrupt(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGINT) } // it ended already: fine

func kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
