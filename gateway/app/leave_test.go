package app

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/core/inbound"
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
