package discordsim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/discordsim/spec"
)

func TestIDs(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	before := time.Now().Truncate(time.Millisecond)
	last := discordsim.ID(0)
	for range 10_000 {
		id := b.NewID()
		if id <= last {
			t.Fatalf("%d after %d", id, last)
		}
		last = id
	}
	if at := last.Time(); at.Before(before) || at.After(time.Now().Add(time.Second)) {
		t.Fatalf("the id carries %s", at)
	}
	if got := discordsim.IDAt(last.Time()); got.Time() != last.Time() || got > last {
		t.Fatalf("IDAt %s of %s", got, last)
	}
	var v struct{ A, B, C discordsim.ID }
	must(t, json.Unmarshal([]byte(`{"A":"7","B":8,"C":null}`), &v))
	if v.A != 7 || v.B != 8 || v.C != 0 {
		t.Fatalf("%+v", v)
	}
	if json.Unmarshal([]byte(`{"A":"x"}`), &v) == nil {
		t.Fatal("x is a snowflake")
	}
	if _, err := discordsim.ParseID("0"); err == nil {
		t.Fatal("0 is an id")
	}
}

// Bounds cut lists, never totals or the count of replies.
func TestBoundedBooks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                            string
		s                               *discordsim.Server
		maxPosts, maxBodies, maxHistory int
	}{
		{"bounded", &discordsim.Server{KeepPosts: 100, KeepBodies: 10, KeepMessages: 50}, 125, 13, 63},
		{"counters only", &discordsim.Server{KeepPosts: -1, KeepBodies: -1, KeepMessages: 1}, 0, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, tt.s)
			const n = 400
			var asked []discordsim.ID
			for i := range n {
				q := b.say(b.w.Channel, b.w.User, fmt.Sprint(i))
				asked = append(asked, q.ID)
				b.want(b.post(b.w.Channel, object{"content": "a", "message_reference": object{"message_id": q.ID}}), 200, 0)
			}
			posts, bodies := b.Posts(), 0
			for _, p := range posts {
				if p.Body != nil {
					bodies++
				}
			}
			if len(posts) > tt.maxPosts || bodies > tt.maxBodies || len(b.Messages(b.w.Channel)) > tt.maxHistory || len(b.Requests()) > tt.maxPosts {
				t.Fatalf("kept %d posts, %d bodies, %d messages, %d requests", len(posts), bodies, len(b.Messages(b.w.Channel)), len(b.Requests()))
			}
			if tt.maxPosts > 0 && (posts[len(posts)-1].Reference != asked[n-1] || posts[len(posts)-1].Body == nil) {
				t.Fatalf("the last post is %+v", posts[len(posts)-1])
			}
			for _, id := range asked {
				if b.ReplyCount(id) != 1 {
					t.Fatalf("%d replies to %s", b.ReplyCount(id), id)
				}
			}
			if c := b.Counts(); c.Posts != n || c.Said != n || b.RequestCounts()[postRoute][200] != n {
				t.Fatalf("counts %+v", c)
			}
		})
	}
}

