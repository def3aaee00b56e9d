package discordsim_test

import (
	"testing"
	"time"

	"salamander.dev/shared/sim/discordsim"
)

const (
	view    = discordsim.ViewChannel
	send    = discordsim.SendMessages
	history = discordsim.ReadMessageHistory
)

func TestPermissions(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	g := b.AddGuild(discordsim.Guild{Everyone: view | send | history})
	role, err := b.AddRole(g.ID, "role", discordsim.ManageMessages)
	must(t, err)
	other, err := b.AddRole(g.ID, "other", 0)
	must(t, err)
	admin, err := b.AddRole(g.ID, "admin", discordsim.Administrator)
	must(t, err)
	everyone := func(allow, deny discordsim.Permission) discordsim.Overwrite {
		return discordsim.Overwrite{ID: g.ID, Allow: allow, Deny: deny}
	}
	tests := []struct {
		name  string
		roles []discordsim.ID
		over  []discordsim.Overwrite
		want  discordsim.Permission
	}{
		{"@everyone", nil, nil, view | send | history},
		{"with a role", []discordsim.ID{role.ID}, nil, view | send | history | discordsim.ManageMessages},
		{"administrator, whatever is denied", []discordsim.ID{admin.ID}, []discordsim.Overwrite{everyone(0, view)}, discordsim.AllPermissions},
		{"everyone denied", nil, []discordsim.Overwrite{everyone(0, send)}, view | history},
		{"role allows what everyone is denied", []discordsim.ID{role.ID},
			[]discordsim.Overwrite{everyone(0, send), {ID: role.ID, Allow: send}}, view | send | history | discordsim.ManageMessages},
		{"one role's allow beats another's deny", []discordsim.ID{role.ID, other.ID},
			[]discordsim.Overwrite{{ID: role.ID, Allow: send}, {ID: other.ID, Deny: send}}, view | send | history | discordsim.ManageMessages},
		{"a role that one has not", nil, []discordsim.Overwrite{{ID: role.ID, Deny: send}}, view | send | history},
		{"the member beats roles, in any order", []discordsim.ID{role.ID},
			[]discordsim.Overwrite{{ID: b.w.User, Member: true, Deny: send}, {ID: role.ID, Allow: send}}, view | history | discordsim.ManageMessages},
		{"no view, nothing", nil, []discordsim.Overwrite{everyone(0, view)}, 0},
	}
	for _, tt := range tests {
		must(t, b.AddMember(g.ID, b.w.User, tt.roles...))
		ch, err := b.AddChannel(discordsim.Channel{Guild: g.ID, Overwrites: tt.over})
		must(t, err)
		if got := b.Permissions(ch.ID, b.w.User); got != tt.want {
			t.Errorf("%s: got %b, want %b", tt.name, got, tt.want)
		}
		if got := b.Permissions(ch.ID, g.Owner); got != discordsim.AllPermissions {
			t.Errorf("%s: the owner has %b", tt.name, got)
		}
		th, err := b.StartThread(ch.ID, 0, g.Owner, "thread")
		must(t, err)
		if got := b.Permissions(th.ID, b.w.User); got != tt.want {
			t.Errorf("%s: in a thread got %b, want the parent's %b", tt.name, got, tt.want)
		}
	}
	must(t, b.AddMember(g.ID, b.w.User, role.ID))
	ch, err := b.AddChannel(discordsim.Channel{Guild: g.ID})
	must(t, err)
	must(t, b.Timeout(g.ID, b.w.User, time.Hour))
	if got := b.Permissions(ch.ID, b.w.User); got != view|history {
		t.Errorf("timed out: %b", got)
	}
	must(t, b.Timeout(g.ID, b.w.User, 0))
	if got := b.Permissions(ch.ID, b.w.User); !got.Has(send) {
		t.Errorf("timeout lifted: %b", got)
	}
	if got := b.GuildPermissions(g.ID, b.w.User); got != view|send|history|discordsim.ManageMessages {
		t.Errorf("in the guild: %b", got)
	}
}

// Every missing permission has its own answer.
func TestMissingPermissions(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	q := b.say(b.w.Channel, b.w.User, "question")
	th, err := b.StartThread(b.w.Channel, 0, b.w.User, "side")
	must(t, err)
	ch, thread := "/channels/"+b.w.Channel.String(), "/channels/"+th.ID.String()
	reply := object{"content": "hi", "message_reference": object{"message_id": q.ID}}
	tests := []struct {
		name         string
		deny         discordsim.Permission
		path         string
		body         any
		status, code int
	}{
		{"post unseen", view, ch + "/messages", reply, 403, 50001},
		{"post", send, ch + "/messages", reply, 403, 50013},
		{"reply", history, ch + "/messages", reply, 403, 160002},
		{"post without history", history, ch + "/messages", object{"content": "hi"}, 200, 0},
		{"typing unseen", view, ch + "/typing", nil, 403, 50001},
		{"typing", send, ch + "/typing", nil, 403, 50013},
		{"thread post", discordsim.SendMessagesInThreads, thread + "/messages", object{"content": "hi"}, 403, 50013},
		{"thread post needs no SEND_MESSAGES", send, thread + "/messages", object{"content": "hi"}, 200, 0},
		{"thread under an unseen channel", view, thread + "/messages", object{"content": "hi"}, 403, 50001},
		{"open thread", discordsim.CreatePublicThreads, ch + "/messages/" + q.ID.String() + "/threads", object{"name": "x"}, 403, 50013},
		{"open private thread", 0, ch + "/threads", object{"name": "x", "type": 12}, 403, 50013},
	}
	for _, tt := range tests {
		must(t, b.SetOverwrites(b.w.Channel, discordsim.Overwrite{ID: b.w.Bot, Member: true, Deny: tt.deny}))
		if a := b.do("POST", tt.path, tt.body); a.status != tt.status || a.code() != tt.code {
			t.Errorf("%s: got %d %s, want %d code %d", tt.name, a.status, a.raw, tt.status, tt.code)
		}
	}
}
