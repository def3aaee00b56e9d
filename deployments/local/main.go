// Command local is the playground: the whole of Salamander on one machine that has nothing but Go, with a page to talk
// to it as the users of a chat server, to watch a question travel, and to make trouble.
//
//	go run ./deployments/local
//
// NATS, gateway and workers are real processes: this program, re-executed. Discord and Hugging Face are simulated in
// this process, unless DISCORD_TOKEN or HF_API_KEYS are set: then that side is the real one, and nothing on the page can
// do it harm.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/setting"
	"salamander.dev/shared/sim/hfsim"
)

// Bounds of start and end.
const (
	readyWithin = 60 * time.Second
	drainWithin = 30 * time.Second
)

func main() {
	stack.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], setting.Environ(), os.Stdout, os.Stderr))
}

// options are what the command line says.
type options struct {
	addr, store, style, limits string
	workers, gateways          int
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("local", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "where the page is served")
	f.IntVar(&o.workers, "workers", 2, "worker processes at the start, 1 to 8")
	f.IntVar(&o.gateways, "gateways", 1, "gateway processes at the start, 1 or 2")
	f.StringVar(&o.store, "store", "", "folder of NATS' store and the log file (default: a temporary one; .salamander with a real Discord)")
	f.StringVar(&o.style, "style", "reply", "how the bot answers: reply or thread")
	f.StringVar(&o.limits, "limits", "10req/30s", "what one simulated key may use")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	_, wrong := hfsim.ParseLimits(o.limits)
	switch {
	case wrong != nil:
		return o, fmt.Errorf("-limits: %w", wrong)
	case f.NArg() > 0:
		return o, fmt.Errorf("unknown argument %q", f.Arg(0))
	case o.workers < 1 || o.workers > maxWorkers:
		return o, fmt.Errorf("-workers %d: expected 1 to %d", o.workers, maxWorkers)
	case o.gateways < 1 || o.gateways > maxGateways:
		return o, fmt.Errorf("-gateways %d: expected 1 or %d", o.gateways, maxGateways)
	case o.style != "reply" && o.style != "thread":
		return o, fmt.Errorf("-style %s: expected reply or thread", o.style)
	}
	return o, nil
}

// run serves the playground until ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return setting.ExitCode
	}
	l, err := net.Listen("tcp", o.addr)
	if err != nil {
		fmt.Fprintln(stderr, cannotListen(o.addr, err))
		return 1
	}
	p, err := newPlayground(o, environ)
	if err != nil {
		_ = l.Close()
		fmt.Fprintln(stderr, err)
		return 1
	}
	defer p.close()
	// The page is there at once and says that the processes are starting.
	web := &http.Server{Handler: p.handler(l.Addr().String()), ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	defer func() { _ = web.Close() }()
	if err := p.up(ctx); err != nil {
		if ctx.Err() != nil {
			return 0
		}
		var lost *lostError
		if errors.As(err, &lost) && lost.Code == setting.ExitCode {
			fmt.Fprintf(stderr, "%s refuses its settings: %s\n", lost.Name, p.logs.words(lost.Name))
			return setting.ExitCode
		}
		fmt.Fprintf(stderr, "%s. The processes said last:\n%s", err, p.logs.tail(12))
		return 1
	}
	fmt.Fprintf(stdout, "\n  Salamander is awake: open http://%s  (%s)\n  Ctrl-C ends it. The processes' log: %s\n\n", shown(l.Addr()), p.kind(), p.logs.path)
	select {
	case <-ctx.Done():
		fmt.Fprintln(stdout, "Finishing what is in flight …")
		return 0
	case err := <-served:
		fmt.Fprintln(stderr, "the page ended:", err)
		return 1
	}
}

// cannotListen is one sentence about a port that can't be had.
func cannotListen(addr string, err error) string {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Sprintf("%s is taken by another program: choose another port, such as -addr 127.0.0.1:8081", addr)
	}
	return fmt.Sprintf("can't serve the page on %s: %v", addr, err)
}

// shown is how a person opens the address.
func shown(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok && t.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", t.Port)
	}
	return a.String()
}
