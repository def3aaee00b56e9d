// Command browser is the browser suite: it runs the playground as the README says, opens its page in a headless Chromium
// and uses it by keyboard and mouse as a person would. It ends with another code than 0 when anything is not as it
// should be. It installs Chromium by apt where there is none.
//
//	go run ./deployments/e2e/browser
//	go run ./deployments/e2e/browser -shots docs/img
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var c config
	flag.StringVar(&c.shots, "shots", "", "folder that gets the pictures")
	flag.DurationVar(&c.crowd, "crowd", 15*time.Second, "how long the crowd is measured")
	flag.StringVar(&c.only, "only", "", "comma separated: only these steps")
	flag.StringVar(&c.url, "url", "", "a playground that runs already, instead of one of its own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		stop()
		os.Exit(1)
	}
}

type config struct {
	shots, only, url string
	crowd            time.Duration
}
