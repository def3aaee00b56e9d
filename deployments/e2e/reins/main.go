// Command reins measures what moderators hold in their hands, with real gateways, workers and a NATS server between a
// simulated Discord and a simulated Hugging Face, while users ask all the time:
//
//   - how long it takes from `$stop` typed to silence everywhere, that nothing of that server is posted after the
//     confirmation, that it comes once, and that other servers are answered as before;
//   - the same right after NATS was killed and started again;
//   - that a stop outlives the death of every process;
//   - that a moderator of one server can't touch another, by any command, option, mention or forged record;
//   - how long `$reboot all` takes, and that it loses and doubles nothing.
//
// It fails when a promise about what is posted is broken, and reports the times.
//
//	go run ./deployments/e2e/reins              1,000 trials
//	go run ./deployments/e2e/reins -short       what CI runs
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

type config struct {
	trials, restarts, gateways, workers int
	rate                                float64
	seed                                uint64
	only                                string
	verbose                             bool
}

func main() {
	stack.Main()
	var c config
	var short bool
	flag.IntVar(&c.trials, "trials", 1000, "stops")
	flag.IntVar(&c.restarts, "restarts", 20, "stops right after a restart of NATS")
	flag.IntVar(&c.gateways, "gateways", 2, "gateways")
	flag.IntVar(&c.workers, "workers", 8, "workers")
	flag.Float64Var(&c.rate, "rate", 40, "questions per second over all servers; the reboot is measured under 20")
	flag.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "of the random moments")
	flag.BoolVar(&c.verbose, "v", false, "print every line of the processes")
	flag.StringVar(&c.only, "only", "", "one part: silence, restarts, trespass, death or reboot")
	flag.BoolVar(&short, "short", false, "100 trials and 3 restarts")
	flag.Parse()
	if short {
		c.trials, c.restarts = 100, 3
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "reins:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	fmt.Printf("seed %d: %d gateways, %d workers, %.0f questions/s in %d servers\n", c.seed, c.gateways, c.workers, c.rate, servers)
	s, err := newSuite(c)
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.Background(), 40*time.Second)
		defer cancel()
		s.Close(end)
	}()
	begin, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := s.Up(begin, c.gateways, c.workers); err != nil {
		return s.failed(err)
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"silence", s.silence}, {"restarts", s.afterRestarts}, {"trespass", s.trespass}, {"death", s.outlive}, {"reboot", s.reboot},
	} {
		if c.only != "" && c.only != part.name {
			continue
		}
		if err := part.run(ctx); err != nil {
			return s.failed(fmt.Errorf("%s: %w", part.name, err))
		}
	}
	if len(s.errs) > 0 {
		for _, e := range s.errs {
			fmt.Println(e)
		}
		return s.failed(fmt.Errorf("%d promises were broken", len(s.errs)))
	}
	fmt.Println("every promise was kept")
	return nil
}
