package discord

import (
	"testing"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/discordsim/spec"
)

// Every body that we send fits Discord's official description of its API.
func TestBodiesFitDiscordsDescription(t *testing.T) {
	t.Parallel()
	description, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	b := newBot(t, &discordsim.Server{CheckRequest: description.CheckRequest}, quick()).start()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	asked := b.say(b.w.Channel, b.w.User, "hi")
	ch := channelID(b.w.Channel)
	_, err = b.Post(b.ctx(), PostRequest{Channel: ch, Content: "x", ReplyTo: messageID(asked.ID), Nonce: "1-0", MentionUser: userID(b.w.User)})
	check(err)
	_, err = b.Post(b.ctx(), PostRequest{Channel: ch, Content: "x"})
	check(err)
	_, err = b.OpenThread(b.ctx(), ch, messageID(asked.ID), "thread")
	check(err)
	check(b.Typing(b.ctx(), ch))
	_, err = b.RegisterCommands(b.ctx(), someCommands)
	check(err)
	_, err = b.sim.RunSlash(b.w.Channel, b.w.User, "help", nil)
	check(err)
	e := expect(b, "/help", func(inbound.Slash) bool { return true })
	check(b.EditSlash(b.ctx(), e.Token, "x"))
	_, err = b.FollowupSlash(b.ctx(), e.Token, "x", true)
	check(err)
	if n := len(b.sim.RequestCounts()); n < 8 {
		t.Errorf("%d routes were used: %v", n, b.sim.RequestCounts())
	}
	for _, v := range b.sim.Violations() {
		t.Errorf("%s: %s: %s", v.Route, v.Error, v.Body)
	}
}
