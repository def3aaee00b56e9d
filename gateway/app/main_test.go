package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"salamander.dev/gateway/internal/edge/discord"
	"salamander.dev/shared/sim/discordsim"
)

// run runs Main and returns its exit code and output.
func run(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), args, env, &out, &errs)
	return code, out.String(), errs.String()
}

func TestWrongSettingsEndTheProgramWithALineEach(t *testing.T) {
	t.Parallel()
	code, _, text := run(t, map[string]string{
		"DISCORD_TOKEN": "hunter2 with spaces", "REPLY_STYLE": "shout", "CHAT_CHANNEL_IDS": "general", "MODERATOR_ROLE_IDS": "1,x", "OPERATOR_USER_IDS": "<@1>",
		"AUDIT_CHANNEL_ID": "1,2", "USER_RATE": "6", "CATCH_UP": "-1m", "SHARD_COUNT": "0", "SHARD_IDS": "1", "COMMAND_PREFIX": "much too long!",
		"DISCORD_BASE_URL": "http://ann:hunter2@discord.example", "NATS_URL": "localhost", "HTTP_ADDR": "8080", "DRAIN_TIMEOUT": "soon",
	})
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, v := range []string{"DISCORD_TOKEN", "REPLY_STYLE", "CHAT_CHANNEL_IDS", "MODERATOR_ROLE_IDS", "OPERATOR_USER_IDS", "AUDIT_CHANNEL_ID", "USER_RATE",
		"CATCH_UP", "SHARD_COUNT", "COMMAND_PREFIX", "DISCORD_BASE_URL", "NATS_URL", "HTTP_ADDR", "DRAIN_TIMEOUT"} {
		n := 0
		for _, l := range lines {
			if strings.HasPrefix(l, v+"=") || strings.HasPrefix(l, v+":") {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s has %d lines", v, n)
		}
	}
	if code != 2 || strings.Contains(text, "hunter2") {
		t.Errorf("exit code %d, text:\n%s", code, text)
	}
	if code, _, text := run(t, map[string]string{"DISCORD_TOKEN": "x", "COMMAND_PREFIX": "sal "}); code != 2 || !strings.HasPrefix(text, "COMMAND_PREFIX=") {
		t.Errorf("a prefix with a space: %d, %q", code, text)
	}
	if code, _, text := run(t, map[string]string{}); code != 2 || !strings.HasPrefix(text, "DISCORD_TOKEN: ") {
		t.Errorf("without a token: %d, %q", code, text)
	}
}

func TestSubcommandsCheckOnlyWhatTheyUse(t *testing.T) {
	t.Parallel()
	wrong := map[string]string{"REPLY_STYLE": "shout", "NATS_URL": "localhost", "DRAIN_TIMEOUT": "soon"}
	if code, _, text := run(t, wrong, "healthcheck"); code != 2 || !strings.HasPrefix(text, "HTTP_ADDR") {
		t.Errorf("healthcheck without a port: %d, %q", code, text)
	}
	wrong["HTTP_ADDR"] = "127.0.0.1:1"
	if code, _, _ := run(t, wrong, "healthcheck"); code != 1 {
		t.Errorf("healthcheck of nobody: %d", code)
	}
	if code, _, text := run(t, wrong, "provision"); code != 2 || !strings.HasPrefix(text, "NATS_URL") || strings.Count(text, "\n") != 1 {
		t.Errorf("provision: %d, %q", code, text)
	}
	if code, _, text := run(t, wrong, "invite"); code != 2 || !strings.Contains(text, "REPLY_STYLE") || strings.Contains(text, "NATS") {
		t.Errorf("invite: %d, %q", code, text)
	}
	if code, _, text := run(t, nil, "dance"); code != 2 || !strings.Contains(text, "usage") {
		t.Errorf("an unknown command: %d, %q", code, text)
	}
}

func TestInviteAsksForExactlyWhatTheSettingsNeed(t *testing.T) {
	t.Parallel()
	token := base64.RawStdEncoding.EncodeToString([]byte("123456789012345678")) + ".x.y"
	for style, want := range map[string]string{"reply": "274877975552", "thread": "309237713920"} {
		code, out, _ := run(t, map[string]string{"DISCORD_TOKEN": token, "REPLY_STYLE": style, "DISCORD_BASE_URL": "http://127.0.0.1:1"}, "invite")
		if code != 0 || !strings.HasPrefix(out, "https://discord.com/") || !strings.Contains(out, "client_id=123456789012345678") || !strings.Contains(out, "permissions="+want) {
			t.Errorf("%s: %d, %q", style, code, out)
		}
	}
	sim := &discordsim.Server{}
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	code, out, _ := run(t, map[string]string{"DISCORD_TOKEN": discordsim.DefaultToken, "DISCORD_BASE_URL": sim.URL()}, "invite")
	if code != 0 || !strings.Contains(out, "client_id="+sim.BotID().String()) {
		t.Errorf("by asking: %d, %q", code, out)
	}
}

func TestProvisionAndHealthcheck(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if code, out, errs := run(t, map[string]string{"NATS_URL": s.nats.URL()}, "provision"); code != 0 || !strings.Contains(out, "provisioned") {
		t.Errorf("provision: %d, %q, %q", code, out, errs)
	}
	g := s.start("NATS_PROVISION", "never")
	if code, out, errs := run(t, map[string]string{"HTTP_ADDR": g.Addr()}, "healthcheck"); code != 0 {
		t.Errorf("healthcheck: %d, %q, %q", code, out, errs)
	}
}

func TestARefusalByDiscordEndsWithOneClearSentence(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for name, c := range map[string]struct {
		token string
		deny  discordsim.Intent
		code  int
		want  string
	}{
		"wrong token":    {token: "wrong.bot.token", want: "DISCORD_TOKEN"},
		"missing intent": {token: discordsim.DefaultToken, deny: discordsim.IntentMessageContent, code: 4014, want: "Message Content Intent"},
	} {
		s.sim.Deny(c.deny)
		g := s.begin("DISCORD_TOKEN", c.token)
		<-g.done
		var fatal *discord.FatalError
		if !errors.As(g.err, &fatal) || !strings.Contains(fatal.Sentence, c.want) {
			t.Errorf("%s: %v", name, g.err)
		}
	}
	env := map[string]string{}
	for k, v := range s.env {
		env[k] = v
	}
	env["DISCORD_TOKEN"] = "wrong.bot.token"
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out journal // processes log from many goroutines
	if code := Main(ctx, nil, env, &out, io.Discard); code != 1 || strings.Count(out.String(), `"level":"error"`) != 1 {
		t.Errorf("exit code %d, log:\n%s", code, out.String())
	}
}

func TestTheGatewayWaitsForNATSAndSaysSo(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.nats.Stop()
	g := s.begin()
	eventually(t, "it says that it waits", func() bool {
		err := g.ready()
		return err != nil && strings.Contains(err.Error(), "waiting for NATS") && g.log.has("NATS does not answer yet", "NATS_URL")
	})
	s.nats.Start()
	eventually(t, "it is ready", func() bool { return g.ready() == nil })
}
