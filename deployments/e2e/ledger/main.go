// Command ledger shows that the shared budget is never passed and hardly wasted, with real processes: workers that are
// killed with SIGKILL in mid-call, a NATS server that is killed too, windows that turn meanwhile, and more questions
// than the keys allow. The simulated Hugging Face counts, on its own clock; the workers' own counters are not asked.
//
//	go run ./deployments/e2e/ledger -runs 50
//	go run ./deployments/e2e/ledger -runs 4 -for 8s     # condensed, as in CI
//	go run ./deployments/e2e/ledger -runs 1 -seed 42    # replays one run
//	go run ./deployments/e2e/ledger -runs 4 -for 31s -memory
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
	runs := flag.Int("runs", 50, "random runs")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano())%1_000_000, "of the first run; the next have the next")
	length := flag.Duration("for", 12*time.Second, "how long demand lasts in one run")
	memory := flag.Bool("memory", false, "users that are remembered, under a limit of tokens; nothing is killed")
	verbose := flag.Bool("v", false, "print every line of the processes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := newTotals()
	for i := range *runs {
		p := newPlan(*seed+uint64(i), *length)
		if *memory {
			p = p.withMemory()
		}
		r, err := p.run(ctx, *verbose)
		if err != nil {
			fmt.Fprintf(os.Stderr, "ledger: seed %d: %v\n", p.seed, err)
			os.Exit(1)
		}
		fmt.Println(r)
		t.add(r)
	}
	if !t.report() {
		fmt.Printf("FAILED; a run is replayed with -runs 1 -seed <its seed> -for %s\n", *length)
		os.Exit(1)
	}
}
