package discordsim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"salamander.dev/shared/sim/discordsim"
)

func resume(b *bundle, session string, seq int64) *socket {
	b.t.Helper()
	c := b.hello()
	c.write(6, object{"token": discordsim.DefaultToken, "session_id": session, "seq": seq})
	return c
}

// gone waits until the server has noticed the end of all connections.
func gone(b *bundle) {
	b.t.Helper()
	must(b.t, b.WaitFor(deadline(b.t), func() bool { return b.Counts().Connected == 0 }))
}

func TestResumeReplaysInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, id := b.online(allIntents)
	b.say(b.w.Channel, b.w.User, "heard")
	seq := c.until("MESSAGE_CREATE").S
	c.Close() // no close frame: the session stays
	gone(b)
	for i := range 200 {
		b.say(b.w.Channel, b.w.User, fmt.Sprint("missed ", i))
	}
	c = resume(b, id, seq)
	for i := range 200 {
		f := c.next()
		if f.S != seq+int64(i)+1 || f.data(t)["content"] != fmt.Sprint("missed ", i) {
			t.Fatalf("replay %d: %s seq %d %s", i, f.T, f.S, f.D)
		}
	}
	if f := c.next(); f.T != "RESUMED" {
		t.Fatalf("after the replay came %s, want RESUMED", f.T)
	}
	b.say(b.w.Channel, b.w.User, "live")
	if f := c.until("MESSAGE_CREATE"); f.data(t)["content"] != "live" {
		t.Fatalf("got %s", f.D)
	}
	s := b.Sessions()
	if len(s) != 1 || len(s[0].Resumes) != 1 || !s[0].Connected || b.Connections()[1].ResumedFrom != seq {
		t.Fatalf("sessions %+v", s)
	}

	// A second resume from the old seq replays everything but the RESUMED of the first.
	c.Close()
	gone(b)
	c = resume(b, id, seq)
	for range 201 {
		if f := c.next(); f.T != "MESSAGE_CREATE" {
			t.Fatalf("replay holds %s", f.T)
		}
	}
	if f := c.next(); f.T != "RESUMED" {
		t.Fatalf("got %s, want RESUMED", f.T)
	}
}

func TestResumeURL(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	_, ready := b.identified(nil)
	d := ready.data(t)
	ws, _, err := websocket.DefaultDialer.Dial(d["resume_gateway_url"].(string)+"/?v=10&encoding=json", nil)
	must(t, err)
	defer ws.Close()
	c := &socket{ws, t}
	c.untilOp(10)
	c.write(6, object{"token": discordsim.DefaultToken, "session_id": d["session_id"], "seq": 2})
	c.until("RESUMED")
	if got := b.Connections()[1].Path; got != "/resume/" {
		t.Fatalf("path %q", got)
	}
}

func TestResumeTakesOver(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	old, id := b.online(allIntents)
	c := resume(b, id, 2)
	c.until("RESUMED")
	if code := old.closed(); code != websocket.CloseAbnormalClosure {
		t.Fatalf("the old connection ended with %d", code)
	}
	b.say(b.w.Channel, b.w.User, "to the new one")
	c.until("MESSAGE_CREATE")
}

