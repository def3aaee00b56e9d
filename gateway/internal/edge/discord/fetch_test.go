package discord

import (
	"fmt"
	"testing"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/sim/discordsim"
)

func TestCatchesUpInOrder(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	first := b.say(b.w.Channel, b.w.User, "first")
	b.heard(first)
	const n = 250 // more than two pages
	for i := range n {
		b.say(b.w.Channel, b.w.User, fmt.Sprint(i))
	}
	for _, limit := range []int{1, 100, 101, 249, 1000} {
		list, err := b.MessagesAfter(b.ctx(), channelID(b.w.Channel), messageID(first.ID), limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != min(limit, n) {
			t.Fatalf("limit %d: %d messages", limit, len(list))
		}
		for i, m := range list {
			if m.Content != fmt.Sprint(i) || !m.CaughtUp || m.Guild != guildID(b.w.Guild) || m.Author != userID(b.w.User) || !m.AuthorIsUser || m.Received.IsZero() {
				t.Fatalf("limit %d, place %d: %+v", limit, i, m)
			}
		}
	}
	all, err := b.MessagesAfter(b.ctx(), channelID(b.w.Channel), "", 1000)
	if err != nil || len(all) != n+1 {
		t.Errorf("from the start: %d, %v", len(all), err)
	}
	dm, err := b.sim.OpenDM(b.w.User)
	if err != nil {
		t.Fatal(err)
	}
	b.heard(b.say(dm.ID, b.w.User, "psst"))
	if list, err := b.MessagesAfter(b.ctx(), channelID(dm.ID), "", 10); err != nil || len(list) != 1 || list[0].Guild != chat.DM {
		t.Errorf("DM: %+v, %v", list, err)
	}
}

func TestFindsItsReply(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()) // without a READY: it has to ask who it is
	asked, unanswered := b.say(b.w.Channel, b.w.User, "a"), b.say(b.w.Channel, b.w.User, "b")
	for i := range 120 {
		b.say(b.w.Channel, b.w.User, fmt.Sprint(i))
	}
	if _, err := b.sim.Say(b.w.Channel, b.w.Owner, "not the bot's", discordsim.SayOpts{ReplyTo: asked.ID}); err != nil {
		t.Fatal(err)
	}
	want, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: "one", ReplyTo: messageID(asked.ID), Nonce: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: "two", Nonce: "2"}); err != nil {
		t.Fatal(err)
	}
	if id, err := b.FindReply(b.ctx(), channelID(b.w.Channel), messageID(asked.ID)); err != nil || id != want {
		t.Errorf("found %q, want %q: %v", id, want, err)
	}
	if id, err := b.FindReply(b.ctx(), channelID(b.w.Channel), messageID(unanswered.ID)); err != nil || id != "" {
		t.Errorf("found %q where nothing is: %v", id, err)
	}
	own, err := b.OwnAfter(b.ctx(), channelID(b.w.Channel), messageID(asked.ID))
	if err != nil || len(own) != 2 || own[0].ReplyTo != messageID(asked.ID) || own[1].Content != "two" || own[1].ReplyTo != "" {
		t.Errorf("own: %+v, %v", own, err)
	}
}
