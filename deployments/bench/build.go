package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"salamander.dev/deployments/stack"
)

// build makes the services' programs as the images do, once. A program can profile itself only if it is this one.
func (b *bench) build(ctx context.Context) error {
	if b.programs != nil {
		return nil
	}
	programs := map[stack.Role]string{}
	if b.profile != "" {
		b.programs = programs
		return os.MkdirAll(b.profile, 0o755)
	}
	for _, role := range []stack.Role{stack.Gateway, stack.Worker} {
		path := filepath.Join(b.dir, string(role))
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "salamander.dev/"+string(role))
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", role, err, out)
		}
		programs[role] = path
	}
	b.programs = programs
	return nil
}

// machine describes where the figures come from.
func machine() string {
	model := runtime.GOARCH
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer func() { _ = f.Close() }()
		for s := bufio.NewScanner(f); s.Scan(); {
			if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load := ""
	if raw, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", load average before the run " + strings.Join(strings.Fields(string(raw))[:3], " ")
	}
	return fmt.Sprintf("%d CPUs (%s)%s", runtime.NumCPU(), model, load)
}
