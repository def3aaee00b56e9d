package discordsim_test

import (
	"testing"

	"salamander.dev/shared/sim/discordsim"
)

// The zero value carries a question to the bot and its answer into the books.
func TestRoad(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	q := b.say(b.w.Channel, b.w.User, "<@"+b.w.Bot.String()+"> hello")
	heard := c.until("MESSAGE_CREATE").data(t)
	if heard["id"] != q.ID.String() || heard["content"] != q.Content || heard["guild_id"] != b.w.Guild.String() {
		t.Fatalf("heard %v, want %+v", heard, q)
	}
	b.want(b.do("POST", "/channels/"+b.w.Channel.String()+"/typing", nil), 204, 0)
	if n := len(b.Typing(b.w.Channel)); n != 1 {
		t.Fatalf("typing calls %d, want 1", n)
	}
	body := object{"content": "hi", "nonce": q.ID.String() + "-1", "enforce_nonce": true,
		"allowed_mentions":  object{"parse": []string{}, "replied_user": true},
		"message_reference": object{"message_id": q.ID, "fail_if_not_exists": false}}
	first := b.want(b.post(b.w.Channel, body), 200, 0)
	if again := b.want(b.post(b.w.Channel, body), 200, 0); again.id() != first.id() {
		t.Fatalf("the same nonce made %s and %s", first.id(), again.id())
	}
	replies := b.Replies(q.ID)
	if len(replies) != 1 || replies[0].ID != first.id() || replies[0].Content != "hi" || len(replies[0].Body) == 0 {
		t.Fatalf("replies %+v", replies)
	}
	if got := replies[0].Mentions; len(got) != 1 || got[0] != b.w.User {
		t.Fatalf("pings %v, want the asker", got)
	}
	if n := b.Counts(); n.Posts != 1 || n.Deduplicated != 1 || n.Said != 1 || n.Typing != 1 {
		t.Fatalf("counts %+v", n)
	}
	own := c.until("MESSAGE_CREATE").data(t)
	if own["id"] != first.id().String() || own["nonce"] != q.ID.String()+"-1" {
		t.Fatalf("own message heard as %v", own)
	}
	must(t, b.WaitFor(deadline(t), func() bool { return b.ReplyCount(q.ID) == 1 }))
}