func TestInvalidSession(t *testing.T) {
	t.Parallel()
	k := newClock()
	tests := []struct {
		name string
		do   func(b *bundle, c *socket, id string) (session string, seq int64)
	}{
		{"unknown", func(_ *bundle, _ *socket, _ string) (string, int64) { return "nonsense", 1 }},
		{"closed with 1000", func(b *bundle, c *socket, id string) (string, int64) {
			msg := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			must(b.t, c.WriteMessage(websocket.CloseMessage, msg))
			gone(b)
			return id, 2
		}},
		{"closed with 1001", func(b *bundle, c *socket, id string) (string, int64) {
			msg := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
			must(b.t, c.WriteMessage(websocket.CloseMessage, msg))
			gone(b)
			return id, 2
		}},
		{"expired", func(b *bundle, c *socket, id string) (string, int64) {
			c.Close()
			gone(b)
			k.advance(4 * 60e9)
			return id, 2
		}},
		{"out of the replay buffer", func(b *bundle, c *socket, id string) (string, int64) {
			c.Close()
			gone(b)
			for range 50 {
				b.say(b.w.Channel, b.w.User, "noise")
			}
			return id, 2
		}},
		{"ended by op 9", func(b *bundle, c *socket, id string) (string, int64) {
			b.InvalidateSessions(false)
			if f := c.untilOp(9); string(f.D) != "false" {
				b.t.Fatalf("op 9 %s", f.D)
			}
			return id, 2
		}},
		{"on request", func(b *bundle, c *socket, id string) (string, int64) {
			b.InjectGateway(discordsim.GatewayFault{InvalidOnResume: 1})
			return id, 2
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := setup(t, &discordsim.Server{Now: k.now, ReplayLimit: 10})
			c, id := b.online(allIntents)
			session, seq := tt.do(b, c, id)
			c = resume(b, session, seq)
			if f := c.next(); f.Op != 9 || string(f.D) != "false" {
				t.Fatalf("got op %d %s %s, want op 9 false", f.Op, f.T, f.D)
			}
			c.identify(nil) // the connection is still good
			c.until("READY")
		})
	}
}

func TestSessionSurvives(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(b *bundle, c *socket)
	}{
		{"closed with 4000", func(b *bundle, c *socket) {
			must(b.t, c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "")))
		}},
		{"reset by the server", func(b *bundle, c *socket) { b.CloseSockets(0) }},
		{"closed by the server", func(b *bundle, c *socket) {
			b.CloseSockets(4000)
			if code := c.closed(); code != 4000 {
				b.t.Fatalf("closed with %d", code)
			}
		}},
		{"op 9 true", func(b *bundle, c *socket) {
			b.InvalidateSessions(true)
			if f := c.untilOp(9); string(f.D) != "true" {
				b.t.Fatalf("op 9 %s", f.D)
			}
		}},
		{"half-open", func(b *bundle, c *socket) { b.HalfOpen() }},
		{"outage", func(b *bundle, c *socket) {
			addr := b.URL()[len("http://"):]
			b.Close()
			must(b.t, b.Start(addr))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, &discordsim.Server{})
			c, id := b.online(allIntents)
			tt.do(b, c)
			gone(b)
			q := b.say(b.w.Channel, b.w.User, "missed")
			c = resume(b, id, 2)
			if f := c.next(); f.T != "MESSAGE_CREATE" || f.data(t)["id"] != q.ID.String() {
				t.Fatalf("got op %d %s", f.Op, f.T)
			}
			c.until("RESUMED")
		})
	}
}

func TestResumeErrors(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	_, id := b.online(allIntents)
	if code := resume(b, id, 999).closed(); code != 4007 {
		t.Fatalf("a seq of the future: closed with %d, want 4007", code)
	}
	c := b.hello()
	c.write(6, object{"token": "nonsense", "session_id": id, "seq": 1})
	if code := c.closed(); code != 4004 {
		t.Fatalf("a wrong token: closed with %d, want 4004", code)
	}
}

// A reader that falls behind the replay buffer is cut off, and can't resume.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{ReplayLimit: 10})
	c, id := b.online(allIntents)
	long := strings.Repeat("x", 20_000)
	for range 2000 { // 40 MB, more than the sockets' buffers hold
		b.say(b.w.Channel, b.w.User, long)
	}
	if code := c.closed(); code != websocket.CloseAbnormalClosure {
		t.Fatalf("closed with %d", code)
	}
	gone(b)
	if f := resume(b, id, 2).next(); f.Op != 9 {
		t.Fatalf("got op %d %s, want op 9", f.Op, f.T)
	}
}
