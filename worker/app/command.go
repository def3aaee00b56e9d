package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/ops"
	"salamander.dev/shared/setting"
	"salamander.dev/worker/internal/core/plan"
)

// exit is a subcommand that has said itself what there is to say.
type exit int

// Error implements error.
func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// planCommand is `worker plan`; it uses no settings.
func planCommand(_ context.Context, args []string, _ map[string]string, out, errs io.Writer) error {
	if code := plan.Run(args, out, errs); code != 0 {
		return exit(code)
	}
	return nil
}

// healthcheck is `worker healthcheck`; it uses HTTP_ADDR.
func healthcheck(ctx context.Context, args []string, environ map[string]string, _, _ io.Writer) error {
	if len(args) > 0 {
		return errUsage
	}
	var c struct {
		HTTPAddr string `env:"HTTP_ADDR" envDefault:"127.0.0.1:0"`
	}
	if err := setting.Load(&c, environ); err != nil {
		return err
	}
	if why := fixedPort(c.HTTPAddr); why != "" {
		var p setting.Problems
		p.Add("HTTP_ADDR", c.HTTPAddr, why)
		return p.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return ops.Healthcheck(ctx, c.HTTPAddr)
}

// reachWithin bounds how long a subcommand waits for NATS.
const reachWithin = 10 * time.Second

// open connects a subcommand to NATS; it uses the settings of NATS only.
func open(ctx context.Context, environ map[string]string) (*bus.Bus, error) {
	c, err := setting.LoadNATS(environ)
	if err != nil {
		return nil, err
	}
	b, err := bus.Connect(busConfig(c), zerolog.Nop())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	var reason error
	err = b.Open(ctx, c.NATSProvision == "auto", func(err error) {
		if err != nil {
			reason = err
		}
	})
	if err != nil {
		if not := b.Ready(); not != nil {
			reason = not
		}
		b.Close()
		if reason == nil {
			reason = err
		}
		return nil, reason
	}
	return b, nil
}

// fixedPort returns what is expected instead of an address without a port of its own.
func fixedPort(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 1 || n > 65535 {
		return "host:port with a fixed port, such as 127.0.0.1:8081, so that healthcheck knows where to ask"
	}
	return ""
}
