// Command crash is the crash suite: real gateways, workers and a NATS server between a simulated Discord and a
// simulated Hugging Face, all of them killed, frozen, restarted, cut off and answered with faults while users ask.
// Afterwards the simulated Discord's books must show exactly one answer or notice for every question, in order per user
// and channel. The schedule follows from the seed, which is printed and replays it.
//
//	go run ./deployments/e2e/crash -for 60s             the condensed run of CI
//	go run ./deployments/e2e/crash -for 20m -seed 42
//	go run ./deployments/e2e/crash -rolling 3           every process restarted by SIGTERM, three times, under load
//	go run ./deployments/e2e/crash -soak 50000          memory before and after that many questions
//	go run ./deployments/e2e/crash -measure 10          how long it takes until all goes on after one thing died
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"salamander.dev/deployments/stack"
)

func main() {
	stack.Main()
	var c config
	var rolling, soak, measure int
	var show bool
	flag.DurationVar(&c.length, "for", time.Minute, "how long users ask while things die")
	flag.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "replays a schedule")
	flag.Float64Var(&c.rate, "rate", 20, "questions per second")
	flag.IntVar(&c.channels, "channels", 60, "channels in which is asked, beside some direct-message channels")
	flag.IntVar(&c.users, "users", 120, "users who ask")
	flag.IntVar(&c.workers, "workers", 3, "workers")
	flag.IntVar(&c.gateways, "gateways", 2, "gateways")
	flag.StringVar(&c.style, "style", "reply", "REPLY_STYLE of the gateways: reply or thread")
	flag.StringVar(&c.bin, "bin", "", "folder with the built programs gateway and worker; empty: this program plays their parts")
	flag.StringVar(&c.only, "only", "", "comma separated: only these kinds of trouble; with -measure: only worker, nats, gateway or discord")
	flag.DurationVar(&c.settle, "settle", 10*time.Minute, "how long the last answers may take")
	flag.BoolVar(&c.verbose, "v", false, "print every line of the processes, debug lines too")
	flag.BoolVar(&show, "schedule", false, "print the schedule of the seed and end")
	flag.IntVar(&rolling, "rolling", 0, "in place of the trouble: restart every process, one after another, so many times")
	flag.IntVar(&soak, "soak", 0, "in place of the trouble: ask so many questions, without rate limits, and look at the memory")
	flag.IntVar(&measure, "measure", 0, "in place of the trouble: kill one thing at a time, so many times, and measure how long it shows")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := runCrash
	switch {
	case show:
		all, err := schedule(c.seed, c.length, c.only)
		exit(err)
		write(os.Stdout, all)
		return
	case rolling > 0:
		run = func(ctx context.Context, c config) (bool, error) { return runRolling(ctx, c, rolling) }
	case soak > 0:
		run = func(ctx context.Context, c config) (bool, error) { return runSoak(ctx, c, soak) }
	case measure > 0:
		run = func(ctx context.Context, c config) (bool, error) { return runMeasure(ctx, c, measure) }
	}
	ok, err := run(ctx, c)
	exit(err)
	if !ok {
		fmt.Printf("FAILED; replay it with -seed %d -for %s\n", c.seed, c.length)
		os.Exit(1)
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}
