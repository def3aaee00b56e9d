package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is one running role.
type Process struct {
	Role Role
	// Name is unique in a stack, such as "worker-2".
	Name string
	// Addr is where /readyz and /metrics are served; empty for NATS.
	Addr    string
	Started time.Time

	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// start runs a program, or with an empty one this program again in a role. Every line that it writes goes to lines.
func start(program string, role Role, name string, environ []string, lines func(name, line string)) (*Process, error) {
	if program == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		program, environ = self, append(environ, roleVariable+"="+string(role))
	}
	p := &Process{Role: role, Name: name, Started: time.Now(), done: make(chan struct{})}
	p.cmd = exec.Command(program)
	p.cmd.Env = environ
	p.cmd.SysProcAttr = attributes()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		_, _ = r.Close(), w.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	_ = w.Close()
	var read sync.WaitGroup
	read.Go(func() { scan(r, func(l string) { lines(name, l) }) })
	go func() {
		p.err = p.cmd.Wait()
		read.Wait()
		close(p.done)
	}()
	return p, nil
}

// scan reads lines of any length up to 1 MiB.
func scan(r io.ReadCloser, f func(string)) {
	defer func() { _ = r.Close() }()
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), 1<<20)
	for s.Scan() {
		f(s.Text())
	}
	_, _ = io.Copy(io.Discard, r)
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends the process with SIGKILL and waits.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it ended already: fine
	<-p.done
}

// Signal sends any other signal.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Stop sends SIGTERM and waits for the end until ctx ends; then it kills. It returns the exit code, -1 after a kill.
func (p *Process) Stop(ctx context.Context) (code int) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.ExitCode()
	case <-ctx.Done():
		p.Kill()
		return -1
	}
}

// ExitCode is how the process ended; -1 by a signal. Call it after Done.
func (p *Process) ExitCode() int {
	<-p.done
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// RSS is the resident memory of the process in bytes, 0 where it can't be read (Linux only).
func (p *Process) RSS() int64 { return rss(p.PID()) }

// PeakRSS is the most that RSS ever was, 0 where it can't be read (Linux only).
func (p *Process) PeakRSS() int64 { return peak(p.PID()) }

// CPU is the processor time that the process used so far, 0 where it can't be read (Linux only).
func (p *Process) CPU() time.Duration { return cpu(p.PID()) }
