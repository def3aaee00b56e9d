package discordsim_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"salamander.dev/shared/sim/discordsim"
)

// remote is a client of a server whose Go methods the test does not use.
func remote(t *testing.T) (*discordsim.Client, *bundle) {
	t.Helper()
	s := &discordsim.Server{}
	must(t, s.Start(""))
	tr := &http.Transport{}
	t.Cleanup(func() { tr.CloseIdleConnections(); s.Close() })
	c := &discordsim.Client{URL: s.URL(), HTTP: &http.Client{Transport: tr}}
	w, err := c.DefaultWorld(deadline(t))
	must(t, err)
	return c, &bundle{s, w, t, &http.Client{Transport: tr}}
}

func TestClientRoad(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	c, b := remote(t)
	sock, _ := b.online(allIntents)
	q, err := c.Say(ctx, b.w.Channel, b.w.User, "question")
	must(t, err)
	sock.until("MESSAGE_CREATE")
	reply := object{"content": "answer", "message_reference": object{"message_id": q.ID}, "nonce": "n"}
	answered := make(chan error, 1)
	go func() {
		answered <- c.WaitFor(ctx, func() (bool, error) {
			n, err := c.ReplyCounts(ctx, []discordsim.ID{q.ID, 1})
			return n[q.ID] == 1, err
		})
	}()
	b.want(b.post(b.w.Channel, reply), 200, 0)
	must(t, <-answered)
	posts, err := c.Posts(ctx, 0)
	must(t, err)
	if len(posts) != 1 || posts[0].Reference != q.ID || posts[0].Nonce != "n" || !strings.Contains(string(posts[0].Body), "message_reference") || posts[0].Received.IsZero() {
		t.Fatalf("posts %+v", posts)
	}
	if later, err := c.Posts(ctx, 1); err != nil || len(later) != 0 {
		t.Fatalf("posts since 1: %v %+v", err, later)
	}
	replies, err := c.Replies(ctx, q.ID)
	must(t, err)
	msgs, err := c.Messages(ctx, b.w.Channel)
	must(t, err)
	one, err := c.Message(ctx, q.ID)
	must(t, err)
	if len(replies) != 1 || len(msgs) != 2 || one.Content != "question" {
		t.Fatalf("replies %+v, messages %+v, %+v", replies, msgs, one)
	}
	counts, err := c.Counts(ctx)
	must(t, err)
	routes, err := c.RequestCounts(ctx)
	must(t, err)
	sessions, err := c.Sessions(ctx)
	must(t, err)
	conns, err := c.Connections(ctx)
	must(t, err)
	if counts.Posts != 1 || counts.Connected != 1 || routes[postRoute][200] != 1 || len(sessions) != 1 || len(conns) != 1 {
		t.Fatalf("%+v %v %+v %+v", counts, routes, sessions, conns)
	}
	_, err = c.Edit(ctx, q.ID, "edited")
	must(t, err)
	must(t, c.Delete(ctx, q.ID))
	sock.until("MESSAGE_DELETE")
	if _, err := c.Message(ctx, q.ID); err == nil || c.Delete(ctx, q.ID) == nil {
		t.Fatal("the deleted message is still there")
	}
}

