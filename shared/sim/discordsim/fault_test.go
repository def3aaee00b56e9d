package discordsim_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"salamander.dev/shared/sim/discordsim"
)

const postRoute = "POST /channels/{channel}/messages"

func TestFaultStatus(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	b.Inject(
		discordsim.Fault{Route: postRoute, Status: 502, HTML: true},
		discordsim.Fault{Route: postRoute, Status: 500, Code: 0, Times: 2},
		discordsim.Fault{Route: postRoute, Status: 429, RetryAfter: 0.25},
		discordsim.Fault{Route: postRoute, Status: 429, BareHeaders: true, HTML: true},
		discordsim.Fault{Route: postRoute, Status: 400, Code: 20016},
	)
	b.want(b.do("GET", "/users/@me", nil), 200, 0) // another route
	if a := b.post(b.w.Channel, object{"content": "hi"}); a.status != 502 || a.body != nil {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 500, 0)
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 500, 0)
	if a := b.want(b.post(b.w.Channel, object{"content": "hi"}), 429, 0); a.body["retry_after"] != 0.25 || a.header.Get("Retry-After") != "1" {
		t.Fatalf("429 %s %v", a.raw, a.header)
	}
	if a := b.post(b.w.Channel, object{"content": "hi"}); a.status != 429 || a.header.Get("Retry-After") != "" || a.body != nil {
		t.Fatalf("bare 429 %s %v", a.raw, a.header)
	}
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 400, 20016)
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 200, 0)
	if n := len(b.Posts()); n != 1 || b.PendingFaults() != 0 {
		t.Fatalf("%d posts, %d faults left", n, b.PendingFaults())
	}
	counts := b.RequestCounts()[postRoute]
	if counts[500] != 2 || counts[502] != 1 || counts[429] != 2 || counts[200] != 1 {
		t.Fatalf("request counts %v", counts)
	}
}

// A lost answer leaves its effect behind: what enforce_nonce is for.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	body := object{"content": "hi", "nonce": "n", "enforce_nonce": true}
	path := "/channels/" + b.w.Channel.String() + "/messages"
	b.Inject(discordsim.Fault{DropBefore: true}, discordsim.Fault{DropAfter: true})
	if _, err := b.try("POST", path, body); !broken(err) || len(b.Posts()) != 0 {
		t.Fatalf("dropped before: %v, %d posts", err, len(b.Posts()))
	}
	if _, err := b.try("POST", path, body); !broken(err) || len(b.Posts()) != 1 {
		t.Fatalf("dropped after: %v, %d posts", err, len(b.Posts()))
	}
	if a := b.want(b.post(b.w.Channel, body), 200, 0); a.id() != b.Posts()[0].ID {
		t.Fatalf("the retry made another message")
	}
	if n := b.RequestCounts()[postRoute][0]; n != 2 {
		t.Fatalf("%d requests without an answer", n)
	}
}

func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

func TestDelay(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	b.Inject(discordsim.Fault{Route: postRoute, Delay: time.Hour})
	done := make(chan error, 1)
	go func() {
		_, err := b.try("POST", "/channels/"+b.w.Channel.String()+"/messages", object{"content": "hi"})
		done <- err
	}()
	must(t, b.WaitFor(deadline(t), func() bool { return b.PendingFaults() == 0 }))
	b.want(b.do("GET", "/users/@me", nil), 200, 0) // others don't wait
	b.Close()                                      // ends the wait
	if err := <-done; err == nil {
		t.Fatal("the delayed request was answered")
	}
}

// A rate draws from the seed: the same seed, the same failures.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	story := func(seed uint64) (out string) {
		b := setup(t, &discordsim.Server{Seed: seed})
		b.Inject(discordsim.Fault{Status: 503, Rate: 0.5, Times: -1})
		for range 40 {
			if b.do("GET", "/users/@me", nil).status == 503 {
				out += "x"
			} else {
				out += "."
			}
		}
		b.ClearFaults()
		b.want(b.do("GET", "/users/@me", nil), 200, 0)
		return out
	}
	one, again, other := story(1), story(1), story(2)
	if one != again || one == other {
		t.Fatalf("seed 1: %s and %s, seed 2: %s", one, again, other)
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	b.Refuse(time.Hour)
	if _, err := b.try("GET", "/users/@me", nil); !broken(err) {
		t.Fatalf("REST: %v", err)
	}
	if _, _, err := websocket.DefaultDialer.Dial("ws"+b.URL()[len("http"):]+"/?v=10&encoding=json", nil); !broken(err) {
		t.Fatalf("gateway: %v", err)
	}
	b.Refuse(0)
	b.want(b.do("GET", "/users/@me", nil), 200, 0)
}

func TestReconnectFirstAfterResume(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, id := b.online(allIntents)
	c.Close()
	gone(b)
	b.say(b.w.Channel, b.w.User, "missed")
	b.InjectGateway(discordsim.GatewayFault{ReconnectOnResume: 1})
	c = resume(b, id, 2)
	if f := c.next(); f.Op != 7 {
		t.Fatalf("first frame after RESUME: op %d %s, want op 7", f.Op, f.T)
	}
	c.until("RESUMED")
	b.AskReconnect()
	c.untilOp(7)
	c.Close()
	gone(b)
	resume(b, id, 2).until("RESUMED") // once only
}

func TestHelloNeverComes(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	b.InjectGateway(discordsim.GatewayFault{HelloLost: 1})
	c := b.dial("v=10&encoding=json")
	silent(t, b, c)
	b.hello() // the next connection is fine
}

func TestNoACK(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	b.InjectGateway(discordsim.GatewayFault{NoACK: true})
	c.write(1, 2)
	must(t, b.WaitFor(deadline(t), func() bool { return b.Sessions()[0].Heartbeats == 1 }))
	b.say(b.w.Channel, b.w.User, "events still come")
	if f := c.next(); f.T != "MESSAGE_CREATE" {
		t.Fatalf("got op %d %s", f.Op, f.T)
	}
}

func TestHalfOpenIsSilent(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	if n := b.HalfOpen(); n != 1 {
		t.Fatalf("%d connections", n)
	}
	b.say(b.w.Channel, b.w.User, "into the void")
	silent(t, b, c)
}

// silent proves that nothing comes and the TCP connection stands: reading ends only
// when the server is closed, and what was written before was taken.
func silent(t *testing.T, b *bundle, c *socket) {
	t.Helper()
	c.write(1, nil)
	got := make(chan error, 1)
	go func() {
		_, err := c.read()
		got <- err
	}()
	b.want(b.do("GET", "/users/@me", nil), 200, 0) // a whole round trip of others
	select {
	case err := <-got:
		t.Fatalf("the silent connection said something: %v", err)
	default:
	}
	addr := b.URL()[len("http://"):]
	b.Close()
	var ne net.Error
	if err := <-got; err == nil || errors.As(err, &ne) && ne.Timeout() {
		t.Fatalf("reading ended with %v", err)
	}
	must(t, b.Start(addr))
}

// A client that stops its heartbeat is closed with 4009, and its session is over.
func TestHeartbeatTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{HeartbeatInterval: 20 * time.Millisecond})
	c, id := b.online(allIntents)
	if code := c.closed(); code != 4009 {
		t.Fatalf("closed with %d, want 4009", code)
	}
	gone(b)
	if f := resume(b, id, 2).next(); f.Op != 9 {
		t.Fatalf("got op %d %s, want op 9", f.Op, f.T)
	}
}
