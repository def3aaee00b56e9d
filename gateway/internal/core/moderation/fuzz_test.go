package moderation_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// FuzzParse holds what must be true of any text: $ignore wins whatever follows, a digit makes text, and nothing that was
// typed leaves by another field than the one for it.
func FuzzParse(f *testing.F) {
	for _, in := range []string{
		"", "stop", "$stop all", "$mute <@101> 10m why", "$mute <@&1>", "$forget @x", "$ignore $stop", "＄ｓｔｏｐ", "$st\u200bop", "$stpo",
		"$mute 1 9223372036854775807d", "$5", "\xff$stop", "$ﬁ", "$mute <@101> 1h\u2028x", "$mute <@101> " + strings.Repeat("`", 300),
	} {
		f.Add("$", in)
		f.Add("火\u200d", in)
	}
	f.Add("bot", "botignore")
	f.Fuzz(func(t *testing.T, prefix, text string) {
		if c, ok := moderation.Parse(prefix, text); ok {
			holds(t, c)
		}
		if strings.TrimSpace(prefix) == "" {
			return
		}
		for _, in := range []string{prefix + "ignore " + text, " " + prefix + "IGNORE\n" + text} {
			if c, ok := moderation.Parse(prefix, in); !ok || c.Name != moderation.Ignore || c.Reason+c.Problem+string(c.Target) != "" || c.All || c.For != 0 {
				t.Errorf("Parse(%q, %q) = %+v, %v, want $ignore alone", prefix, in, c, ok)
			}
		}
		if c, ok := moderation.Parse(prefix, prefix+"5"+text); ok {
			t.Errorf("Parse(%q, prefix 5 %q) = %+v, want text", prefix, text, c)
		}
	})
}

// FuzzFromSlash holds the same of options, which a user or a broken client may fill with anything.
func FuzzFromSlash(f *testing.F) {
	f.Add("mute", "101", "10m", "why", "true")
	f.Add("stop", "<@&1>", "-1", "a\nb", "TRUE")
	f.Fuzz(func(t *testing.T, name, user, duration, reason, all string) {
		holds(t, moderation.FromSlash(inbound.Slash{Command: name, Options: map[string]string{
			"user": user, "duration": duration, "reason": reason, "all": all,
		}}))
	})
}

// sentences are all problems that can be said, with the mark taken out.
var sentences = func() map[string]bool {
	m := map[string]bool{"": true}
	for _, in := range []string{
		"$stop x", "$start x", "$reboot x", "$forget x", "$mute", "$mute x", "$mute @here", "$mute 1 <@2>", "$mute 1 2x", "$mute 1 400d",
		"$unmute", "$unmute x", "$unmute @here", "$unmute 1 <@2>",
	} {
		c, _ := moderation.Parse("$", in)
		m[strings.ReplaceAll(c.Problem, "`", "")] = true
	}
	for name, options := range map[string]map[string]string{"mute": {}, "unmute": {"user": "x"}} {
		for _, user := range []string{"", "x", "@here", "1 <@2>"} {
			options["user"] = user
			m[strings.ReplaceAll(moderation.FromSlash(inbound.Slash{Command: name, Options: options}).Problem, "`", "")] = true
		}
	}
	return m
}()

// holds checks one command.
func holds(t *testing.T, c moderation.Command) {
	t.Helper()
	if c.Name != moderation.Mute && (c.Reason != "" || c.For != 0) || c.Name != moderation.Mute && c.Name != moderation.Unmute && c.Target != "" {
		t.Errorf("%+v carries what it has no use for", c)
	}
	if c.Near != moderation.Unknown && (c.Name != moderation.Unknown || c.Near == moderation.Ignore) {
		t.Errorf("%+v is near", c)
	}
	if utf8.RuneCountInString(c.Reason) > moderation.MaxReasonRunes || strings.ContainsFunc(c.Reason, unicode.IsControl) || !utf8.ValidString(c.Reason) {
		t.Errorf("reason %q", c.Reason)
	}
	if c.For < 0 || c.For > moderation.MaxMute {
		t.Errorf("for %v", c.For)
	}
	problem := strings.ReplaceAll(c.Problem, "`", "")
	if c.Mark == "/" || c.Mark == "$" {
		// With other marks the sentence differs by the mark alone, which an operator chose.
		if !sentences[problem] && !sentences[strings.ReplaceAll(problem, "/", "$")] {
			t.Errorf("%+v says what was typed", c)
		}
	}
	verb, isControl := map[moderation.Name]control.Verb{moderation.Mute: control.Mute, moderation.Unmute: control.Unmute}[c.Name]
	if !isControl || c.Problem != "" {
		return
	}
	at := time.Unix(1, 0)
	o := control.Order{
		Command: 1, Verb: verb, Scope: "200", Origin: "200", By: "100", Ground: control.Owner, Target: chat.UserID(c.Target), Reason: c.Reason, At: at,
	}
	if c.For > 0 {
		o.Until = at.Add(c.For)
	}
	if err := o.Validate(); err != nil {
		t.Errorf("%+v makes an order that is refused: %v", c, err)
	}
}

// FuzzAuditLine holds that no name, id or reason breaks out of its code style or its line, in what operators read.
func FuzzAuditLine(f *testing.F) {
	f.Add("`@everyone`\n", "<@&7>", "mute 101 (``` x)", "stopped.")
	f.Add("\u2028\u202e\xff", "", "\r", "")
	f.Fuzz(func(t *testing.T, name, by, reason, guild string) {
		in, ok := rules.FromMessage(inbound.Message{
			ID: "10", Guild: chat.GuildID(guild), Channel: "300", Author: chat.UserID(by), AuthorName: name, AuthorIsUser: true,
			AuthorPermissions: 1 << 5, Content: "$mute <@101> x" + reason,
		})
		if !ok {
			t.Fatal("no command")
		}
		audit := moderation.Audit{By: in.Actor.User, ByName: name, Guild: in.Place.Guild, Channel: "300", What: "mute " + in.Command.Reason, Effect: "muted."}
		line := audit.Line()
		if strings.Count(line, "`") != 8 || strings.ContainsFunc(line, unicode.IsControl) || strings.ContainsAny(line, "\u2028\u202e") {
			t.Errorf("line %q", line)
		}
	})
}
