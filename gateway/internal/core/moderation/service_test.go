package moderation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// owner of server A, in its chat channel.
var (
	ownerOfA = people[0]
	here     = places[0]
)

// run handles one typed command and returns what was said.
func run(t *testing.T, w *world, p who, text string, id chat.MessageID) (string, *moderation.Audit, error) {
	t.Helper()
	before := len(w.texts())
	audit, err := handle(t.Context(), gateway(t, w), call(t, what{text: text}, p, here, false, id))
	return strings.Join(w.texts()[before:], "\n"), audit, err
}

func TestStopSaysWhatHappened(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.waiting[serverA] = 7
	w.applied = []control.Applied{
		{Instance: "gateway-1", Service: control.Gateway, Revision: 1, Cancelled: 1, Dropped: 3}, // 3 held while NATS was away
		{Instance: "worker-1", Service: control.Worker, Revision: 1, Cancelled: 2, Dropped: 1},
		{Instance: "worker-2", Service: control.Worker, Revision: 0},
		{Instance: "worker-3", Service: control.Worker, Revision: 1, Error: "bucket is gone"},
	}
	w.silent = []string{"worker-4"}
	said, audit, err := run(t, w, ownerOfA, "$stop", "10")
	if err != nil {
		t.Fatal(err)
	}
	// 7 on the bus, 2 of which ran; 3 more in a gateway: 8 dropped, 3 calls or posts cancelled.
	const want = "Stopped: I am silent in this server until `$start`. Dropped 8 waiting questions and cancelled 3 running answers. " +
		"2 of 5 processes obeyed. No answer from `worker-4`, `worker-2`; whoever missed it obeys as soon as it can be reached. " +
		"Trouble in `worker-3`; my operators' logs say why."
	if said != want {
		t.Errorf("said %q, want %q", said, want)
	}
	if d := w.desired[serverA]; d.State != control.Stopped || d.DropBefore != 10 {
		t.Errorf("desired %+v", d)
	}
	if len(w.syncs) != 1 || w.syncs[0].Revision != 1 {
		t.Errorf("synced %+v", w.syncs)
	}
	if audit == nil || !strings.HasPrefix(audit.Effect, "stopped. Dropped 8") || audit.What != "stop" {
		t.Errorf("audit %+v", audit)
	}
	if len(w.audits) != 1 || !strings.Contains(w.audits[0], "`stop` by `owner` (`110`, owner) in server `200`, channel <#300>: stopped.") {
		t.Errorf("audit lines %q", w.audits)
	}
}

// TestTurns plays one server's and the fleet's commands in a row; each answer says what holds then.
func TestTurns(t *testing.T) {
	t.Parallel()
	w := newWorld()
	operatorOfAll := people[4]
	for _, step := range []struct {
		by       who
		text     string
		id       chat.MessageID
		says     []string
		saysNot  string
		wantHere control.State
		wantAll  control.State
	}{
		{ownerOfA, "$start", "10", []string{"I was not stopped in this server.", "2 processes obeyed."}, "Started", control.Running, ""},
		{ownerOfA, "$stop", "11", []string{"Stopped: I am silent in this server until `$start`.", "Nothing was waiting or running.", "2 processes obeyed."}, "already", control.Stopped, ""},
		{ownerOfA, "$stop", "12", []string{"I was stopped already and stay silent in this server"}, "", control.Stopped, ""},
		{ownerOfA, "$stop", "12", nil, "", control.Stopped, ""}, // the same message, seen by another gateway
		{operatorOfAll, "$stop all", "13", []string{"silent in all servers until `$start all`"}, "already", control.Stopped, control.Stopped},
		{ownerOfA, "$start", "14", []string{"Started: I answer in this server again.", "My operators stopped me in all servers"}, "", control.Running, control.Stopped},
		{operatorOfAll, "$start all", "15", []string{"in all servers but those with a stop of their own"}, "My operators", control.Running, control.Running},
		{ownerOfA, "$stop", "16", []string{"Stopped:"}, "already", control.Stopped, control.Running},
		{ownerOfA, "$reboot", "18", []string{"Rebooted: I forgot what I remembered of this server and begin anew.", "Nothing was waiting"}, "My operators", control.Running, control.Running},
		{ownerOfA, "$stop", "17", []string{"A newer command was faster, so this one changed nothing."}, "Stopped", control.Running, control.Running},
	} {
		said, _, err := run(t, w, step.by, step.text, step.id)
		if err != nil {
			t.Fatalf("%s %s: %v", step.text, step.id, err)
		}
		for _, part := range step.says {
			if !strings.Contains(said, part) {
				t.Errorf("%s %s: said %q, want %q in it", step.text, step.id, said, part)
			}
		}
		if step.says == nil && said != "" || step.saysNot != "" && strings.Contains(said, step.saysNot) {
			t.Errorf("%s %s: said %q", step.text, step.id, said)
		}
		if a, b := w.desired[serverA].State, w.desired[control.Fleet].State; a != step.wantHere || b != step.wantAll {
			t.Errorf("%s %s: server %q, fleet %q, want %q, %q", step.text, step.id, a, b, step.wantHere, step.wantAll)
		}
	}
	if d := w.desired[serverA]; d.DropBefore != 18 || d.ForgetBefore != 18 {
		t.Errorf("after the reboot: %+v", d)
	}
}

