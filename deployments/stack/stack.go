package stack

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Config says how the processes are run.
type Config struct {
	// Dir holds the store of NATS. Required.
	Dir string
	// Env are settings for every gateway and worker; GatewayEnv and WorkerEnv for one kind.
	Env, GatewayEnv, WorkerEnv map[string]string
	// Lines takes every line that a process writes; it is called from several goroutines. Default: drop them.
	Lines func(name, line string)
	// SyncAlways has NATS write to the disk before every acknowledgement.
	SyncAlways bool
	// Programs are built programs to run in a role; a role without one is this program, executed again.
	Programs map[Role]string
	// Profile is a folder that gets a CPU profile of every process that is this program, when it ends; empty: none.
	Profile string
	// NATSURL is a server that runs elsewhere; empty has the stack run one.
	NATSURL string
}

// Stack is a set of processes that belong together.
type Stack struct {
	cfg  Config
	port int

	mu     sync.Mutex
	all    []*Process
	counts map[Role]int
}

// New prepares a stack; nothing runs yet.
func New(cfg Config) (*Stack, error) {
	if cfg.Lines == nil {
		cfg.Lines = func(string, string) {}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return &Stack{cfg: cfg, port: port, counts: map[Role]int{}}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// NATSURL is where the stack's NATS is, running or not.
func (s *Stack) NATSURL() string {
	if s.cfg.NATSURL != "" {
		return s.cfg.NATSURL
	}
	return "nats://127.0.0.1:" + strconv.Itoa(s.port)
}

// Start runs one process of a role and returns when it was started, not when it is ready. extra settings are for it
// alone and win over the stack's.
func (s *Stack) Start(role Role, extra map[string]string) (*Process, error) {
	s.mu.Lock()
	s.counts[role]++
	name := fmt.Sprintf("%s-%d", role, s.counts[role])
	s.mu.Unlock()
	return s.StartAs(role, name, extra)
}

// StartAs is Start with a name of the caller's choice, for a supervisor that starts a process again in its old place.
func (s *Stack) StartAs(role Role, name string, extra map[string]string) (*Process, error) {
	environ, addr, err := s.environ(role, extra)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if s.cfg.Profile != "" {
		environ = append(environ, profileVariable+"="+s.cfg.Profile)
	}
	p, err := start(s.cfg.Programs[role], role, name, environ, s.cfg.Lines)
	if err != nil {
		return nil, err
	}
	p.Addr = addr
	s.mu.Lock()
	s.all = append(s.all, p)
	s.mu.Unlock()
	go func() {
		<-p.Done()
		s.mu.Lock()
		s.all = slices.DeleteFunc(s.all, func(x *Process) bool { return x == p })
		s.mu.Unlock()
	}()
	return p, nil
}

// Command runs one of a role's commands, such as `worker deadletters list`, to its end and returns what it wrote.
func (s *Stack) Command(ctx context.Context, role Role, args ...string) (string, error) {
	environ, _, err := s.environ(role, nil)
	if err != nil {
		return "", err
	}
	program := s.cfg.Programs[role]
	if program == "" {
		if program, err = os.Executable(); err != nil {
			return "", fmt.Errorf("find this program: %w", err)
		}
		environ = append(environ, roleVariable+"="+string(role))
	}
	c := exec.CommandContext(ctx, program, args...)
	c.Env = environ
	out, err := c.CombinedOutput()
	return string(out), err
}

// environ is the environment of one process, and the address where it is to serve.
func (s *Stack) environ(role Role, extra map[string]string) (environ []string, addr string, err error) {
	set := map[string]string{}
	if role == NATS {
		store := filepath.Join(s.cfg.Dir, "nats")
		if err := os.MkdirAll(store, 0o700); err != nil {
			return nil, "", err
		}
		set["PORT"], set["STORE_DIR"] = strconv.Itoa(s.port), store
		if s.cfg.SyncAlways {
			set["SYNC_ALWAYS"] = "1"
		}
	} else {
		port, err := freePort()
		if err != nil {
			return nil, "", err
		}
		addr = "127.0.0.1:" + strconv.Itoa(port)
		set["NATS_URL"], set["HTTP_ADDR"] = s.NATSURL(), addr
		own := map[Role]map[string]string{Gateway: s.cfg.GatewayEnv, Worker: s.cfg.WorkerEnv}[role]
		for _, m := range []map[string]string{s.cfg.Env, own, extra} {
			for k, v := range m {
				set[k] = v
			}
		}
	}
	// Built with the race detector, a program would sleep for a second at its exit.
	environ = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GORACE=atexit_sleep_ms=0"}
	for k, v := range set {
		environ = append(environ, k+"="+v)
	}
	return environ, addr, nil
}

// Running returns the processes of a role that run now, oldest first.
func (s *Stack) Running(role Role) []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	var some []*Process
	for _, p := range s.all {
		if p.Role == role {
			some = append(some, p)
		}
	}
	return some
}

// Ready returns when the process says that it is ready; an error when it ended before or ctx did.
func (s *Stack) Ready(ctx context.Context, p *Process) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if s.ready(ctx, client, p) {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("%s ended with exit code %d before it was ready", p.Name, p.ExitCode())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", p.Name, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Stack) ready(ctx context.Context, client *http.Client, p *Process) bool {
	if p.Role == NATS {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(s.port), time.Second)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Addr+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Close stops every process: gateways and workers first, NATS last. Those that do not end until ctx ends are killed.
func (s *Stack) Close(ctx context.Context) {
	for _, roles := range [][]Role{{Gateway, Worker}, {NATS}} {
		var ends sync.WaitGroup
		for _, r := range roles {
			for _, p := range s.Running(r) {
				ends.Go(func() { p.Stop(ctx) })
			}
		}
		ends.Wait()
	}
}
