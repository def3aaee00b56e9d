// Ledgerbench measures the budget ledger beside Redis, and simulates it for long under crashes. It is a module of its
// own, so that neither a Redis client nor a NATS server gets into the worker's dependencies. Run it in its folder:
//
//	GOWORK=off go run . bench            # needs redis-server in the PATH for the comparison
//	GOWORK=off go run . sim -runs 200    # see docs/budget.md
//	GOWORK=off go run . health           # how fast all workers know what one learned of a key
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: ledgerbench bench|sim|health [flags]")
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "bench":
		err = bench(os.Args[2:])
	case "sim":
		err = sim(os.Args[2:])
	case "health":
		err = health(os.Args[2:])
	case "serve": // the NATS server, as a child process
		err = serve(os.Args[2:])
	default:
		err = fmt.Errorf("%q: want bench, sim or health", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ledgerbench:", err)
		os.Exit(1)
	}
}
