// Compose is the compose suite: the repository's docker-compose.yml on a real Docker engine. It builds the images, starts
// the playground's profile, asks questions through the simulated Discord, and meanwhile scales workers, kills containers,
// restarts NATS; then the same with the cluster overlay and with TLS. The simulators' books must show one
// answer for every question, and the engine must say of every container what docker-compose.yml promises.
//
//	go run ./deployments/e2e/compose
//	go run ./deployments/e2e/compose -scenes cluster -v
//	go run ./deployments/e2e/compose -scenes throughput      # the table of docs/scaling.md; not in CI
//
// It needs Go and a Docker engine. Base images that can't be pulled get stand-ins that are made locally, and a missing
// `docker compose` is built from its module. Everything that it starts bears a project name of its own and is removed again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	s := &suite{begin: time.Now()}
	scenes := flag.String("scenes", "playground,cluster,tls", "which to play, comma separated; also: throughput")
	flag.BoolVar(&s.verbose, "v", false, "print every command")
	flag.BoolVar(&s.keep, "keep", false, "leave the last scene running")
	flag.Float64Var(&s.rate, "rate", 6, "questions per second")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx, strings.Split(*scenes, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "compose:", err)
		os.Exit(1)
	}
}

// suite is one run.
type suite struct {
	verbose, keep bool
	rate          float64
	begin         time.Time
	root, cache   string
	env           []string // of every docker command, beside this process's own
	goImage       string   // has a shell; used to look at and to kill processes from the engine's side
	rows          [][2]string
}

var scenes = map[string]func(*suite, context.Context) error{
	"playground": (*suite).playground,
	"cluster":    (*suite).cluster,
	"tls":        (*suite).tls,
	"throughput": (*suite).throughput,
}

func (s *suite) run(ctx context.Context, names []string) (err error) {
	for _, n := range names {
		if scenes[n] == nil {
			return fmt.Errorf("no scene %q", n)
		}
	}
	if s.root, err = root(); err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	s.cache = filepath.Join(cache, "salamander-compose-suite")
	if err := os.MkdirAll(s.cache, 0o755); err != nil {
		return err
	}
	version, err := s.docker(ctx, "version", "--format", "Docker engine {{.Server.Version}}, client {{.Client.Version}}")
	if err != nil {
		return err
	}
	s.say("%s", strings.TrimSpace(version))
	if err := s.haveCompose(ctx); err != nil {
		return err
	}
	if err := s.haveBases(ctx); err != nil {
		return err
	}
	for _, n := range names {
		if err := scenes[n](s, ctx); err != nil {
			s.table()
			return fmt.Errorf("scene %s: %w", n, err)
		}
	}
	s.table()
	return nil
}

// root is the folder of the repository, from wherever in it the suite is run.
func root() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, missing := os.Stat(filepath.Join(dir, "docker-compose.yml")); missing == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no docker-compose.yml here or above: run it inside the repository")
		}
	}
	return "", err
}

// say prints what happens, with the seconds since the start.
func (s *suite) say(format string, args ...any) {
	fmt.Printf("%5.0f s  %s\n", time.Since(s.begin).Seconds(), fmt.Sprintf(format, args...))
}

// found notes a line of the table.
func (s *suite) found(what, format string, args ...any) {
	s.rows = append(s.rows, [2]string{what, fmt.Sprintf(format, args...)})
	s.say("%s: %s", what, s.rows[len(s.rows)-1][1])
}

func (s *suite) table() {
	if len(s.rows) == 0 {
		return
	}
	width := slices.MaxFunc(s.rows, func(a, b [2]string) int { return len(a[0]) - len(b[0]) })
	fmt.Println()
	for _, r := range s.rows {
		fmt.Printf("%-*s  %s\n", len(width[0]), r[0], r[1])
	}
}
