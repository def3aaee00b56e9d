package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"salamander.dev/gateway/internal/config"
	"salamander.dev/gateway/internal/edge/discord"
	"salamander.dev/shared/logging"
	"salamander.dev/shared/process"
	"salamander.dev/shared/setting"
)

const usage = `usage: gateway [command]

without a command the gateway runs; it is set up by environment variables
  doctor        examines token, intents, permissions, NATS and clock; a line each, green or what to do
  healthcheck   asks the running gateway's /readyz; exit 0 or 1
  invite        prints the link that invites the bot to a server
  provision     creates the streams and buckets in NATS
`

// Main runs the gateway or one of its commands and returns the exit code: 0, 1 after a failure, 2 after a wrong setting
// or use.
func Main(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) int {
	run := serve
	if len(args) > 0 {
		switch args[0] {
		case "doctor":
			run = examine
		case "healthcheck":
			run = healthcheck
		case "invite":
			run = invite
		case "provision":
			run = provision
		case "help", "-h", "--help":
			fmt.Fprint(stdout, usage)
			return 0
		default:
			run = nil
		}
	}
	if run == nil || len(args) > 1 {
		fmt.Fprint(stderr, usage)
		return setting.ExitCode
	}
	err := run(ctx, environ, stdout, stderr)
	var wrong *setting.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(stderr, wrong.Error())
		return setting.ExitCode
	case !errors.Is(err, errLogged):
		fmt.Fprintln(stderr, err)
	}
	return 1
}

// errLogged says that the log has told why already.
var errLogged = errors.New("logged")

// serve runs the gateway until a signal or a refusal by Discord.
func serve(ctx context.Context, environ map[string]string, stdout, _ io.Writer) error {
	cfg, err := config.Load(environ)
	if err != nil {
		return err
	}
	log := logging.New(stdout, "gateway", cfg.LogLevel, cfg.LogFormat)
	a, err := newApp(cfg, log)
	if err != nil {
		log.Error().Err(err).Msg("the gateway could not be set up")
		return errLogged
	}
	// Work ends somewhat before DRAIN_TIMEOUT, so that there is time to store, say goodbye and close.
	err = process.Run(ctx, process.For(cfg.DrainTimeout, cfg.DrainTimeout*8/10), a.Run)
	switch {
	case err == nil:
		log.Info().Msg("drained and closed")
		return nil
	case errors.Is(err, process.ErrLate):
		log.Warn().Msg("DRAIN_TIMEOUT is over: what was not posted or stored yet comes again to another gateway, or to the next start")
		return nil
	}
	var fatal *discord.FatalError
	if errors.As(err, &fatal) {
		log.Error().Int("close_code", fatal.CloseCode).Msg(fatal.Sentence)
	} else {
		log.Error().Err(err).Msg("the gateway ended")
	}
	return errLogged
}
