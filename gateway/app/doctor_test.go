package app

import (
	"maps"
	"strings"
	"testing"

	"salamander.dev/shared/sim/discordsim"
)

// lineOf is the doctor's line about something.
func lineOf(out, what string) string {
	for line := range strings.Lines(out) {
		if len(line) > 4 && strings.HasPrefix(line[4:], what) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// The doctor says of each thing whether it is well, and what to do if not. It runs beside a gateway that serves.
func TestDoctor(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	env := maps.Clone(s.env)
	code, out, errs := run(t, env, "doctor")
	if code != 0 || strings.Contains(out, "\n-- ") || strings.Contains(out, discordsim.DefaultToken) {
		t.Errorf("all is well: exit code %d, %s%s", code, out, errs)
	}
	for _, what := range []string{"token", "intents", "servers", "chat channel " + s.world.Channel.String(), "NATS", "streams and buckets", "NATS rights", "clock"} {
		if !strings.HasPrefix(lineOf(out, what), "ok") {
			t.Errorf("no good line about %s in\n%s", what, out)
		}
	}

	mute, err := s.sim.AddChannel(discordsim.Channel{Guild: s.world.Guild, Name: "mute"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.sim.SetOverwrites(mute.ID, discordsim.Overwrite{ID: s.world.Guild, Deny: discordsim.SendMessages | discordsim.ReadMessageHistory}); err != nil {
		t.Fatal(err)
	}
	nowhere := s.sim.NewID()
	env["CHAT_CHANNEL_IDS"] = mute.ID.String() + "," + nowhere.String()
	code, out, _ = run(t, env, "doctor")
	if line := lineOf(out, "chat channel "+mute.ID.String()); code != 1 || !strings.HasPrefix(line, "--") || !strings.Contains(line, "Send Messages, Read Message History") {
		t.Errorf("a channel without rights: exit code %d, %q", code, line)
	}
	if line := lineOf(out, "chat channel "+nowhere.String()); !strings.HasPrefix(line, "--") || !strings.Contains(line, "check the id") {
		t.Errorf("a channel that is none: %q", line)
	}

	s.sim.Deny(discordsim.IntentMessageContent)
	code, out, _ = run(t, env, "doctor")
	if line := lineOf(out, "intents"); code != 1 || !strings.Contains(line, "Message Content Intent") {
		t.Errorf("a missing intent: exit code %d, %q", code, line)
	}
	s.sim.Deny(0)

	env["DISCORD_TOKEN"], env["NATS_URL"] = "wrong.bot.token", "nats://127.0.0.1:1"
	code, out, _ = run(t, env, "doctor")
	if line := lineOf(out, "token"); code != 1 || !strings.HasPrefix(line, "--") || !strings.Contains(line, "Reset Token") {
		t.Errorf("a wrong token: exit code %d, %q", code, line)
	}
	if line := lineOf(out, "NATS"); !strings.HasPrefix(line, "--") || !strings.Contains(line, "NATS_URL") {
		t.Errorf("no NATS: %q", line)
	}
}
