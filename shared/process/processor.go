package process

import "runtime"

// OneProcessor has this process run Go code on one processor at a time, unless GOMAXPROCS is in its environment. A gateway
// or worker spends its time in waiting for others: with more processors each round trip wakes threads that find nothing to
// do, a fifth of all the time it takes. What one process is too small for is done by more processes.
func OneProcessor(environ map[string]string) {
	if environ["GOMAXPROCS"] == "" {
		runtime.GOMAXPROCS(1)
	}
}
