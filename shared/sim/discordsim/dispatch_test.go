package discordsim_test

import (
	"fmt"
	"testing"

	"salamander.dev/shared/sim/discordsim"
)

func TestSharding(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	const n = 3
	socks := map[int]*socket{}
	for shard := range n {
		socks[shard], _ = b.identified(object{"shard": []int{shard, n}})
	}
	for i := range 9 {
		g := b.AddGuild(discordsim.Guild{Name: fmt.Sprint("guild ", i)})
		ch, err := b.AddChannel(discordsim.Channel{Guild: g.ID})
		must(t, err)
		must(t, b.AddMember(g.ID, b.w.User))
		b.say(ch.ID, b.w.User, fmt.Sprint("in guild ", i))
		home := int(uint64(g.ID>>22) % n)
		if f := socks[home].until("MESSAGE_CREATE"); f.data(t)["content"] != fmt.Sprint("in guild ", i) {
			t.Fatalf("shard %d heard %s", home, f.D)
		}
	}
	dm, err := b.OpenDM(b.w.User)
	must(t, err)
	b.say(dm.ID, b.w.User, "private")
	if f := socks[0].until("MESSAGE_CREATE"); f.data(t)["content"] != "private" {
		t.Fatalf("shard 0 heard %s", f.D)
	}
	// The others hear nothing more: the next frame is the answer to a heartbeat.
	for shard := 1; shard < n; shard++ {
		socks[shard].write(1, nil)
		for {
			f := socks[shard].next()
			if f.Op == 11 {
				break
			}
			if f.T == "MESSAGE_CREATE" && f.data(t)["content"] == "private" {
				t.Fatalf("shard %d heard a DM", shard)
			}
		}
	}
}

func TestSeveralSessionsOfOneShard(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	one, _ := b.online(allIntents)
	two, _ := b.online(allIntents)
	q := b.say(b.w.Channel, b.w.User, "both")
	for _, c := range []*socket{one, two} {
		if f := c.until("MESSAGE_CREATE"); f.data(t)["id"] != q.ID.String() {
			t.Fatalf("heard %s", f.D)
		}
	}
}

// Without MESSAGE_CONTENT, text comes only in DMs, with mentions, and of one's own.
func TestMessageContentIntent(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(guildIntents)
	full, _ := b.online(allIntents)
	own := b.want(b.post(b.w.Channel, object{"content": "mine"}), 200, 0)
	dm, err := b.OpenDM(b.w.User)
	must(t, err)
	tests := []struct {
		name    string
		channel discordsim.ID
		text    string
		opts    discordsim.SayOpts
		want    string
	}{
		{"plain", b.w.Channel, "plain", discordsim.SayOpts{Attachments: []discordsim.Attachment{{Name: "a.png"}}}, ""},
		{"mention", b.w.Channel, "hi <@" + b.w.Bot.String() + ">", discordsim.SayOpts{}, "hi <@" + b.w.Bot.String() + ">"},
		{"old mention", b.w.Channel, "hi <@!" + b.w.Bot.String() + ">", discordsim.SayOpts{}, "hi <@!" + b.w.Bot.String() + ">"},
		{"reply with ping", b.w.Channel, "re", discordsim.SayOpts{ReplyTo: own.id()}, "re"},
		{"reply without ping", b.w.Channel, "re", discordsim.SayOpts{ReplyTo: own.id(), NoPing: true}, ""},
		{"direct message", dm.ID, "psst", discordsim.SayOpts{}, "psst"},
	}
	if f := c.until("MESSAGE_CREATE"); f.data(t)["content"] != "mine" {
		t.Fatalf("own message heard as %s", f.D)
	}
	full.until("MESSAGE_CREATE")
	for _, tt := range tests {
		b.say(tt.channel, b.w.User, tt.text, tt.opts)
		if d := c.until("MESSAGE_CREATE").data(t); d["content"] != tt.want || len(d["attachments"].([]any)) > 0 {
			t.Fatalf("%s: without the intent heard %v", tt.name, d)
		}
		if d := full.until("MESSAGE_CREATE").data(t); d["content"] != tt.text {
			t.Fatalf("%s: with the intent heard %v", tt.name, d)
		}
	}
	// Over REST the portal's switch counts.
	path := "/channels/" + b.w.Channel.String() + "/messages/" + b.Messages(b.w.Channel)[1].ID.String()
	if got := b.do("GET", path, nil).body["content"]; got != "plain" {
		t.Fatalf("history says %q", got)
	}
	b.Deny(discordsim.IntentMessageContent)
	if got := b.do("GET", path, nil).body["content"]; got != "" {
		t.Fatalf("history without approval says %q", got)
	}
}

