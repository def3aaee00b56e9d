package app

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// A server counts as left in a downtime only when a new session neither names it nor tells of it soon after.
func TestAServerThatIsToldOfLateWasNotLeft(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	const kept, lost, named = chat.GuildID("1001"), chat.GuildID("1002"), chat.GuildID("1003")
	run := func() *leaver {
		return newLeaver(s.bus, zerolog.Nop(), func(int) {}, func(context.Context) (int, error) { return 1, nil }, func() chat.UserID { return "7" })
	}
	once := func(l *leaver) {
		t.Helper()
		if err := l.once(t.Context()); err != nil {
			t.Log("once:", err) // no worker is there to clear what was left
		}
	}
	listed := func(g chat.GuildID) bool {
		var at time.Time
		_, ok, err := s.bus.Seen().Get(t.Context(), listPrefix+string(g), &at)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	before := run()
	for _, g := range []chat.GuildID{kept, lost, named} {
		before.joined(g)
	}
	once(before)
	after := run()
	after.session(inbound.Ready{Guilds: []chat.GuildID{named}})
	once(after)
	for _, g := range []chat.GuildID{kept, lost, named} {
		if !listed(g) {
			t.Errorf("server %s was given up at once", g)
		}
	}
	after.joined(kept)
	once(after)
	after.sessions[0].at = time.Now().Add(-namedWithin)
	once(after)
	if !listed(kept) || !listed(named) || listed(lost) {
		t.Errorf("told of late %t, named %t, neither %t; want true, true, false", listed(kept), listed(named), listed(lost))
	}
	if n, err := s.bus.Waiting(t.Context(), control.Scope(lost)); err != nil || n != 0 {
		t.Errorf("%d questions of the lost server wait: %v", n, err)
	}
}

// The bot is invited again, stopped and asked before what it left is cleared: only what is older than the leaving goes.
func TestClearingAServerLeavesTheNextStayAlone(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	stop, err := s.bus.Serve(t.Context(), control.Worker, "worker", bus.Obey{
		Forget: func(context.Context, control.Order) (control.Forgotten, error) { return control.Forgotten{}, nil },
		Budget: func(context.Context, control.Order) (control.BudgetReport, error) { return control.BudgetReport{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	const g = chat.GuildID("1001")
	gw := s.nats.Connect(control.Gateway)
	at := func(d time.Duration) chat.Snowflake { return chat.SnowflakeAt(time.Now().Add(d)) }
	ask := func(mark chat.Snowflake) {
		t.Helper()
		q := chat.Question{ID: chat.QuestionID(mark.String()), Guild: g, Channel: "2", User: "3", UserName: "ann",
			Message: chat.MessageID(mark.String()), Text: "hello", Mark: mark, Asked: time.Now().UTC()}
		if _, err := gw.PublishQuestion(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	ask(at(-time.Minute))
	l := newLeaver(gw, zerolog.Nop(), func(int) {}, func(context.Context) (int, error) { return 1, nil }, func() chat.UserID { return "7" })
	l.left(g)
	l.gone[g] = time.Now().Add(-30 * time.Second) // NATS was away meanwhile
	younger := at(-10 * time.Second)
	ask(younger)
	o := control.Order{Command: younger, Verb: control.Stop, Scope: control.Scope(g), Origin: g, By: "5", Ground: control.Owner, At: time.Now().UTC()}
	if _, _, _, _, err := gw.ApplyOrder(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := l.once(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := gw.NewMirror(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Stopped(g) {
		t.Error("the stop of the next stay is gone")
	}
	if n, err := gw.Waiting(t.Context(), control.Scope(g)); err != nil || n != 1 {
		t.Errorf("%d questions wait, want the younger one: %v", n, err)
	}
}
