package discord

import (
	"testing"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/sim/discordsim"
)

func TestHearsAndAnswers(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	ready := expect(b, "ready", func(inbound.Ready) bool { return true })
	if ready.Bot != userID(b.w.Bot) || ready.Resumed || len(ready.Guilds) != 1 {
		t.Errorf("ready: %+v", ready)
	}
	session := b.sim.Sessions()[0]
	if want := discordsim.IntentGuilds | discordsim.IntentGuildMessages | discordsim.IntentDirectMessages | discordsim.IntentMessageContent; session.Intents != want || session.Compress {
		t.Errorf("session: %+v", session)
	}
	asked := b.say(b.w.Channel, b.w.User, "hello there")
	m := b.heard(asked)
	if m.Content != "hello there" || m.Author != userID(b.w.User) || m.AuthorName != "alice" || !m.AuthorIsUser ||
		m.Guild != guildID(b.w.Guild) || m.Channel != channelID(b.w.Channel) || m.CaughtUp || m.Received.IsZero() {
		t.Errorf("message: %+v", m)
	}
	id, err := b.Post(b.ctx(), PostRequest{Channel: m.Channel, Content: "hi", ReplyTo: m.ID, Nonce: string(m.ID) + "-0", MentionUser: m.Author})
	if err != nil {
		t.Fatal(err)
	}
	replies := b.sim.Replies(asked.ID)
	if len(replies) != 1 || messageID(replies[0].ID) != id {
		t.Fatalf("replies: %+v, id %s", replies, id)
	}
}
