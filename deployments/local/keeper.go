package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
)

// Bounds of what runs at once.
const (
	maxWorkers  = 8
	maxGateways = 2
)

// How soon what ended is started again: at once after exit 0 (a reboot that was asked for), else after restartAfter.
// What ends again and again is given up.
const (
	restartAfter = 2 * time.Second
	maxFailures  = 5
	failedWithin = 5 * time.Second
)

// keeper starts processes and starts them again when they end, as a supervisor does; what it was told to kill for good
// stays dead.
type keeper struct {
	stack *stack.Stack
	env   func(role stack.Role, name string) map[string]string
	tell  func()
	log   func(who, text string)

	wake context.Context
	stop context.CancelFunc
	wait sync.WaitGroup

	mu       sync.Mutex
	posts    []*post
	lost     *lostError         // the first that was given up
	nameless map[stack.Role]int // how many of a role were made, for their names
}

// post is a place that a process holds; its process may change.
type post struct {
	Name  string
	Role  stack.Role
	proc  *stack.Process
	ready bool
	// back is when a dead process will be started again; zero if it runs or stays dead.
	back     time.Time
	final    bool // stays dead when it ends
	failures int
	restarts int
	lastExit string
}

// lostError says that a process was given up: it ends however often it is started.
type lostError struct {
	Name string
	Code int // its exit code
}

func (e *lostError) Error() string {
	return fmt.Sprintf("%s does not start: exit code %d", e.Name, e.Code)
}

func newKeeper(s *stack.Stack, env func(stack.Role, string) map[string]string, tell func(), log func(who, text string)) *keeper {
	k := &keeper{stack: s, env: env, tell: tell, log: log, nameless: map[stack.Role]int{}}
	k.wake, k.stop = context.WithCancel(context.Background())
	return k
}

// add makes a new place and starts its process.
func (k *keeper) add(role stack.Role) (*post, error) {
	k.mu.Lock()
	most := map[stack.Role]int{stack.Worker: maxWorkers, stack.Gateway: maxGateways, stack.NATS: 1}[role]
	if n := len(k.of(role)); n >= most {
		k.mu.Unlock()
		return nil, fmt.Errorf("%d of %s run already", n, role)
	}
	k.nameless[role]++
	p := &post{Name: fmt.Sprintf("%s-%d", role, k.nameless[role]), Role: role}
	k.posts = append(k.posts, p)
	k.mu.Unlock()
	if err := k.start(p); err != nil {
		k.drop(p)
		return nil, err
	}
	return p, nil
}

// of lists the places of a role. k.mu is held.
func (k *keeper) of(role stack.Role) (list []*post) {
	for _, p := range k.posts {
		if p.Role == role {
			list = append(list, p)
		}
	}
	return list
}

func (k *keeper) drop(p *post) {
	k.mu.Lock()
	k.posts = slices.DeleteFunc(k.posts, func(x *post) bool { return x == p })
	k.mu.Unlock()
	k.tell()
}

func (k *keeper) start(p *post) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.wake.Err() != nil {
		return k.wake.Err()
	}
	proc, err := k.stack.StartAs(p.Role, p.Name, k.env(p.Role, p.Name))
	if err != nil {
		return err
	}
	p.proc, p.ready, p.back = proc, false, time.Time{}
	k.wait.Go(func() { k.attend(p, proc) })
	return nil
}

// attend waits for a process to be ready, then for its end, and starts it again if it should be.
func (k *keeper) attend(p *post, proc *stack.Process) {
	k.tell()
	if k.stack.Ready(k.wake, proc) == nil {
		k.mu.Lock()
		p.ready = true
		k.mu.Unlock()
		k.tell()
	}
	<-proc.Done()
	code := proc.ExitCode()
	k.mu.Lock()
	p.ready, p.proc = false, nil
	p.lastExit = fmt.Sprintf("exit code %d", code)
	if code < 0 {
		p.lastExit = "killed"
	}
	if code > 0 && time.Since(proc.Started) < failedWithin {
		p.failures++
	} else {
		p.failures = 0
	}
	stays := p.final || k.wake.Err() != nil
	if p.failures >= maxFailures || code == 2 {
		stays = true
		if k.lost == nil {
			k.lost = &lostError{p.Name, code}
		}
		k.log("playground", fmt.Sprintf("gives %s up: it ended with %s", p.Name, p.lastExit))
	}
	pause := time.Duration(0)
	if code != 0 {
		pause = restartAfter
	}
	p.back = time.Now().Add(pause)
	k.mu.Unlock()
	if stays {
		k.drop(p)
		return
	}
	k.tell()
	select {
	case <-k.wake.Done():
		return
	case <-time.After(pause):
	}
	p.restarts++
	if err := k.start(p); err != nil {
		k.log(p.Name, err.Error())
		k.drop(p)
	}
}

// kill ends a process with SIGKILL; for good, or until it is started again.
func (k *keeper) kill(name string, final bool) error {
	k.mu.Lock()
	var proc *stack.Process
	for _, p := range k.posts {
		if p.Name == name && p.proc != nil {
			p.final, proc = final, p.proc
		}
	}
	k.mu.Unlock()
	if proc == nil {
		return fmt.Errorf("%s does not run", name)
	}
	return proc.Signal(os.Kill)
}

// end asks a process to drain; it is started again when again is set.
func (k *keeper) end(name string, again bool) error {
	k.mu.Lock()
	var proc *stack.Process
	for _, p := range k.posts {
		if p.Name == name && p.proc != nil {
			p.final, proc = !again, p.proc
		}
	}
	k.mu.Unlock()
	if proc == nil {
		return fmt.Errorf("%s does not run", name)
	}
	return proc.Signal(os.Interrupt)
}

// names are the places of a role, oldest first.
func (k *keeper) names(role stack.Role) (names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.of(role) {
		names = append(names, p.Name)
	}
	return names
}

// allReady waits until every place is ready; an error when a process ended before, a *lostError when it was given up.
func (k *keeper) allReady(ctx context.Context) error {
	for {
		k.mu.Lock()
		if k.lost != nil {
			defer k.mu.Unlock()
			return k.lost
		}
		var missing string
		for _, p := range k.posts {
			if !p.ready {
				missing = p.Name
			}
			if p.lastExit != "" && !p.ready {
				k.mu.Unlock()
				return fmt.Errorf("%s did not start (%s)", p.Name, p.lastExit)
			}
		}
		n := len(k.posts)
		k.mu.Unlock()
		if missing == "" && n > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s", missing, readyWithin)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// close drains everything: gateways and workers first, NATS last.
func (k *keeper) close(ctx context.Context) {
	k.stop()
	k.stack.Close(ctx)
	k.wait.Wait()
}