func TestIntentsFilterEvents(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(discordsim.IntentDirectMessages)
	b.say(b.w.Channel, b.w.User, "in the guild")
	must(t, b.TypeAs(b.w.Channel, b.w.User))
	_, err := b.AddChannel(discordsim.Channel{Guild: b.w.Guild})
	must(t, err)
	dm, err := b.OpenDM(b.w.User)
	must(t, err)
	b.say(dm.ID, b.w.User, "direct")
	if f := c.next(); f.T != "MESSAGE_CREATE" || f.data(t)["content"] != "direct" {
		t.Fatalf("heard %s %s", f.T, f.D)
	}
}

// The bot hears nothing of channels that it cannot see, and of guilds that it has left.
func TestSight(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	must(t, b.SetOverwrites(b.w.Channel, discordsim.Overwrite{ID: b.w.Bot, Member: true, Deny: discordsim.ViewChannel}))
	c.until("CHANNEL_UPDATE")
	b.say(b.w.Channel, b.w.User, "hidden")
	must(t, b.SetOverwrites(b.w.Channel))
	if f := c.next(); f.T != "CHANNEL_UPDATE" {
		t.Fatalf("heard %s %s", f.T, f.D)
	}
	must(t, b.KickBot(b.w.Guild))
	if f := c.next(); f.T != "GUILD_DELETE" || f.data(t)["unavailable"] != nil {
		t.Fatalf("heard %s %s", f.T, f.D)
	}
	b.say(b.w.Channel, b.w.User, "without you")
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 403, 50001)
	b.want(b.do("GET", "/guilds/"+b.w.Guild.String(), nil), 403, 50001)
	must(t, b.InviteBot(b.w.Guild))
	if f := c.next(); f.T != "GUILD_CREATE" {
		t.Fatalf("heard %s %s", f.T, f.D)
	}
	must(t, b.SetUnavailable(b.w.Guild, true))
	if f := c.next(); f.T != "GUILD_DELETE" || f.data(t)["unavailable"] != true {
		t.Fatalf("heard %s %s", f.T, f.D)
	}
	b.say(b.w.Channel, b.w.User, "in the outage")
	must(t, b.SetUnavailable(b.w.Guild, false))
	if f := c.next(); f.T != "GUILD_CREATE" {
		t.Fatalf("heard %s %s", f.T, f.D)
	}
	must(t, b.RemoveGuild(b.w.Guild))
	if f := c.next(); f.T != "GUILD_DELETE" {
		t.Fatalf("heard %s %s", f.T, f.D)
	}
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 404, 10003)
}