// TestTwoGatewaysActOnce runs every command through two gateways at the same time: one effect, one answer, one audit.
func TestTwoGatewaysActOnce(t *testing.T) {
	t.Parallel()
	for _, c := range commands {
		w := newWorld()
		var gone sync.WaitGroup
		audits := make([]*moderation.Audit, 2)
		for i := range audits {
			gone.Go(func() {
				var err error
				audits[i], err = handle(t.Context(), gateway(t, w), call(t, c, people[4], here, false, "10"))
				if err != nil {
					t.Errorf("%s: %v", c.text, err)
				}
			})
		}
		gone.Wait()
		want := 1
		if c.silent {
			want = 0
		}
		if n := len(w.texts()); n != want {
			t.Errorf("%s: said %d times", c.text, n)
		}
		effects := 0
		for _, a := range audits {
			if a != nil {
				effects++
			}
		}
		if (c.verb == "" && effects != 0) || (c.verb != "" && (effects != 1 || len(w.orders) != 1)) {
			t.Errorf("%s: %d audits, %d orders", c.text, effects, len(w.orders))
		}
	}
}

// TestHelpShowsWhatTheAskerMay lists, for every role, the commands by name.
func TestHelpShowsWhatTheAskerMay(t *testing.T) {
	t.Parallel()
	const all = "$help $ignore $forget "
	const moderator = "$stop $start $reboot $status $budget $mute $unmute "
	for _, c := range []struct {
		by   who
		at   where
		want string
	}{
		{people[5], here, all},
		{ownerOfA, here, all + moderator},
		{people[3], here, all + moderator},
		{people[4], here, all + moderator},
		{ownerOfA, places[6], all}, // nobody in another server
		{people[4], places[6], all + moderator},
		{ownerOfA, places[5], all},
		{people[4], places[5], all},
	} {
		w := newWorld()
		if _, err := handle(t.Context(), gateway(t, w), call(t, what{text: "$help"}, c.by, c.at, false, "10")); err != nil {
			t.Fatal(err)
		}
		text := w.texts()[0]
		var got strings.Builder
		for line := range strings.Lines(text) {
			if form, ok := strings.CutPrefix(line, "`"); ok {
				got.WriteString(strings.FieldsFunc(form, func(r rune) bool { return r == ' ' || r == '`' })[0] + " ")
			}
		}
		if got.String() != c.want {
			t.Errorf("%s in %s: %q, want %q", c.by.name, c.at.name, got.String(), c.want)
		}
		if fleet := strings.Contains(text, "[all]"); fleet != (c.by.user == operator && c.at.guild != chat.DM) {
			t.Errorf("%s in %s: fleet forms shown: %v", c.by.name, c.at.name, fleet)
		}
	}
}

// TestHints shows the one hint for a slip, where it may be given.
func TestHints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at   where
		text string
		want string
	}{
		{here, "$hlep", "Did you mean `$help`?"},
		{here, "$ignor this", ""},
		{here, "$weather", ""},
		{places[1], "$hlep", ""},
		{places[2], "$hlep", "Did you mean `$help`?"},
		{places[5], "$hlep", "Did you mean `$help`?"},
		{places[5], "$stpo", "In direct messages I know `$help` and `$forget`; the rest is for servers."},
	} {
		w := newWorld()
		if _, err := handle(t.Context(), gateway(t, w), call(t, what{text: c.text}, people[5], c.at, false, "10")); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(w.texts(), "\n"); got != c.want {
			t.Errorf("%s in %s: said %q, want %q", c.text, c.at.name, got, c.want)
		}
	}
}

