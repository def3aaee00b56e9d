package discordsim_test

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"salamander.dev/shared/sim/discordsim"
)

func TestReadyAndGuildCreate(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	q := b.say(b.w.Channel, b.w.User, "before you came")
	th, err := b.StartThread(b.w.Channel, q.ID, b.w.User, "side")
	must(t, err)
	role, err := b.AddRole(b.w.Guild, "mod", discordsim.ManageGuild)
	must(t, err)
	must(t, b.AddMember(b.w.Guild, b.w.Bot, role.ID))

	c, ready := b.identified(object{"shard": []int{0, 1}})
	d := ready.data(t)
	if d["user"].(object)["id"] != b.w.Bot.String() || d["session_id"] == "" || !strings.HasSuffix(d["resume_gateway_url"].(string), "/resume") {
		t.Fatalf("READY %v", d)
	}
	if g := d["guilds"].([]any); len(g) != 1 || g[0].(object)["unavailable"] != true || ready.S != 1 {
		t.Fatalf("READY guilds %v, seq %d", g, ready.S)
	}
	f := c.next()
	g := f.data(t)
	if f.T != "GUILD_CREATE" || f.S != 2 || g["owner_id"] != b.w.Owner.String() || len(g["roles"].([]any)) != 2 {
		t.Fatalf("%s %d %v", f.T, f.S, g)
	}
	ch := g["channels"].([]any)[0].(object)
	if ch["last_message_id"] != q.ID.String() || ch["guild_id"] != nil {
		t.Fatalf("channel %v", ch)
	}
	thread := g["threads"].([]any)[0].(object)
	if thread["id"] != th.ID.String() || thread["parent_id"] != b.w.Channel.String() || thread["owner_id"] != b.w.User.String() {
		t.Fatalf("thread %v", thread)
	}
	members := g["members"].([]any)
	own := members[0].(object)
	if len(members) != 1 || own["user"].(object)["id"] != b.w.Bot.String() || own["roles"].([]any)[0] != role.ID.String() {
		t.Fatalf("members %v", members)
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, id := b.online(allIntents)
	c.write(1, 2)
	c.untilOp(11)
	c.write(1, nil)
	c.untilOp(11)
	if n := b.AskHeartbeat(); n != 1 {
		t.Fatalf("asked %d connections", n)
	}
	c.untilOp(1)
	beats := b.Connections()[0].Heartbeats
	if len(beats) != 2 || beats[0].Seq != 2 || !beats[0].Acked || beats[1].Seq != 0 {
		t.Fatalf("heartbeats %+v", beats)
	}
	if s := b.Sessions()[0]; s.ID != id || s.Heartbeats != 2 || !s.Connected {
		t.Fatalf("session %+v", s)
	}
}

func TestRefusedIdentify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		d    object
		code int
	}{
		{"wrong token", object{"token": "nonsense"}, 4004},
		{"unknown intent", object{"intents": 1 << 30}, 4013},
		{"no intents", object{"intents": nil}, 4013},
		{"intent off in the portal", object{"intents": discordsim.IntentGuildMembers}, 4014},
		{"shard out of range", object{"shard": []int{2, 2}}, 4010},
		{"no shards", object{"shard": []int{0, 0}}, 4010},
		{"too many guilds", object{"shard": []int{0, 1}}, 4011},
		{"decode", object{"shard": "first"}, 4002},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, &discordsim.Server{Denied: discordsim.IntentGuildMembers, MaxGuildsPerShard: 1})
			b.AddGuild(discordsim.Guild{Name: "second"})
			c := b.hello()
			c.identify(tt.d)
			if code := c.closed(); code != tt.code {
				t.Fatalf("closed with %d, want %d", code, tt.code)
			}
			must(t, b.WaitFor(deadline(t), func() bool { return b.Connections()[0].ServerCode == tt.code }))
			if n := b.Counts().Identifies; n != 0 {
				t.Fatalf("%d sessions were made", n)
			}
		})
	}
}

func TestProtocolErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		query string
		first bool // IDENTIFY first
		op    int
		raw   string // in place of op
		code  int
	}{
		{name: "unknown opcode", query: "v=10&encoding=json", op: 99, code: 4001},
		{name: "no JSON", query: "v=10&encoding=json", raw: "{", code: 4002},
		{name: "over 4096 bytes", query: "v=10&encoding=json", raw: `{"op":1,"d":null,"x":"` + strings.Repeat("x", 4096) + `"}`, code: 4002},
		{name: "before IDENTIFY", query: "v=10&encoding=json", op: 3, code: 4003},
		{name: "IDENTIFY twice", query: "v=10&encoding=json", first: true, op: 2, code: 4005},
		{name: "old version", query: "v=6&encoding=json", op: 1, code: 4012},
		{name: "etf", query: "v=10&encoding=etf", op: 1, code: 4002},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, &discordsim.Server{})
			c := b.dial(tt.query)
			if tt.first {
				c.untilOp(10)
				c.identify(nil)
				c.until("READY")
			}
			if tt.raw != "" {
				must(t, c.WriteMessage(websocket.TextMessage, []byte(tt.raw)))
			} else {
				c.write(tt.op, object{"token": discordsim.DefaultToken, "intents": 1})
			}
			if code := c.closed(); code != tt.code {
				t.Fatalf("closed with %d, want %d", code, tt.code)
			}
		})
	}
}

func TestTooManyFrames(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	for range 120 { // IDENTIFY was the first of 120
		c.write(1, nil)
	}
	if code := c.closed(); code != 4008 {
		t.Fatalf("closed with %d, want 4008", code)
	}
}

func TestIdentifySpacing(t *testing.T) {
	t.Parallel()
	k := newClock()
	b := setup(t, &discordsim.Server{Now: k.now, MaxConcurrency: 2, Limits: discordsim.RateLimits{On: true}})
	b.identified(object{"shard": []int{0, 4}})
	b.identified(object{"shard": []int{1, 4}}) // another key
	c := b.hello()
	c.identify(object{"shard": []int{2, 4}}) // the key of shard 0, too early
	if f := c.next(); f.Op != 9 || string(f.D) != "false" {
		t.Fatalf("got op %d %s, want op 9 false", f.Op, f.D)
	}
	k.advance(5e9)
	c.identify(object{"shard": []int{2, 4}}) // on the same connection
	c.until("READY")
}

func TestSessionStartLimit(t *testing.T) {
	t.Parallel()
	k := newClock()
	b := setup(t, &discordsim.Server{Now: k.now, SessionStarts: 1})
	b.identified(nil)
	limit := b.do("GET", "/gateway/bot", nil).body["session_start_limit"].(object)
	if limit["remaining"] != 0.0 || limit["total"] != 1.0 || limit["max_concurrency"] != 1.0 || limit["reset_after"] != 86400000.0 {
		t.Fatalf("session_start_limit %v", limit)
	}
	c := b.hello()
	c.identify(nil)
	if code := c.closed(); code != 4004 {
		t.Fatalf("closed with %d, want 4004: the token is reset", code)
	}
	b.want(b.do("GET", "/users/@me", nil), 401, 0)
	b.RestoreToken()
	b.identified(nil)
}

func TestGatewayURL(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{Shards: 3})
	want := "ws" + strings.TrimPrefix(b.URL(), "http")
	if got := b.do("GET", "/gateway", nil).body["url"]; got != want {
		t.Fatalf("url %v, want %s", got, want)
	}
	if got := b.do("GET", "/gateway/bot", nil).body; got["url"] != want || got["shards"] != 3.0 {
		t.Fatalf("gateway/bot %v", got)
	}
}

func TestPayloadCompression(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c := b.hello()
	c.identify(object{"compress": true})
	kind, raw, err := c.ReadMessage()
	must(t, err)
	if kind != websocket.BinaryMessage {
		t.Fatalf("READY came as message type %d", kind)
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	must(t, err)
	var f frame
	must(t, json.NewDecoder(z).Decode(&f))
	if f.T != "READY" || !b.Sessions()[0].Compress {
		t.Fatalf("got %s", f.T)
	}
	c.until("GUILD_CREATE")
}

func TestTransportCompression(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c := b.dial("v=10&encoding=json&compress=zlib-stream")
	pipe := &frames{ws: c.Conn}
	z, err := zlib.NewReader(pipe)
	must(t, err)
	dec := json.NewDecoder(z)
	var f frame
	must(t, dec.Decode(&f))
	if f.Op != 10 {
		t.Fatalf("got op %d", f.Op)
	}
	c.identify(nil)
	must(t, dec.Decode(&f))
	if f.T != "READY" {
		t.Fatalf("got %s", f.T)
	}
}

// frames reads the binary messages of a WebSocket as one stream.
type frames struct {
	ws   *websocket.Conn
	left []byte
}

func (r *frames) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		_, raw, err := r.ws.ReadMessage()
		if err != nil {
			return 0, err
		}
		r.left = raw
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}
