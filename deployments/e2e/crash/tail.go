package main

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// tail keeps the newest lines of the processes for a failed run.
type tail struct {
	mu      sync.Mutex
	lines   []string
	verbose bool
}

const tailLines = 400_000

func newTail(verbose bool) *tail { return &tail{verbose: verbose} }

func (t *tail) add(name, line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := time.Now().Format(clock+" ") + name + " " + line
	if t.verbose {
		fmt.Println(l)
	}
	t.lines = append(t.lines, l)
	if len(t.lines) > tailLines {
		t.lines = slices.Delete(t.lines, 0, tailLines/2)
	}
}

// dump writes the lines to a file and says where.
func (t *tail) dump() {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, err := os.CreateTemp("", "salamander-crash-*.log")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = f.Close() }()
	for _, l := range t.lines {
		_, _ = fmt.Fprintln(f, l)
	}
	fmt.Println("the processes' lines are in", f.Name())
}