// TestOddIDsAreNotSent shows that a record that every process would refuse stays here.
func TestOddIDsAreNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld()
	said, audit, err := run(t, w, ownerOfA, "$stop", "not-a-snowflake")
	if !errors.Is(err, control.ErrRefused) || len(w.orders) != 0 || !strings.Contains(said, "nothing was done") {
		t.Errorf("said %q, %v, ordered %+v", said, err, w.orders)
	}
	if audit == nil || !audit.Failed {
		t.Errorf("audit %+v", audit)
	}
}

func TestNATSAway(t *testing.T) {
	t.Parallel()
	const nothing, unknown = "nothing was done", "I don't know whether it took effect"
	for name, c := range map[string]struct {
		text   string
		broken func(*world)
		says   string
		part   moderation.Part
		failed bool
		ok     bool
	}{
		"no claim":             {"$stop", func(w *world) { w.claimErr = errAway }, nothing, moderation.Trouble, true, false},
		"no state":             {"$stop", func(w *world) { w.stateErr = errAway }, unknown, moderation.Trouble, true, false},
		"no reboot state":      {"$reboot all", func(w *world) { w.stateErr = errAway }, unknown, moderation.Trouble, true, false},
		"no fleet":             {"$stop", func(w *world) { w.fleetErr = errAway }, "It is written down", moderation.Final, false, false},
		"no count":             {"$stop", func(w *world) { w.waitErr = errAway }, "Stopped:", moderation.Final, false, true},
		"no mute":              {"$mute <@101>", func(w *world) { w.stateErr = errAway }, unknown, moderation.Trouble, true, false},
		"mute without a fleet": {"$mute <@101>", func(w *world) { w.fleetErr = errAway }, "Muted:", moderation.Final, false, false},
		"no store":             {"$forget", func(w *world) { w.bookErr = errAway }, unknown, moderation.Trouble, true, false},
		"no status":            {"$status", func(w *world) { w.fleetErr = errAway }, nothing, moderation.Trouble, true, false},
		"no state to show":     {"$status", func(w *world) { w.stateErr = errAway }, nothing, moderation.Trouble, true, false},
		"no ledger":            {"$budget", func(w *world) { w.bookErr = errAway }, nothing, moderation.Trouble, true, false},
		"status, no ledger":    {"$status", func(w *world) { w.bookErr = errAway }, "The budget can't be read", moderation.Final, false, false},
		"status, no count":     {"$status", func(w *world) { w.waitErr = errAway }, "unknown", moderation.Final, false, false},
		"help needs no claim":  {"$help", func(w *world) { w.claimErr = errAway }, "What you can tell me", moderation.Final, false, false},
	} {
		w := newWorld()
		c.broken(w)
		said, audit, err := run(t, w, people[4], c.text, "10")
		if !strings.Contains(said, c.says) || len(w.spoken) != 1 || w.spoken[0].part != c.part {
			t.Errorf("%s: said %q as %v, want %q", name, said, w.spoken, c.says)
		}
		if (err == nil) != c.ok || err != nil && !errors.Is(err, errAway) {
			t.Errorf("%s: error %v", name, err)
		}
		if (audit != nil && audit.Failed) != c.failed {
			t.Errorf("%s: audit %+v, want failed %v", name, audit, c.failed)
		}
	}
}

// TestNothingWaitsForEver shows the bounds in time of hands that hang: the claim, and the count that a stop must not
// wait for.
func TestNothingWaitsForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.blockWaiting = true
		begun := time.Now()
		said, _, err := run(t, w, ownerOfA, "$stop", "10")
		if err != nil || !strings.HasPrefix(said, "Stopped:") || time.Since(begun) != 250*time.Millisecond {
			t.Errorf("said %q, %v after %v", said, err, time.Since(begun))
		}
		w.blockClaim = true
		begun = time.Now()
		said, _, err = run(t, w, ownerOfA, "$stop", "11")
		if err == nil || !strings.Contains(said, "nothing was done") || time.Since(begun) > 10*time.Second {
			t.Errorf("said %q, %v after %v", said, err, time.Since(begun))
		}
		begun = time.Now()
		said, _, err = run(t, w, people[5], "$help", "12")
		if err == nil || !strings.HasPrefix(said, "What you can tell me") || time.Since(begun) > 10*time.Second {
			t.Errorf("said %q, %v after %v", said, err, time.Since(begun))
		}
	})
}