func TestWaitFor(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	asked := make(chan struct{}, 1000)
	done := make(chan error, 1)
	go func() {
		done <- b.WaitFor(deadline(t), func() bool {
			asked <- struct{}{}
			return b.Counts().Said == 3
		})
	}()
	<-asked
	for i := range 3 {
		b.say(b.w.Channel, b.w.User, fmt.Sprint(i))
	}
	must(t, <-done)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.WaitFor(ctx, func() bool { return false }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	sub, slow := b.Subscribe(0), b.Subscribe(1)
	q := b.say(b.w.Channel, b.w.User, "hi")
	must(t, b.TypeAs(b.w.Channel, b.w.User))
	_, err := b.StartThread(b.w.Channel, q.ID, b.w.User, "side")
	must(t, err)
	must(t, b.Delete(q.ID))
	must(t, b.DeleteChannel(b.w.Channel))
	must(t, b.KickBot(b.w.Guild))
	sub.Close()
	sub.Close()
	var kinds []string
	for e := range sub.C {
		if e.At.IsZero() || e.Guild != b.w.Guild {
			t.Errorf("event %+v", e)
		}
		kinds = append(kinds, e.Kind)
	}
	want := "[message typing thread edit message delete gone guild]"
	if got := fmt.Sprint(kinds); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	slow.Close()
	if len(slow.C) != 1 || slow.Lost() != 7 {
		t.Errorf("the slow reader has %d events and lost %d", len(slow.C), slow.Lost())
	}
}

func TestConnectionEvents(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	sub := b.Subscribe(0)
	c, id := b.online(allIntents)
	c.Close()
	gone(b)
	resume(b, id, 2).until("RESUMED")
	g := b.AddGuild(discordsim.Guild{})
	_, err := b.AddChannel(discordsim.Channel{Guild: g.ID})
	must(t, err)
	sub.Close()
	var kinds []string
	for e := range sub.C {
		if e.Session != "" && e.Session != id {
			t.Errorf("event %+v", e)
		}
		kinds = append(kinds, e.Kind)
	}
	if got, want := fmt.Sprint(kinds), "[connected identify closed connected resume guild channel]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A Server can be mounted in another one, and its links point there.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	s := &discordsim.Server{}
	front := httptest.NewServer(s)
	defer front.Close()
	defer s.Close()
	w := s.DefaultWorld()
	res, err := front.Client().Get(front.URL + "/api/v9/gateway")
	must(t, err)
	defer res.Body.Close()
	var got struct{ URL string }
	must(t, json.NewDecoder(res.Body).Decode(&got))
	if got.URL != "ws"+front.URL[len("http"):] || s.URL() != "" {
		t.Fatalf("gateway %q, own URL %q", got.URL, s.URL())
	}
	ws, _, err := websocket.DefaultDialer.Dial(got.URL+"/?v=9&encoding=json", nil)
	must(t, err)
	defer ws.Close()
	c := &socket{ws, t}
	c.untilOp(10)
	c.identify(nil)
	c.until("GUILD_CREATE")
	if _, err := s.Say(w.Channel, w.User, "hi"); err != nil {
		t.Fatal(err)
	}
	c.until("MESSAGE_CREATE")
}

func TestStartAndCloseTwice(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	if err := b.Start(""); err == nil {
		t.Fatal("started twice")
	}
	if err := (&discordsim.Server{}).Start(b.URL()[len("http://"):]); err == nil {
		t.Fatal("two servers on one port")
	}
	old, err := http.NewRequest("GET", b.URL()+"/api/v6/gateway", nil)
	must(t, err)
	if a, err := b.send(old); err != nil || a.code() != 50041 {
		t.Fatalf("v6: %v %s", err, a.raw)
	}
	c, _ := b.online(allIntents)
	b.Close()
	b.Close()
	c.closed()
	if b.URL() != "" {
		t.Fatalf("still at %s", b.URL())
	}
}

// What the simulator answers fits Discord's own description of its API.
func TestAnswersFitTheDescription(t *testing.T) {
	t.Parallel()
	sp, err := spec.Load()
	must(t, err)
	b := setup(t, &discordsim.Server{CheckRequest: sp.CheckRequest})
	c, _ := b.online(allIntents)
	role, err := b.AddRole(b.w.Guild, "mod", discordsim.ManageGuild)
	must(t, err)
	q := b.say(b.w.Channel, b.w.User, "<@"+b.w.Bot.String()+"> hi", discordsim.SayOpts{
		Attachments: []discordsim.Attachment{{Name: "a.png", URL: "https://cdn.example/a.png", Size: 3}}, Stickers: []discordsim.Sticker{{Name: "wave"}}})
	must(t, b.AddMember(b.w.Guild, b.w.Bot, role.ID))
	ch, app := "/channels/"+b.w.Channel.String(), "/applications/"+b.w.Bot.String()
	check := func(method, path string, body any, status int) answer {
		t.Helper()
		a := b.do(method, path, body)
		if a.status != status {
			t.Fatalf("%s %s: %d %s", method, path, a.status, a.raw)
		}
		if err := sp.CheckResponse(method, path, a.status, a.raw); err != nil {
			t.Errorf("%v\n%s", err, a.raw)
		}
		return a
	}
	reply := object{"content": "hi", "nonce": "n", "enforce_nonce": true, "message_reference": object{"message_id": q.ID, "fail_if_not_exists": false},
		"allowed_mentions": object{"parse": []string{}, "replied_user": true}}
	own := check("POST", ch+"/messages", reply, 200).id().String()
	check("POST", ch+"/typing", nil, 204)
	check("PATCH", ch+"/messages/"+own, object{"content": "edited"}, 200)
	check("POST", ch+"/messages/"+q.ID.String()+"/threads", object{"name": "side"}, 201)
	check("GET", ch+"/messages/"+q.ID.String(), nil, 200)
	check("GET", ch+"/messages", nil, 200)
	check("GET", ch, nil, 200)
	check("GET", "/channels/"+q.ID.String(), nil, 200)
	check("DELETE", ch+"/messages/"+own, nil, 204)
	check("GET", "/gateway", nil, 200)
	check("GET", "/gateway/bot", nil, 200)
	check("GET", "/users/@me", nil, 200)
	check("GET", "/guilds/"+b.w.Guild.String()+"/members/"+b.w.User.String(), nil, 200)
	check("POST", "/users/@me/channels", object{"recipient_id": b.w.User}, 200)
	check("PUT", app+"/commands", []any{muteCommand}, 200)
	check("GET", app+"/commands", nil, 200)
	check("GET", "/channels/1", nil, 404)
	check("POST", ch+"/messages", object{"content": ""}, 400)
	i, d := b.run(c)
	check("POST", "/interactions/"+i.ID.String()+"/"+d["token"].(string)+"/callback", object{"type": 5, "data": object{"flags": 64}}, 204)
	check("PATCH", "/webhooks/"+b.w.Bot.String()+"/"+d["token"].(string)+"/messages/@original", object{"content": "done"}, 200)
	b.SetLimits(discordsim.RateLimits{On: true, Global: 0, Routes: map[string]discordsim.Rate{postRoute: {N: 0}, "GET /users/@me": {N: 1, Per: time.Hour}}})
	check("GET", "/users/@me", nil, 200)
	check("GET", "/users/@me", nil, 429)
	if v := b.Violations(); len(v) != 0 {
		t.Fatalf("violations %+v", v)
	}
	b.post(b.w.Channel, object{"content": "x", "enforced_nonce": true})
	if v := b.Violations(); len(v) != 1 || v[0].Route != postRoute || b.Counts().Violations != 1 {
		t.Fatalf("violations %+v", v)
	}
}
