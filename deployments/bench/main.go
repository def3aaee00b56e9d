// Command bench measures the road: what the system adds to the model's time, what a question costs, how it scales, what
// it holds in memory, and how fast it starts. It builds the real services, runs them as processes with a NATS server
// between a simulated Discord and a simulated Hugging Face, and prints tables. docs/performance.md tells how to read them.
//
//	go run ./deployments/bench                          # everything, some ten minutes
//	go run ./deployments/bench -only latency,memory
//	go run ./deployments/bench -only micro -quick       # what CI reports
//	go run ./deployments/bench -out docs/performance    # tables and plots as files
//
// Every figure that is compared with another one is measured in the same run, by turns.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"salamander.dev/deployments/stack"
)

func main() {
	stack.MainWith(roles())
	var b bench
	only := flag.String("only", "", "comma separated: "+strings.Join(sectionNames(), ", "))
	flag.BoolVar(&b.quick, "quick", false, "shorter and rougher")
	flag.StringVar(&b.out, "out", "", "a folder that gets the tables as tables.md and the plots as SVG")
	flag.StringVar(&b.record, "record", "", "micro: write the results to this file, in place of comparing")
	flag.StringVar(&b.baseline, "baseline", "docs/performance/micro.txt", "micro: the recorded file to compare with")
	flag.StringVar(&b.profile, "profile", "", "a folder that gets a CPU profile of every process; the services are then this program, not the built ones")
	flag.Float64Var(&b.rate, "rate", 0, "latency: only this rate, in messages/s")
	flag.IntVar(&b.workers, "workers", 1, "latency: workers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// roles are what this program can be beside itself and NATS.
func roles() map[stack.Role]func() int {
	return map[stack.Role]func() int{
		bareGatewayRole: func() int { return play(bareGateway) },
		bareWorkerRole:  func() int { return play(bareWorker) },
		botRole:         func() int { return play(bot) },
	}
}

// section is one group of tables.
type section struct {
	name string
	run  func(*bench, context.Context) error
}

var sections = []section{
	{"latency", (*bench).latency},
	{"throughput", (*bench).throughput},
	{"overload", (*bench).overload},
	{"scaling", (*bench).scaling},
	{"memory", (*bench).memory},
	{"start", (*bench).start},
	{"micro", (*bench).micro},
}

func sectionNames() []string {
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	return names
}

// bench is one run.
type bench struct {
	quick                 bool
	out, record, baseline string
	profile               string
	rate                  float64
	workers               int

	dir      string
	programs map[stack.Role]string
	report   strings.Builder
}

func (b *bench) run(ctx context.Context, only string) error {
	var wanted []section
	for _, s := range sections {
		if only == "" || slices.Contains(strings.Split(only, ","), s.name) {
			wanted = append(wanted, s)
		}
	}
	if len(wanted) == 0 {
		return fmt.Errorf("-only %s: want some of %s", only, strings.Join(sectionNames(), ", "))
	}
	dir, err := os.MkdirTemp("", "salamander-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b.dir = dir
	b.say("Machine: %s. Go %s, %s/%s. %s.\n\n", machine(), strings.TrimPrefix(runtime.Version(), "go"), runtime.GOOS, runtime.GOARCH,
		time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	for _, s := range wanted {
		if err := s.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return b.write("tables.md", b.report.String())
}

// say prints, and keeps for the file.
func (b *bench) say(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	fmt.Print(s)
	b.report.WriteString(s)
}

// write puts a file into the folder of -out, if there is one.
func (b *bench) write(name, content string) error {
	if b.out == "" {
		return nil
	}
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	return os.WriteFile(b.out+"/"+name, []byte(content), 0o644)
}

// pick is the long value, or the quick one.
func pick[T any](b *bench, long, quick T) T {
	if b.quick {
		return quick
	}
	return long
}