// An effect is told of for minutes while Discord is in trouble, but for no longer than before when the process is to end.
func TestTheAnswerToAnEffectLasts(t *testing.T) {
	t.Parallel()
	const never = time.Hour
	for _, c := range []struct {
		text         string
		reply, drain time.Duration // when Discord takes it, and when a drain begins; 0: none
		took         time.Duration
	}{
		{"$stop", time.Minute, 0, time.Minute},
		{"$mute <@101>", time.Minute, 0, time.Minute},
		{"$forget", time.Minute, 0, time.Minute},
		{"$stop", never, 0, 2 * time.Minute},
		{"$stop", never, 5 * time.Second, 15 * time.Second},
		{"$stop", never, 119 * time.Second, 2 * time.Minute},
		{"$stop", never, time.Nanosecond, 10 * time.Second},
		{"$stop", time.Minute, 55 * time.Second, time.Minute},
		{"$status", time.Minute, 0, 10 * time.Second},
		{"$budget", time.Minute, 0, 10 * time.Second},
		{"$help", time.Minute, 0, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.replyAfter = c.reply
			s := gateway(t, w)
			r, err := s.Handle(t.Context(), call(t, what{text: c.text}, people[4], here, false, "10"))
			if err != nil {
				t.Fatal(err)
			}
			drain, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.drain > 0 {
				defer time.AfterFunc(c.drain, cancel).Stop()
			}
			begun := time.Now()
			err = s.Tell(drain, r)
			if took := time.Since(begun).Truncate(time.Microsecond); took != c.took || (err == nil) != (took == c.reply) || (err == nil) != (len(w.texts()) == 1) {
				t.Errorf("%s, taken after %v, drain after %v: %v, said %q after %v, want %v", c.text, c.reply, c.drain, err, w.texts(), took, c.took)
			}
		})
	}
}

// TestCommandAgain shows what is said when this very command was written already: not that it
// was so before, which nobody knows.
func TestCommandAgain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"$stop": "Stopped: ", "$start": "Started: ", "$reboot": "Rebooted: ", "$reboot all": "Rebooted: "} {
		w := newWorld()
		if _, _, err := run(t, w, people[4], text, "10"); err != nil {
			t.Fatal(err)
		}
		clear(w.claims) // as a write looks that is made again after its answer was lost
		if said, _, err := run(t, w, people[4], text, "10"); err != nil || !strings.HasPrefix(said, want) {
			t.Errorf("%s: said %q, %v, want %q", text, said, err, want)
		}
	}
}

// What is only looked at overtakes nothing, and nothing waits for it; it may wait for a worker that is frozen.
func TestOnlyWhatChangesSomethingIsOrdered(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"$stop": true, "$stop all": true, "$start": true, "$reboot": true, "$reboot all": false, "$mute <@101>": true,
		"$unmute <@101>": true, "$forget": true, "$status": false, "$budget": false, "$help": false, "$hlep": false,
	} {
		if c := call(t, what{text: text}, people[4], here, false, "10"); c.Command.Ordered() != want {
			t.Errorf("%s is ordered: %t", text, !want)
		}
	}
}

func TestNewNeedsItsHands(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range 5 {
		hands := [5]any{w, w, w, w, w}
		hands[i] = nil
		claims, _ := hands[0].(moderation.Claims)
		state, _ := hands[1].(moderation.State)
		fleet, _ := hands[2].(moderation.Fleet)
		books, _ := hands[3].(moderation.Books)
		voice, _ := hands[4].(moderation.Voice)
		if s, err := moderation.New(claims, state, fleet, books, voice, moderation.Config{}); err == nil || s != nil {
			t.Errorf("a service without hand %d", i)
		}
	}
}

// That what waits could not all be dropped is no failure to ask the processes: they obey, and drop the rest.
func TestADropThatFailsIsNoSilence(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.dropErr = errors.New("deadline exceeded")
	said, _, err := run(t, w, ownerOfA, "$stop", "10")
	if !strings.Contains(said, "obeyed") || strings.Contains(said, "couldn't ask") || !errors.Is(err, w.dropErr) {
		t.Errorf("said %q, %v", said, err)
	}
}
