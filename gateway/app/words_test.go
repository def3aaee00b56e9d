package app

import (
	"context"
	"fmt"
	"testing"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/sim/discordsim"
)

// A crowd is told all at once, and nobody waits at the end for what can't be said in time.
func TestACrowdIsTold(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.sim.Inject(discordsim.Fault{Route: "POST /channels/{channel}/messages", Status: 503, Times: -1})
	g := s.start()
	w, log := g.words, g.log
	for i := range 1000 {
		w.Say(inbound.Message{ID: chat.MessageID(fmt.Sprint(1000 + i)), Guild: chat.GuildID(s.world.Guild.String()), Channel: chat.ChannelID(s.world.Channel.String())}, inbound.TooMany, "enough", time.Now().Add(time.Hour))
	}
	if n := w.lanes.Len(); n != 1000 || log.has("dropped") {
		t.Errorf("%d of 1000 wait", n)
	}
	w.Say(inbound.Message{ID: "9", Channel: "9"}, inbound.TooMany, "enough until a moment ago", time.Now().Add(-time.Second))
	eventually(t, "what is not true any more is not said", func() bool { return log.has("too late", `"question":"9"`) })
	over, end := context.WithCancel(t.Context())
	end()
	w.close(over)
	if n := w.lanes.Len(); n != 0 {
		t.Errorf("%d still wait", n)
	}
}

// A notice that still waits for Discord when its server is stopped is not said any more.
func TestNoNoticeIsSaidAfterTheConfirmationOfAStop(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	g := s.start("USER_RATE", "1/1h")
	mods, err := s.sim.AddChannel(discordsim.Channel{Guild: s.world.Guild, Name: "mods"})
	if err != nil {
		t.Fatal(err)
	}
	s.sim.Inject(discordsim.Fault{Route: "POST /channels/{channel}/messages", Status: 429, RetryAfter: 10})
	var tooMany []discordsim.Message
	for i, u := range append(s.members(3), s.world.User) {
		s.sayIn(s.world.Channel, u, fmt.Sprint("first ", i))
		tooMany = append(tooMany, s.sayIn(s.world.Channel, u, fmt.Sprint("second ", i)))
	}
	eventually(t, "the first notice has to wait", func() bool { return s.sim.PendingFaults() == 0 })
	eventually(t, "the others wait behind it", func() bool { return g.words.lanes.Len() == len(tooMany) })
	confirmation := s.answered(s.sayIn(mods.ID, s.world.Owner, "$stop"))
	eventually(t, "no notice waits", func() bool { return g.words.lanes.Len() == 0 })
	for _, p := range s.sim.Posts() {
		if p.ID > confirmation.ID {
			t.Errorf("%q was posted after the confirmation", p.Content)
		}
	}
	if n := len(s.sim.Posts()); n != 1 {
		t.Errorf("%d posts, want the confirmation alone", n)
	}
}
