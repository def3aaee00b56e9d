package app

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/edge/discord"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/secret"
	"salamander.dev/shared/sim/discordsim"
)

// A crowd is told all at once, and nobody waits at the end for what can't be said in time.
func TestACrowdIsTold(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.sim.Inject(discordsim.Fault{Route: "POST /channels/{channel}/messages", Status: 503, Times: -1})
	log := &journal{}
	client, err := discord.New(discord.Config{Token: secret.New(discordsim.DefaultToken), BaseURL: s.sim.URL()}, discord.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWords(client, zerolog.New(log))
	for i := range 1000 {
		w.Say(inbound.Message{ID: chat.MessageID(fmt.Sprint(1000 + i)), Channel: chat.ChannelID(s.world.Channel.String())}, inbound.TooMany, "enough", time.Now().Add(time.Hour))
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