func TestEventsOfChanges(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	q := b.say(b.w.Channel, b.w.User, "first")
	c.until("MESSAGE_CREATE")

	_, err := b.Edit(q.ID, "second")
	must(t, err)
	if d := c.until("MESSAGE_UPDATE").data(t); d["content"] != "second" || d["edited_timestamp"] == nil {
		t.Fatalf("edit heard as %v", d)
	}
	must(t, b.Embed(q.ID))
	if d := c.until("MESSAGE_UPDATE").data(t); d["content"] != "second" || len(d["embeds"].([]any)) != 1 {
		t.Fatalf("link preview heard as %v", d)
	}
	must(t, b.TypeAs(b.w.Channel, b.w.User))
	if d := c.until("TYPING_START").data(t); d["user_id"] != b.w.User.String() || d["member"] == nil {
		t.Fatalf("typing heard as %v", d)
	}
	must(t, b.Delete(q.ID))
	if d := c.until("MESSAGE_DELETE").data(t); d["id"] != q.ID.String() || d["guild_id"] != b.w.Guild.String() {
		t.Fatalf("delete heard as %v", d)
	}
	one, two := b.say(b.w.Channel, b.w.User, "1"), b.say(b.w.Channel, b.w.User, "2")
	must(t, b.BulkDelete(b.w.Channel, one.ID, two.ID))
	if d := c.until("MESSAGE_DELETE_BULK").data(t); len(d["ids"].([]any)) != 2 || len(b.Messages(b.w.Channel)) != 0 {
		t.Fatalf("bulk delete heard as %v", d)
	}
	role, err := b.AddRole(b.w.Guild, "mod", discordsim.ManageGuild)
	must(t, err)
	c.until("GUILD_ROLE_CREATE")
	_, err = b.SetRole(b.w.Guild, discordsim.Role{ID: role.ID})
	must(t, err)
	if d := c.until("GUILD_ROLE_UPDATE").data(t)["role"].(object); d["permissions"] != "0" || d["name"] != "mod" {
		t.Fatalf("role heard as %v", d)
	}
	must(t, b.AddMember(b.w.Guild, b.w.Bot, role.ID)) // own updates need no intent
	if d := c.until("GUILD_MEMBER_UPDATE").data(t); d["roles"].([]any)[0] != role.ID.String() {
		t.Fatalf("own roles heard as %v", d)
	}
	must(t, b.DeleteRole(b.w.Guild, role.ID))
	c.until("GUILD_ROLE_DELETE")
	must(t, b.DeleteChannel(b.w.Channel))
	if d := c.until("CHANNEL_DELETE").data(t); d["id"] != b.w.Channel.String() {
		t.Fatalf("channel delete heard as %v", d)
	}
}

func TestKindsOfMessages(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	b.say(b.w.Channel, b.w.User, "", discordsim.SayOpts{Forwarded: []string{"forwarded words"}})
	d := c.until("MESSAGE_CREATE").data(t)
	snap := d["message_snapshots"].([]any)[0].(object)["message"].(object)
	if d["content"] != "" || snap["content"] != "forwarded words" || d["message_reference"].(object)["type"] != 1.0 {
		t.Fatalf("forward %v", d)
	}
	b.say(b.w.Channel, b.w.User, "", discordsim.SayOpts{Stickers: []discordsim.Sticker{{Name: "wave", Format: 4}}})
	if d := c.until("MESSAGE_CREATE").data(t); d["sticker_items"].([]any)[0].(object)["name"] != "wave" {
		t.Fatalf("sticker %v", d)
	}
	hook := b.NewID()
	b.say(b.w.Channel, b.w.User, "hooked", discordsim.SayOpts{Webhook: hook})
	d = c.until("MESSAGE_CREATE").data(t)
	if a := d["author"].(object); d["webhook_id"] != hook.String() || a["id"] != hook.String() || a["bot"] != true || d["member"] != nil {
		t.Fatalf("webhook %v", d)
	}
	b.say(b.w.Channel, b.w.User, "", discordsim.SayOpts{Type: discordsim.MemberJoin})
	if d := c.until("MESSAGE_CREATE").data(t); d["type"] != 7.0 {
		t.Fatalf("system message %v", d)
	}
	first := b.say(b.w.Channel, b.w.User, "first")
	c.until("MESSAGE_CREATE")
	b.say(b.w.Channel, b.w.Owner, "second", discordsim.SayOpts{ReplyTo: first.ID})
	d = c.until("MESSAGE_CREATE").data(t)
	if d["type"] != 19.0 || d["referenced_message"].(object)["content"] != "first" || d["mentions"].([]any)[0].(object)["id"] != b.w.User.String() {
		t.Fatalf("reply %v", d)
	}
	must(t, b.Delete(first.ID))
	b.say(b.w.Channel, b.w.Owner, "third", discordsim.SayOpts{ReplyTo: first.ID})
	d = c.until("MESSAGE_CREATE").data(t)
	if ref, there := d["referenced_message"]; !there || ref != nil {
		t.Fatalf("reply to a deleted message %v", d)
	}
}

func TestSayErrors(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	stranger := b.AddUser("stranger", false)
	category, err := b.AddChannel(discordsim.Channel{Guild: b.w.Guild, Type: discordsim.CategoryChannel})
	must(t, err)
	for name, at := range map[string][2]discordsim.ID{
		"unknown channel": {1, b.w.User}, "unknown user": {b.w.Channel, 1},
		"not a member": {b.w.Channel, stranger.ID}, "no text channel": {category.ID, b.w.User},
	} {
		if _, err := b.Say(at[0], at[1], "hi"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
