// Sim runs one of the simulators as a process of its own: what the compose file's profile `playground` starts in place
// of Discord and Hugging Face.
//
//	sim discord        a Discord with one server, a chat channel and some users; driven by /_sim/ (package discordsim)
//	sim huggingface    a model that answers, with keys and limits (package hfsim)
//	sim healthcheck    asks the running one, for images without a shell
//
// Settings come from the environment; each flag below names its variable.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

var errUsage = errors.New("expected discord, huggingface or healthcheck")

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	addr := env("HTTP_ADDR", "127.0.0.1:8080")
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&addr, "addr", addr, "where to serve (HTTP_ADDR)")
	var serve func(context.Context, string) error
	switch args[0] {
	case "discord":
		serve = discord(flags)
	case "huggingface":
		serve = huggingface(flags)
	case "healthcheck":
		serve = healthcheck
	default:
		return errUsage
	}
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return serve(ctx, addr)
}

// env is a variable's value, or what holds without it.
func env(name, without string) string {
	if v := strings.TrimSpace(os.Getenv(name)); v != "" {
		return v
	}
	return without
}

// healthcheck passes when something speaks HTTP at addr.
func healthcheck(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	host := strings.Replace(addr, "0.0.0.0", "127.0.0.1", 1)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}