func TestClientWorld(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	c, b := remote(t)
	g, err := c.AddGuild(ctx, discordsim.Guild{Name: "second", Everyone: discordsim.ViewChannel})
	must(t, err)
	u, err := c.AddUser(ctx, discordsim.User{Name: "bob"})
	must(t, err)
	r, err := c.SetRole(ctx, g.ID, discordsim.Role{Name: "mod", Permissions: discordsim.ManageGuild})
	must(t, err)
	must(t, c.AddMember(ctx, g.ID, u.ID, r.ID))
	ch, err := c.AddChannel(ctx, discordsim.Channel{Guild: g.ID, Name: "chat"})
	must(t, err)
	must(t, c.SetOverwrites(ctx, ch.ID, discordsim.Overwrite{ID: u.ID, Member: true, Allow: discordsim.SendMessages}))
	if got := b.Permissions(ch.ID, u.ID); got != discordsim.ViewChannel|discordsim.SendMessages|discordsim.ManageGuild {
		t.Fatalf("permissions %b", got)
	}
	must(t, c.Timeout(ctx, g.ID, u.ID, time.Hour))
	must(t, c.Timeout(ctx, g.ID, u.ID, 0))
	must(t, c.DeleteRole(ctx, g.ID, r.ID))
	th, err := c.StartThread(ctx, ch.ID, 0, u.ID, "thread")
	must(t, err)
	must(t, c.SetThread(ctx, th.ID, true, true))
	if got, err := c.Channel(ctx, th.ID); err != nil || !got.Archived || !got.Locked || got.Parent != ch.ID {
		t.Fatalf("%v %+v", err, got)
	}
	guilds, err := c.Guilds(ctx)
	must(t, err)
	channels, err := c.Channels(ctx, g.ID)
	must(t, err)
	members, err := c.Members(ctx, g.ID)
	must(t, err)
	roles, err := c.Roles(ctx, g.ID)
	must(t, err)
	users, err := c.Users(ctx)
	must(t, err)
	if len(guilds) != 2 || len(channels) != 2 || len(members) != 3 || len(roles) != 1 || roles[0].ID != g.ID || len(users) != 5 {
		t.Fatalf("%+v %+v %+v %+v %+v", guilds, channels, members, roles, users)
	}
	dm, err := c.OpenDM(ctx, u.ID)
	must(t, err)
	must(t, c.TypeAs(ctx, dm.ID, u.ID))
	m, err := c.Say(ctx, dm.ID, u.ID, "psst", discordsim.SayOpts{Nonce: "x"})
	must(t, err)
	must(t, c.BulkDelete(ctx, dm.ID, m.ID))
	must(t, c.DeleteChannel(ctx, ch.ID))
	must(t, c.SetUnavailable(ctx, g.ID, true))
	must(t, c.SetUnavailable(ctx, g.ID, false))
	must(t, c.KickBot(ctx, g.ID))
	must(t, c.InviteBot(ctx, g.ID))
	must(t, c.RemoveGuild(ctx, g.ID))
	if err := c.RemoveGuild(ctx, g.ID); err == nil {
		t.Fatal("removed twice")
	}
	if id, err := c.BotID(ctx); err != nil || id != b.w.Bot {
		t.Fatalf("bot %s %v", id, err)
	}
	if list, err := c.Threads(ctx); err != nil || len(list) != 0 {
		t.Fatalf("threads of the bot: %v %v", list, err)
	}
}

func TestClientSlash(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	c, b := remote(t)
	sock, _ := b.online(allIntents)
	if _, err := c.RunSlash(ctx, b.w.Channel, b.w.User, "mute", nil); !errors.Is(err, discordsim.ErrNoCommand) {
		t.Fatalf("got %v", err)
	}
	b.register(muteCommand)
	if list, err := c.Commands(ctx, 0); err != nil || len(list) != 1 || list[0].Name != "mute" {
		t.Fatalf("commands %v %+v", err, list)
	}
	i, err := c.RunSlash(ctx, b.w.Channel, b.w.User, "mute", map[string]any{"user": b.w.Owner.String(), "n": 2})
	must(t, err)
	d := sock.until("INTERACTION_CREATE").data(t)
	b.want(b.do("POST", "/interactions/"+i.ID.String()+"/"+d["token"].(string)+"/callback",
		object{"type": 4, "data": object{"content": "done", "flags": 64}}), 204, 0)
	got, err := c.WaitAnswer(ctx, i.ID)
	if err != nil || got.Response.Content != "done" || !got.Ephemeral {
		t.Fatalf("%v %+v", err, got)
	}
}

