package moderation_test

import (
	"strings"
	"testing"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/chat"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const text = "no command"
	day := 24 * time.Hour
	for _, c := range []struct {
		prefix, in string
		want       any // text, a moderation.Name, or a moderation.Command (Mark aside)
	}{
		{"$", "$stop", moderation.Stop},
		{"$", "  $StOp  ", moderation.Stop},
		{"$", "$stop!!!", moderation.Stop},
		{"$", "$stop\n", moderation.Stop},
		{"$", "\u200b$\u2060st\u200bop\ufeff", moderation.Stop},
		{"$", "＄ｓｔｏｐ", moderation.Stop},
		{"$", "$𝓼𝓽𝓸𝓹", moderation.Stop},
		{"$", "$stop ａｌｌ", moderation.Command{Name: moderation.Stop, All: true}},
		{"$", "$stop\nall.", moderation.Command{Name: moderation.Stop, All: true}},
		{"$", "$help with anything", moderation.Help},
		{"$", "$status all", moderation.Status},

		{"$", "$5 for a coffee?", text},
		{"$", "$", text},
		{"$", "", text},
		{"$", "$ stop", text},
		{"$", "$$stop", text},
		{"$", "$_stop", text},
		{"$", "$٣stop", text},
		{"$", "$\u0301stop", text},
		{"$", "please $stop", text},
		{"$", "hello\n$stop", text},
		{"$", "> $stop", text},
		{"$", "stop", text},
		{"", "stop", text},
		{"  ", "  stop", text},

		{"$", "$ignore", moderation.Ignore},
		{"$", "$ignore $stop all", moderation.Ignore},
		{"$", "$IGNORE\nstop", moderation.Ignore},
		{"$", "$ignore: what they said", moderation.Ignore},
		{"$", "$ig\u200dnore <@101>", moderation.Ignore},
		{"$", "$ignored?", moderation.Unknown},
		{"$", "$ignoer this", moderation.Unknown},
		{"$", "$ignore2", moderation.Unknown},

		{"$", "$weather in Rome", moderation.Unknown},
		{"$", "$stpo", moderation.Command{Near: moderation.Stop}},
		{"$", "$stop2", moderation.Command{Near: moderation.Stop}},
		{"$", "$STATSU", moderation.Command{Near: moderation.Status}},
		{"$", "$rebot all", moderation.Command{Near: moderation.Reboot}},
		{"$", "$unmuet <@101>", moderation.Command{Near: moderation.Unmute}},
		{"$", "$halp", moderation.Command{Near: moderation.Help}},
		{"$", "$TSLA", moderation.Unknown},
		{"$", "$" + strings.Repeat("stop", 1000), moderation.Unknown},

		{"!", "!mute <@101>", moderation.Command{Name: moderation.Mute, Target: "101"}},
		{"!", "!mute <@!101> 90s", moderation.Command{Name: moderation.Mute, Target: "101", For: 90 * time.Second}},
		{"!", "!mute 130000000000000001 2H  was\n rude ", moderation.Command{Name: moderation.Mute, Target: "130000000000000001", For: 2 * time.Hour, Reason: "was rude"}},
		{"!", "!mute <@101> 7d", moderation.Command{Name: moderation.Mute, Target: "101", For: 7 * day}},
		{"!", "!mute <@101> 1h30m", moderation.Command{Name: moderation.Mute, Target: "101", For: 90 * time.Minute}},
		{"!", "!mute <@101> 365d", moderation.Command{Name: moderation.Mute, Target: "101", For: 365 * day}},
		{"!", "!mute <@101> insulted <@102> 3 times", moderation.Command{Name: moderation.Mute, Target: "101", Reason: "insulted <@102> 3 times"}},
		{"!", "!mute 101 spammed 3 times", moderation.Command{Name: moderation.Mute, Target: "101", Reason: "spammed 3 times"}},
		{"!", "!unmute 101 sorry", moderation.Command{Name: moderation.Unmute, Target: "101"}},

		{"hey ", "Hey STOP", moderation.Stop},
		{"hey ", "heystop", text},
		{"bot", "botstop", moderation.Stop},
		{"bot", "bother me not", text},
		{"bot", "botstpo", text},
		{"火🦎", "火🦎stop", moderation.Stop},
		{"👩\u200d💻", "👩\u200d💻help", moderation.Help},
		{"\u00a8", "\u00a8stop", moderation.Stop},
		{"$$", "$$stop", moderation.Stop},
		{"$$", "$stop", text},
		{strings.Repeat("§", 500), strings.Repeat("§", 500) + "start", moderation.Start},
	} {
		got, ok := moderation.Parse(c.prefix, c.in)
		var want moderation.Command
		switch v := c.want.(type) {
		case string:
			if ok {
				t.Errorf("Parse(%.20q, %.60q) = %+v, want text", c.prefix, c.in, got)
			}
			continue
		case moderation.Name:
			want.Name = v
		case moderation.Command:
			want = v
		}
		want.Mark = strings.TrimLeft(c.prefix, " ")
		if !ok || got != want {
			t.Errorf("Parse(%.20q, %.60q) = %+v, %v, want %+v", c.prefix, c.in, got, ok, want)
		}
	}
}

