package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// composeModule is built when the machine has no `docker compose`: the standard library's `go` is enough for it.
const (
	composeModule  = "github.com/docker/compose/v2"
	composeVersion = "v2.40.3"
)

// command runs a program in the repository's root and returns its standard output. Standard error goes into the error.
func (s *suite) command(ctx context.Context, env []string, stdin io.Reader, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin = s.root, stdin
	cmd.Env = append(os.Environ(), env...)
	var out, trouble strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if s.verbose {
		fmt.Println("$", name, strings.Join(args, " "))
		cmd.Stderr = io.MultiWriter(&trouble, os.Stderr)
	}
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(trouble.String())
		if len(text) > maxTrouble {
			text = "…" + text[len(text)-maxTrouble:]
		}
		return out.String(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text)
	}
	return out.String(), nil
}

// maxTrouble is how many bytes of a failed command's standard error are shown.
const maxTrouble = 4000

func (s *suite) docker(ctx context.Context, args ...string) (string, error) {
	return s.command(ctx, s.env, nil, "docker", args...)
}

// haveCompose sees to a `docker compose`. Where there is none it is built from its module, and lies beside a client
// configuration of the suite's own: nothing in the user's home changes.
func (s *suite) haveCompose(ctx context.Context) error {
	if v, err := s.docker(ctx, "compose", "version", "--short"); err == nil {
		s.say("docker compose %s is there", strings.TrimSpace(v))
		return nil
	}
	config := filepath.Join(s.cache, "docker-"+composeVersion)
	plugin := filepath.Join(config, "cli-plugins", "docker-compose")
	if _, err := os.Stat(plugin); errors.Is(err, os.ErrNotExist) {
		s.say("docker compose is not there: building %s %s", composeModule, composeVersion)
		flags := "-s -w -X " + composeModule + "/internal.Version=" + composeVersion
		if err := s.buildModule(ctx, composeModule, composeVersion, "./cmd", flags, plugin); err != nil {
			return err
		}
	}
	s.env = append(s.env, "DOCKER_CONFIG="+config)
	_, err := s.docker(ctx, "compose", "version")
	return err
}

// buildModule builds a program of a module with that module's own go.mod, as its authors do.
func (s *suite) buildModule(ctx context.Context, module, version, pkg, ldflags, out string, env ...string) error {
	dir, err := os.MkdirTemp("", "salamander-module-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	from, err := s.command(ctx, []string{"GOWORK=off", "GOFLAGS="}, nil, "go", "mod", "download", "-json", module+"@"+version)
	if err != nil {
		return err
	}
	source, err := field(from, "Dir")
	if err != nil {
		return err
	}
	src := filepath.Join(dir, "src")
	if err := os.CopyFS(src, os.DirFS(source)); err != nil {
		return err
	}
	// Beside its place first: a build that is cut off leaves nothing that looks like a program.
	next := out + ".next"
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	_, err = s.command(ctx, append(env, "GOWORK=off", "GOFLAGS="), nil,
		"go", "build", "-C", src, "-buildvcs=false", "-ldflags="+ldflags, "-o", next, pkg)
	if err != nil {
		return err
	}
	return os.Rename(next, out)
}

// begin starts a command that goes on until the returned function interrupts it, and waits for its end.
func (p *project) begin(ctx context.Context, words ...string) (end func() error, err error) {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir, cmd.Env = p.root, append(append(os.Environ(), p.suite.env...), p.env...)
	out := &lastBytes{}
	cmd.Stdout, cmd.Stderr = out, out
	if p.verbose {
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() error {
		_ = cmd.Process.Signal(os.Interrupt) // it ended by itself: Wait tells
		err := cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code == 130 || code == 0 { // 130: by an interrupt
			return nil
		}
		return fmt.Errorf("%s: %w\n%s", strings.Join(words, " "), err, out.text())
	}, nil
}

// lastBytes keeps the end of what is written.
type lastBytes struct {
	mu sync.Mutex
	b  []byte
}

func (l *lastBytes) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, b...)
	if len(l.b) > 2*maxTrouble {
		l.b = append([]byte(nil), l.b[len(l.b)-maxTrouble:]...)
	}
	return len(b), nil
}

func (l *lastBytes) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}