func TestClientTrouble(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	c, b := remote(t)
	must(t, c.Inject(ctx, discordsim.Fault{Status: 503}))
	b.want(b.do("GET", "/users/@me", nil), 503, 0)
	must(t, c.Inject(ctx, discordsim.Fault{Status: 503, Times: -1}))
	must(t, c.ClearFaults(ctx))
	must(t, c.SetLimits(ctx, discordsim.RateLimits{On: true, Global: 1}))
	b.want(b.do("GET", "/users/@me", nil), 200, 0)
	b.want(b.do("GET", "/users/@me", nil), 429, 0)
	must(t, c.SetLimits(ctx, discordsim.RateLimits{}))
	must(t, c.Refuse(ctx, time.Hour))
	if _, err := b.try("GET", "/users/@me", nil); !broken(err) {
		t.Fatalf("refused: %v", err)
	}
	must(t, c.Refuse(ctx, 0))
	must(t, c.InjectGateway(ctx, discordsim.GatewayFault{ReconnectOnResume: 1}))
	must(t, c.Deny(ctx, discordsim.IntentMessageContent))
	sock := b.hello()
	sock.identify(object{"intents": allIntents})
	if code := sock.closed(); code != 4014 {
		t.Fatalf("closed with %d", code)
	}
	must(t, c.Deny(ctx, 0))
	sock, id := b.online(allIntents)
	n, err := c.CloseSockets(ctx, 0)
	if err != nil || n != 1 || sock.closed() != websocket.CloseAbnormalClosure {
		t.Fatalf("close sockets: %d %v", n, err)
	}
	gone(b)
	sock = resume(b, id, 2)
	if f := sock.next(); f.Op != 7 {
		t.Fatalf("got op %d", f.Op)
	}
	for op, do := range map[int]func(context.Context) (int, error){
		7: c.AskReconnect, 1: c.AskHeartbeat,
		9: func(ctx context.Context) (int, error) { return c.InvalidateSessions(ctx, false) },
	} {
		if n, err := do(ctx); err != nil || n != 1 {
			t.Fatalf("op %d: %d %v", op, n, err)
		}
		sock.untilOp(op)
	}
	if n, err := c.HalfOpen(ctx); err != nil || n != 1 {
		t.Fatalf("half-open: %d %v", n, err)
	}
	must(t, c.ForgetNonces(ctx))
	must(t, c.RestoreToken(ctx))
	if list, err := c.Violations(ctx); err != nil || len(list) != 0 {
		t.Fatalf("violations %v %v", list, err)
	}
	if list, err := c.Requests(ctx); err != nil || len(list) == 0 {
		t.Fatalf("requests %v %v", list, err)
	}
	if list, err := c.Typing(ctx, 0); err != nil || len(list) != 0 {
		t.Fatalf("typing %v %v", list, err)
	}
}

func TestClientEvents(t *testing.T) {
	t.Parallel()
	c, b := remote(t)
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	heard := make(chan discordsim.Event, 16)
	ended := make(chan error, 1)
	enough := errors.New("enough")
	go func() {
		ended <- c.Events(ctx, func(e discordsim.Event) error {
			heard <- e
			if e.Kind == discordsim.EventDelete {
				return enough
			}
			return nil
		})
	}()
	// The stream is open once something is heard; say until then.
	var first discordsim.Event
	for i := 0; first.Message == nil; i++ {
		b.say(b.w.Channel, b.w.User, fmt.Sprint(i))
		select {
		case first = <-heard:
		case <-time.After(time.Millisecond):
		}
	}
	if first.Kind != discordsim.EventMessage || first.Channel != b.w.Channel || first.User != b.w.User {
		t.Fatalf("event %+v", first)
	}
	must(t, b.Delete(first.Message.ID))
	go func() {
		for range heard { // drain what was said meanwhile
		}
	}()
	if err := <-ended; !errors.Is(err, enough) {
		t.Fatalf("events ended with %v", err)
	}
	close(heard)
}
