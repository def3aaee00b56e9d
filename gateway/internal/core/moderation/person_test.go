package moderation_test

import (
	"strings"
	"testing"

	"salamander.dev/shared/control"
)

func TestMute(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for text, want := range map[string]string{
		"$mute <@101>":                     "Muted: I ignore <@101> in this server until `$unmute`.",
		"$mute <@102> @everyone <@&7> `x`": "Reason: `@everyone <@&7> 'x'`",
		"$mute 103 2h":                     ":R>).",
		"$unmute 104":                      "I listen to <@104> in this server again.",
		"$mute <@999>":                     "That is me",
		"$mute <@110>":                     "That is you; nobody was muted.",
		"$mute <@900>":                     "Muted: I ignore <@900>", // an operator is a user like others here
	} {
		said, _, err := run(t, w, ownerOfA, text, fmtID(10+len(w.claims)))
		if err != nil || !strings.Contains(said, want) {
			t.Errorf("%s: said %q, %v, want %q in it", text, said, err, want)
		}
	}
	for _, o := range w.orders {
		if o.Target == botUser || o.Target == ownerOfA.user {
			t.Errorf("ordered %+v", o)
		}
	}
	w.silent = []string{"worker-9"}
	if said, _, _ := run(t, w, ownerOfA, "$mute <@101>", fmtID(10+len(w.claims))); !strings.Contains(said, "No answer from `worker-9`") {
		t.Errorf("said %q, want the silent one named", said)
	}
}

// TestMutedUsers shows that a muted user gets no word but about their own data, and that a muted moderator still
// commands.
func TestMutedUsers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		by    who
		at    where
		slash bool
		said  bool
	}{
		{"$help", people[5], here, false, false},
		{"$stop", people[5], here, false, false},
		{"$stpo", people[5], here, false, false},
		{"$forget", people[5], here, false, true},
		{"$help", people[5], here, true, true}, // Discord would show an error
		{"$stop", ownerOfA, here, false, true},
		{"$stpo", ownerOfA, here, false, true},
	} {
		w := newWorld()
		in := call(t, what{text: c.text, slash: strings.TrimPrefix(c.text, "$")}, c.by, c.at, c.slash, "10")
		in.Actor.Muted = true
		if _, err := handle(t.Context(), gateway(t, w), in); err != nil {
			t.Fatal(err)
		}
		if got := len(w.texts()) == 1; got != c.said {
			t.Errorf("%s by a muted %s (slash %v): said %q, want a word: %v", c.text, c.by.name, c.slash, w.texts(), c.said)
		}
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f    control.Forgotten
		want string
		ok   bool
	}{
		{control.Forgotten{}, "There was nothing to forget: I remember nothing of you here.", true},
		{control.Forgotten{Memories: 1}, "Forgotten: I remember nothing of you here.", true},
		{control.Forgotten{Memories: 1, Answers: 2, DeadLetters: 1}, "Forgotten: I remember nothing of you here. Deleted too: 2 stored answers and 1 failed question.", true},
		{control.Forgotten{Memories: 1, Error: "dead letters: no connection"}, "I couldn't delete all of it. Please try again in a moment.", false},
	} {
		w := newWorld()
		w.forgotten = c.f
		said, audit, err := run(t, w, people[5], "$forget", "10")
		if said != c.want || (err == nil) != c.ok {
			t.Errorf("%+v: said %q, %v, want %q", c.f, said, err, c.want)
		}
		if o := w.orders[0]; o.By != plainUser || o.Channel != chatChannel || o.Ground != control.Self || o.Target != "" {
			t.Errorf("ordered %+v", o)
		}
		if audit == nil || len(w.audits) != 0 {
			t.Errorf("audit %+v, lines %q, want one for the log only", audit, w.audits)
		}
	}
}
