package discordsim_test

import (
	"errors"
	"testing"
	"time"

	"salamander.dev/shared/sim/discordsim"
)

var muteCommand = object{"name": "mute", "description": "Ignore a user", "options": []any{
	object{"type": 6, "name": "user", "description": "whom", "required": true},
	object{"type": 3, "name": "duration", "description": "how long"},
	object{"type": 5, "name": "all", "description": "everywhere"},
	object{"type": 4, "name": "n", "description": "number"},
}}

func (b *bundle) register(commands ...object) {
	b.t.Helper()
	b.want(b.do("PUT", "/applications/"+b.w.Bot.String()+"/commands", commands), 200, 0)
}

// run runs /mute and returns what the bot heard of it.
func (b *bundle) run(c *socket) (discordsim.Interaction, object) {
	b.t.Helper()
	i, err := b.RunSlash(b.w.Channel, b.w.User, "mute", map[string]any{"user": b.w.Owner, "duration": "10m", "all": true, "n": 3})
	must(b.t, err)
	return i, c.until("INTERACTION_CREATE").data(b.t)
}

func TestSlashCommand(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(0) // interactions need no intent
	b.register(muteCommand)
	must(t, b.SetOverwrites(b.w.Channel, discordsim.Overwrite{ID: b.w.User, Member: true, Allow: discordsim.ManageGuild}))
	i, d := b.run(c)
	m := d["member"].(object)
	if d["id"] != i.ID.String() || d["guild_id"] != b.w.Guild.String() || m["user"].(object)["id"] != b.w.User.String() ||
		m["permissions"] != b.Permissions(b.w.Channel, b.w.User).String() || d["app_permissions"] != b.Permissions(b.w.Channel, b.w.Bot).String() {
		t.Fatalf("INTERACTION_CREATE %v", d)
	}
	data := d["data"].(object)
	opts := data["options"].([]any)
	if data["name"] != "mute" || len(opts) != 4 || opts[0].(object)["value"] != b.w.Owner.String() || opts[1].(object)["value"] != "10m" || opts[2].(object)["value"] != true {
		t.Fatalf("data %v", data)
	}
	if data["resolved"].(object)["users"].(object)[b.w.Owner.String()] == nil {
		t.Fatalf("resolved %v", data)
	}
	callback := "/interactions/" + i.ID.String() + "/" + d["token"].(string) + "/callback"
	hook := "/webhooks/" + b.w.Bot.String() + "/" + d["token"].(string)
	b.want(b.do("PATCH", hook+"/messages/@original", object{"content": "early"}), 404, 10015)
	b.want(b.do("POST", callback, object{"type": 9}), 400, 50035)
	b.want(b.do("POST", callback, object{"type": 5, "data": object{"flags": 64}}), 204, 0)
	b.want(b.do("POST", callback, object{"type": 5}), 400, 40060)
	if got, _ := b.Interaction(i.ID); got.Type != 5 || !got.Ephemeral || got.Answered() {
		t.Fatalf("deferred: %+v", got)
	}
	b.want(b.do("PATCH", hook+"/messages/@original", object{"content": "muted"}), 200, 0)
	got, err := b.WaitAnswer(deadline(t), i.ID)
	must(t, err)
	if got.Response.Content != "muted" || got.Response.Flags&discordsim.FlagEphemeral == 0 || len(got.Edits) != 1 {
		t.Fatalf("answered: %+v", got)
	}
	if n := len(b.Messages(b.w.Channel)); n != 0 {
		t.Fatalf("%d messages of an ephemeral answer are public", n)
	}
	follow := b.want(b.do("POST", hook+"?wait=true", object{"content": "by the way", "flags": 64}), 200, 0)
	b.want(b.do("PATCH", hook+"/messages/"+follow.id().String(), object{"content": "never mind"}), 200, 0)
	if a := b.do("GET", hook+"/messages/@original", nil); a.body["content"] != "muted" {
		t.Fatalf("@original %s", a.raw)
	}
	got, _ = b.Interaction(i.ID)
	if len(got.FollowUps) != 1 || got.FollowUps[0].Content != "never mind" {
		t.Fatalf("follow-ups %+v", got.FollowUps)
	}
	b.want(b.do("DELETE", hook+"/messages/@original", nil), 204, 0)
	b.want(b.do("GET", hook+"/messages/@original", nil), 404, 10008)
	posts := b.Posts()
	if len(posts) != 2 || !posts[0].Ephemeral() || posts[0].Interaction != i.ID {
		t.Fatalf("posts %+v", posts)
	}
}

// A public answer stands in the channel, and the first follow-up of a deferred one is it.
func TestPublicResponse(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	b.register(muteCommand)
	i, d := b.run(c)
	path := "/interactions/" + i.ID.String() + "/" + d["token"].(string) + "/callback"
	b.want(b.do("POST", path, object{"type": 4, "data": object{"content": ""}}), 400, 50006)
	a := b.want(b.do("POST", path+"?with_response=true", object{"type": 4, "data": object{"content": "done"}}), 200, 0)
	if a.body["resource"].(object)["message"].(object)["content"] != "done" {
		t.Fatalf("response %s", a.raw)
	}
	if d := c.until("MESSAGE_CREATE").data(t); d["content"] != "done" || d["type"] != 20.0 || d["webhook_id"] != b.w.Bot.String() {
		t.Fatalf("heard %v", d)
	}
	i, d = b.run(c)
	b.want(b.do("POST", "/interactions/"+i.ID.String()+"/"+d["token"].(string)+"/callback", object{"type": 5}), 204, 0)
	if d := c.until("MESSAGE_CREATE").data(t); d["flags"] != 128.0 {
		t.Fatalf("thinking heard as %v", d)
	}
	b.want(b.do("POST", "/webhooks/"+b.w.Bot.String()+"/"+d["token"].(string), object{"content": "filled", "flags": 64}), 200, 0)
	if d := c.until("MESSAGE_UPDATE").data(t); d["content"] != "filled" || d["flags"] != 0.0 {
		t.Fatalf("fill heard as %v", d)
	}
	if got, _ := b.Interaction(i.ID); got.Ephemeral || got.Response.Content != "filled" || len(got.FollowUps) != 0 {
		t.Fatalf("interaction %+v", got)
	}
}

