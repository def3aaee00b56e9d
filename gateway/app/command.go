package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/config"
	"salamander.dev/gateway/internal/edge/discord"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/ops"
	"salamander.dev/shared/secret"
	"salamander.dev/shared/setting"
)

// healthcheck asks the running gateway, for images without a shell.
func healthcheck(ctx context.Context, environ map[string]string, stdout, _ io.Writer) error {
	var c struct {
		Addr string `env:"HTTP_ADDR" envDefault:"127.0.0.1:0"`
	}
	if err := setting.Load(&c, environ); err != nil {
		return err
	}
	err := ops.Healthcheck(ctx, c.Addr)
	if errors.Is(err, ops.ErrNoFixedPort) {
		var p setting.Problems
		p.Add("HTTP_ADDR", c.Addr, "host:port with a fixed port, such as 127.0.0.1:8081, so that healthcheck knows where to ask")
		return p.Err()
	}
	if err == nil {
		fmt.Fprintln(stdout, "ready")
	}
	return err
}

// inviteWithin bounds the question to Discord who the bot is.
const inviteWithin = 20 * time.Second

// invite prints the link. The first part of a token is the bot's id, so that Discord needs to be asked only when the
// token has another form.
func invite(ctx context.Context, environ map[string]string, stdout, _ io.Writer) error {
	c, err := config.LoadDiscord(environ)
	if err != nil {
		return err
	}
	id := idOf(c.Token)
	if id == "" {
		client, err := discord.New(discord.Config{Token: c.Token, BaseURL: c.BaseURL}, discord.Deps{Log: zerolog.Nop()})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, inviteWithin)
		defer cancel()
		if id, err = client.Application(ctx); err != nil {
			return fmt.Errorf("ask Discord who the bot is (check DISCORD_TOKEN, and that Discord can be reached): %w", err)
		}
	}
	fmt.Fprintln(stdout, discord.InviteURL(id, discord.ReplyStyle(c.Style)))
	return nil
}

// idOf reads the bot's id from its token: base64 of the decimal id, before the first dot. Empty when it isn't there.
func idOf(token secret.String) string {
	first, _, ok := strings.Cut(token.Reveal(), ".")
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(first, "="))
	if !ok || err != nil {
		return ""
	}
	n, err := chat.ParseSnowflake(string(raw))
	if err != nil || n.String() != string(raw) {
		return ""
	}
	return string(raw)
}

// provisionWithin bounds the wait for a NATS that is just starting.
const provisionWithin = time.Minute

// provision creates and reconciles streams, buckets and consumers with the credentials that it is given, an admin's
// where services have none for that.
func provision(ctx context.Context, environ map[string]string, stdout, stderr io.Writer) error {
	c, err := setting.LoadNATS(environ)
	if err != nil {
		return err
	}
	log := zerolog.New(stderr)
	b, err := bus.Connect(busConfig(c), log)
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(ctx, provisionWithin)
	defer cancel()
	var last error
	err = b.Open(ctx, true, func(e error) {
		if e != nil {
			last = e
		}
	})
	if err != nil {
		return fmt.Errorf("provision: %w", errors.Join(b.Ready(), last, err))
	}
	fmt.Fprintln(stdout, "provisioned: every stream, bucket and consumer is there")
	return nil
}

func busConfig(c setting.Common) bus.Config {
	return bus.Config{
		URLs: c.NATSURLs, User: c.NATSUser, Password: c.NATSPassword, CredsFile: c.NATSCredsFile, CAFile: c.NATSCAFile,
		Service: control.Gateway, Replicas: c.NATSReplicas,
	}
}
