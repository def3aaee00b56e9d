package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// playground is one run of the command of the README.
type playground struct {
	url     string
	began   time.Time
	cmd     *exec.Cmd
	done    chan struct{}
	mu      sync.Mutex
	written []string
}

// startPlayground runs `go run ./deployments/local` with a free port, and returns when the page is served; the
// processes behind it may still be starting.
func startPlayground(ctx context.Context, extra ...string) (*playground, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	p := &playground{url: "http://" + addr, began: time.Now(), done: make(chan struct{})}
	p.cmd = exec.Command("go", append([]string{"run", "./deployments/local", "-addr", addr}, extra...)...)
	for _, v := range os.Environ() { // a tester's own tokens must not make it real
		if name, _, _ := strings.Cut(v, "="); name != "DISCORD_TOKEN" && name != "DISCORD_TOKEN_FILE" && name != "HF_API_KEYS" && name != "HF_API_KEYS_FILE" {
			p.cmd.Env = append(p.cmd.Env, v)
		}
	}
	p.cmd.SysProcAttr = group()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the playground: %w", err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		_, _ = r.Close(), w.Close()
		return nil, fmt.Errorf("start the playground: %w", err)
	}
	_ = w.Close()
	go func() {
		defer func() { _ = r.Close() }()
		for s := bufio.NewScanner(r); s.Scan(); {
			p.mu.Lock()
			p.written = append(p.written, s.Text())
			p.mu.Unlock()
		}
	}()
	go func() {
		_ = p.cmd.Wait() // how it ended shows in what it wrote
		close(p.done)
	}()
	return p, p.served(ctx)
}

// served waits until the page is there.
func (p *playground) served(ctx context.Context) error {
	client := &http.Client{Timeout: time.Second}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/", nil)
		if err != nil {
			return err
		}
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("the playground ended:\n%s", p.output())
		case <-ctx.Done():
			return fmt.Errorf("the playground serves no page: %w\n%s", ctx.Err(), p.output())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *playground) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.written, "\n")
}

// stop ends the playground as Ctrl-C does, and says whether it drained in time.
func (p *playground) stop() error {
	interrupt(p.cmd.Process)
	select {
	case <-p.done:
		return nil
	case <-time.After(40 * time.Second):
		kill(p.cmd.Process)
		return fmt.Errorf("the playground did not end within 40 s of Ctrl-C:\n%s", p.output())
	}
}