func TestInteractionWindows(t *testing.T) {
	t.Parallel()
	k := newClock()
	b := setup(t, &discordsim.Server{Now: k.now})
	c, _ := b.online(allIntents)
	b.register(muteCommand)
	i, d := b.run(c)
	k.advance(3*time.Second + time.Millisecond)
	b.want(b.do("POST", "/interactions/"+i.ID.String()+"/"+d["token"].(string)+"/callback", object{"type": 5}), 404, 10062)
	b.want(b.do("POST", "/interactions/"+i.ID.String()+"/nonsense/callback", object{"type": 5}), 404, 10062)
	i, d = b.run(c)
	b.want(b.do("POST", "/interactions/"+i.ID.String()+"/"+d["token"].(string)+"/callback", object{"type": 5}), 204, 0)
	k.advance(15 * time.Minute)
	b.want(b.do("PATCH", "/webhooks/"+b.w.Bot.String()+"/"+d["token"].(string)+"/messages/@original", object{"content": "late"}), 401, 50027)
}

// What Discord's client would not let a user do never reaches the bot.
func TestSlashErrors(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	hidden := object{"name": "hidden", "description": "x", "default_member_permissions": discordsim.ManageGuild}
	guildOnly := object{"name": "guildonly", "description": "x", "dm_permission": false}
	contexts := object{"name": "contexts", "description": "x", "contexts": []int{0}}
	b.register(muteCommand, hidden, guildOnly, contexts)
	dm, err := b.OpenDM(b.w.User)
	must(t, err)
	user := map[string]any{"user": b.w.Owner}
	tests := []struct {
		name    string
		channel discordsim.ID
		command string
		options map[string]any
		want    error
	}{
		{"unknown", b.w.Channel, "nothing", nil, discordsim.ErrNoCommand},
		{"required option missing", b.w.Channel, "mute", nil, discordsim.ErrBadOption},
		{"wrong type", b.w.Channel, "mute", map[string]any{"user": true}, discordsim.ErrBadOption},
		{"unknown option", b.w.Channel, "mute", map[string]any{"user": b.w.Owner, "x": 1}, discordsim.ErrBadOption},
		{"hidden", b.w.Channel, "hidden", nil, discordsim.ErrCommandHidden},
		{"dm_permission", dm.ID, "guildonly", nil, discordsim.ErrNoCommand},
		{"contexts", dm.ID, "contexts", nil, discordsim.ErrNoCommand},
		{"fine in a DM", dm.ID, "mute", user, nil},
		{"fine in a guild", b.w.Channel, "contexts", nil, nil},
	}
	for _, tt := range tests {
		if _, err := b.RunSlash(tt.channel, b.w.User, tt.command, tt.options); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := b.RunSlash(b.w.Channel, b.w.Owner, "hidden", nil); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	app := "/applications/" + b.w.Bot.String()
	stop := object{"name": "stop", "description": "Be silent"}
	b.register(muteCommand, stop)
	before := b.Commands(0)
	b.register(muteCommand, object{"name": "stop", "description": "Be quite silent"})
	after := b.Commands(0)
	if len(after) != 2 || after[0].ID != before[0].ID || after[0].Version != before[0].Version {
		t.Fatalf("an unchanged command got a new id or version: %+v, %+v", before[0], after[0])
	}
	if after[1].ID != before[1].ID || after[1].Version == before[1].Version || b.CommandWrites(0) != 2 {
		t.Fatalf("a changed command: %+v, %+v", before[1], after[1])
	}
	b.want(b.do("POST", app+"/guilds/"+b.w.Guild.String()+"/commands", stop), 201, 0)
	b.want(b.do("POST", app+"/guilds/"+b.w.Guild.String()+"/commands", stop), 200, 0)
	own := b.Commands(b.w.Guild)
	if len(own) != 1 || own[0].GuildID != b.w.Guild {
		t.Fatalf("guild commands %+v", own)
	}
	b.want(b.do("DELETE", app+"/guilds/"+b.w.Guild.String()+"/commands/"+own[0].ID.String(), nil), 204, 0)
	b.want(b.do("DELETE", app+"/guilds/"+b.w.Guild.String()+"/commands/"+own[0].ID.String(), nil), 404, 10063)
	b.want(b.do("GET", "/applications/1/commands", nil), 404, 10002)
	b.want(b.do("GET", app+"/guilds/1/commands", nil), 404, 10004)
	for name, bad := range map[string]any{
		"upper case":     []object{{"name": "Stop", "description": "x"}},
		"white space":    []object{{"name": "s top", "description": "x"}},
		"no description": []object{{"name": "stop"}},
		"twice":          []object{stop, stop},
		"order of options": []object{{"name": "x", "description": "x", "options": []any{
			object{"type": 3, "name": "a", "description": "a"}, object{"type": 3, "name": "b", "description": "b", "required": true}}}},
	} {
		if a := b.do("PUT", app+"/commands", bad); a.status != 400 || a.code() != 50035 {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
}