// TestParseRefusesWhatItCannotMean shows that an argument that can't be used gives a sentence and no argument at all:
// nothing smaller, larger or other than was meant may happen.
func TestParseRefusesWhatItCannotMean(t *testing.T) {
	t.Parallel()
	for in, sentence := range map[string]string{
		"$stop now":                             "stands alone",
		"$stop alll":                            "stands alone",
		"$stop all now":                         "stands alone",
		"$stop аll":                             "stands alone", // a Cyrillic а
		"$start <@&1>":                          "stands alone",
		"$reboot everything":                    "stands alone",
		"$forget <@101>":                        "only what I remember of you",
		"$forget all":                           "only what I remember of you",
		"$mute":                                 "Whom?",
		"$unmute \u200b":                        "Whom?",
		"$mute bob":                             "as a mention or as an id",
		"$mute @bob":                            "as a mention or as an id",
		"$mute <@101":                           "as a mention or as an id",
		"$mute <@!!101>":                        "as a mention or as an id",
		"$mute <@0>":                            "as a mention or as an id",
		"$mute <#300>":                          "as a mention or as an id",
		"$mute -101":                            "as a mention or as an id",
		"$mute １０１":                             "as a mention or as an id",
		"$mute 99999999999999999999999":         "as a mention or as an id",
		"$mute <@&700> 10m":                     "not to a role",
		"$mute @Everyone":                       "not to a role",
		"$unmute @here":                         "not to a role",
		"$mute <@101> <@102>":                   "One person",
		"$mute <@101> 130000000000000001":       "One person",
		"$mute 600 <@101>":                      "One person",
		"$unmute <@101> and <@102>":             "One person",
		"$mute <@101> 10":                       "durations",
		"$mute <@101> 10min":                    "durations",
		"$mute <@101> 1.5h":                     "durations",
		"$mute <@101> -5m":                      "durations",
		"$mute <@101> 0s":                       "durations",
		"$mute <@101> 5y":                       "durations",
		"$mute <@101> 366d":                     "at most",
		"$mute <@101> 99999999999999999999999d": "at most",
		"$mute <@101> 9223372036854775807s9223372036854775807s": "at most",
	} {
		got, ok := moderation.Parse("$", in)
		if !ok || !strings.Contains(got.Problem, sentence) {
			t.Errorf("Parse(%q) = %+v, %v, want a problem with %q", in, got, ok, sentence)
		}
		if got.All || got.For != 0 || got.Reason != "" {
			t.Errorf("Parse(%q) = %+v carries arguments beside its problem", in, got)
		}
	}
}

func TestReasonIsCut(t *testing.T) {
	t.Parallel()
	got, _ := moderation.Parse("$", "$mute <@101> "+strings.Repeat("言 葉", 400))
	if n := len([]rune(got.Reason)); n > moderation.MaxReasonRunes || n < moderation.MaxReasonRunes-1 || !strings.HasSuffix(got.Reason, "…") {
		t.Errorf("a reason of %d runes: %q", n, got.Reason)
	}
}

func TestFromSlash(t *testing.T) {
	t.Parallel()
	options := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for _, c := range []struct {
		command string
		options map[string]string
		want    moderation.Command
		problem string
	}{
		{"stop", nil, moderation.Command{Name: moderation.Stop}, ""},
		{"STOP", options("all", "true"), moderation.Command{Name: moderation.Stop, All: true}, ""},
		{"reboot", options("all", "false"), moderation.Command{Name: moderation.Reboot}, ""},
		{"start", options("all", "yes"), moderation.Command{Name: moderation.Start}, ""},
		{"status", options("all", "true", "user", "101"), moderation.Command{Name: moderation.Status}, ""},
		{"forget", options("user", "101"), moderation.Command{Name: moderation.Forget}, ""},
		{"mute", options("user", "101"), moderation.Command{Name: moderation.Mute, Target: "101"}, ""},
		{"mute", options("user", "101", "duration", " 1h 30m ", "reason", "a\nb <@102>"),
			moderation.Command{Name: moderation.Mute, Target: "101", For: 90 * time.Minute, Reason: "a b <@102>"}, ""},
		{"unmute", options("user", "101", "duration", "x", "reason", "y"), moderation.Command{Name: moderation.Unmute, Target: "101"}, ""},
		{"mute", nil, moderation.Command{Name: moderation.Mute}, "Whom?"},
		{"mute", options("user", "101", "duration", "soon"), moderation.Command{Name: moderation.Mute, Target: "101"}, "durations"},
		{"mute", options("user", "101 102"), moderation.Command{Name: moderation.Mute}, "as a mention or as an id"},
		{"ignore", options("reason", "x"), moderation.Command{Name: moderation.Ignore}, ""},
		{"gone", options("all", "true"), moderation.Command{}, ""},
		{"", nil, moderation.Command{}, ""},
	} {
		got := moderation.FromSlash(inbound.Slash{Command: c.command, Options: c.options})
		if (got.Problem == "") != (c.problem == "") || !strings.Contains(got.Problem, c.problem) {
			t.Errorf("/%s %v: problem %q, want %q", c.command, c.options, got.Problem, c.problem)
		}
		got.Problem, c.want.Mark = "", "/"
		if c.problem != "" {
			got.Reason = "" // a command with a problem has no effect, whatever else it carries
		}
		if got != c.want {
			t.Errorf("/%s %v = %+v, want %+v", c.command, c.options, got, c.want)
		}
	}
}

