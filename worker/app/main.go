// Package app wires the worker: settings, bus, ledger, model and core, in the order in which they must start and drain.
// It is imported by main, by deployments and by tests.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"

	"salamander.dev/shared/logging"
	"salamander.dev/shared/process"
	"salamander.dev/shared/setting"
	"salamander.dev/worker/internal/config"
	"salamander.dev/worker/internal/core/budget"
)

// command is one subcommand. It checks only the settings that it uses.
type command struct {
	usage string
	run   func(ctx context.Context, args []string, environ map[string]string, out, errs io.Writer) error
}

// commands by name; those of two words are told apart inside.
var commands = map[string]command{
	"healthcheck": {"healthcheck: ask the running worker's /readyz (HTTP_ADDR with a fixed port)", healthcheck},
	"doctor":      {"doctor [--call]: examine settings, NATS, rights, clock and keys (--call: one smallest call with each)", doctorCommand},
	"plan":        {"plan --users N --lines N --hours N --days N [--tokens-per-line N] [--limits L] [--keys N] [--json]: will my keys carry my users?", planCommand},
	"budget":      {"budget [show] | reset KEY | set-limits [KEY LIMITS]: look at the shared budget, forget what was used, change limits (to those of the settings)", budgetCommand},
	"deadletters": {"deadletters list [--json] | replay [ID…] | purge: questions that failed for good", deadletters},
}

// order is how help lists them.
var order = []string{"healthcheck", "doctor", "plan", "budget", "deadletters"}

// errUsage is a mistyped command line.
var errUsage = errors.New("usage")

// Main is the whole program on the standard streams; see Execute.
func Main(args []string, environ map[string]string) int {
	return Execute(context.Background(), args, environ, os.Stdout, os.Stderr)
}

// Execute runs the worker until a signal comes or ctx ends, or a subcommand, and returns the exit code: 0, 1 when it
// failed, 2 for a wrong setting or command line. The log goes to out, what is wrong with the settings to errs.
func Execute(ctx context.Context, args []string, environ map[string]string, out, errs io.Writer) int {
	if len(args) > 0 {
		return subcommand(ctx, args, environ, out, errs)
	}
	cfg, err := config.Load(environ)
	if err != nil {
		fmt.Fprintln(errs, err)
		return setting.ExitCode
	}
	log := logging.New(out, "worker", cfg.LogLevel, cfg.LogFormat)
	err = process.Run(ctx, process.For(cfg.DrainTimeout, drain(cfg)), func(intake, work context.Context) error {
		return Run(intake, work, cfg, log)
	})
	return exitCode(err, log)
}

func exitCode(err error, log zerolog.Logger) int {
	var conflict *budget.LimitsConflictError
	switch {
	case err == nil:
		log.Info().Msg("drained and closed")
		return 0
	case errors.Is(err, process.ErrLate):
		log.Warn().Msg("DRAIN_TIMEOUT is over: what was not finished comes again to another worker")
		return 0
	case errors.As(err, &conflict):
		log.Error().Err(err).Str("key", conflict.Key).Msg("this worker refuses to start")
		return setting.ExitCode
	}
	log.Error().Err(err).Msg("the worker ends")
	return 1
}

func subcommand(ctx context.Context, args []string, environ map[string]string, out, errs io.Writer) int {
	c, ok := commands[args[0]]
	if !ok {
		if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
			help(out)
			return 0
		}
		help(errs)
		return setting.ExitCode
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := c.run(ctx, args[1:], environ, out, errs)
	var wrong *setting.Error
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, errUsage):
		fmt.Fprintln(errs, err)
		fmt.Fprintln(errs, "worker", c.usage)
		return setting.ExitCode
	case errors.As(err, &wrong):
		fmt.Fprintln(errs, wrong)
		return setting.ExitCode
	}
	fmt.Fprintln(errs, err)
	return 1
}

func help(w io.Writer) {
	fmt.Fprintln(w, "worker runs the worker; it reads its settings from the environment.\n\nSubcommands:")
	for _, name := range order {
		fmt.Fprintln(w, "  worker", commands[name].usage)
	}
}