// TestBotsNeverCommandAndNothingIsCaughtUp shows the two messages that look like commands and have no effect.
func TestBotsNeverCommandAndNothingIsCaughtUp(t *testing.T) {
	t.Parallel()
	m := inbound.Message{ID: "1", Guild: serverA, Channel: chatChannel, Author: "110", AuthorIsOwner: true, Content: "$stop"}
	if c, ok := rules.FromMessage(m); ok {
		t.Errorf("a bot commanded %+v", c)
	}
	m.AuthorIsUser, m.CaughtUp = true, true
	c, ok := rules.FromMessage(m)
	if !ok || c.Command.Name != moderation.Ignore {
		t.Errorf("a missed command is %+v, %v, want one to be let go and no question", c.Command, ok)
	}
}

// TestSlashCommandsFitDiscord checks the bounds of Discord's Application Commands and that each spec is read back.
func TestSlashCommandsFitDiscord(t *testing.T) {
	t.Parallel()
	want := "help forget stop start reboot status budget mute unmute"
	var names []string
	for _, s := range moderation.SlashCommands() {
		names = append(names, s.Name)
		options := map[string]string{}
		optional := false
		for _, o := range s.Options {
			options[o.Name] = map[moderation.OptionType]string{
				moderation.UserOption: "101", moderation.StringOption: "10m", moderation.BoolOption: "true",
			}[o.Type]
			if n := len([]rune(o.Description)); n < 1 || n > 100 || o.Name != strings.ToLower(o.Name) || len(o.Name) > 32 {
				t.Errorf("/%s %s: %d characters of description", s.Name, o.Name, n)
			}
			if o.Required && optional {
				t.Errorf("/%s: required %s stands after an optional one", s.Name, o.Name)
			}
			optional = optional || !o.Required
		}
		if n := len([]rune(s.Description)); n < 1 || n > 100 {
			t.Errorf("/%s: %d characters of description", s.Name, n)
		}
		if s.Direct != (s.Name == "help" || s.Name == "forget") {
			t.Errorf("/%s in direct messages: %v", s.Name, s.Direct)
		}
		c := moderation.FromSlash(inbound.Slash{Command: s.Name, Options: options})
		if string(c.Name) != s.Name || c.Problem != "" {
			t.Errorf("/%s %v is read as %+v", s.Name, options, c)
		}
		full := moderation.Command{
			Name: c.Name, Mark: "/", All: options["all"] != "", Target: c.Target, For: c.For, Reason: options["reason"],
		}
		if (c.Target != "") != (options["user"] != "") || (c.For != 0) != (options["duration"] != "") || c != full {
			t.Errorf("/%s lost an option: %+v", s.Name, c)
		}
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("registered %q, want %q", got, want)
	}
}

// TestEphemeral shows who sees the answer to a slash command: effects are everybody's business, the rest the asker's.
func TestEphemeral(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"help": true, "forget": true, "status": true, "budget": true, "gone": true,
		"stop": false, "start": false, "reboot": false, "mute": false, "unmute": false,
	} {
		if got := moderation.Ephemeral(name); got != want {
			t.Errorf("/%s: ephemeral %v, want %v", name, got, want)
		}
		s := inbound.Slash{Guild: serverA, Command: name, AuthorIsOwner: true, Options: map[string]string{"user": "101"}}
		if got := rules.EphemeralFor(s); got != want {
			t.Errorf("/%s by the owner: ephemeral %v, want %v", name, got, want)
		}
		s.AuthorIsOwner = false
		if !rules.EphemeralFor(s) {
			t.Errorf("/%s: everybody sees the refusal", name)
		}
	}
	if !rules.EphemeralFor(inbound.Slash{Guild: serverA, Command: "mute", AuthorIsOwner: true}) {
		t.Error("/mute: everybody sees a hint")
	}
}

// A command may stand behind mentions of the bot. A word that is no command is a question there.
func TestACommandBehindAMention(t *testing.T) {
	t.Parallel()
	r := moderation.Rules{Prefix: "$", Bot: func() chat.UserID { return "7" }}
	for text, want := range map[string]moderation.Name{
		"<@7> $ignore this": moderation.Ignore, "<@!7>$stop": moderation.Stop, " <@7> <@7>\n$help": moderation.Help,
		"<@7> $5 for a coffee?": "", "<@7> $home is where?": "", "<@7> $stpo": "", "<@8> $stop": "", "hey <@7> $stop": "",
	} {
		call, ok := r.FromMessage(inbound.Message{Author: "1", AuthorIsUser: true, Guild: "2", Content: text})
		if ok != (want != "") || call.Command.Name != want {
			t.Errorf("%q is %q (%t), want %q", text, call.Command.Name, ok, want)
		}
	}
}
