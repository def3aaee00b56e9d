package discordsim_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"salamander.dev/shared/sim/discordsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests; no result depends on it.
const patience = 20 * time.Second

const (
	guildIntents = discordsim.IntentGuilds | discordsim.IntentGuildMessages | discordsim.IntentDirectMessages
	allIntents   = guildIntents | discordsim.IntentMessageContent | discordsim.IntentGuildTyping | discordsim.IntentDirectTyping
)

type bundle struct {
	*discordsim.Server
	w      discordsim.World
	t      *testing.T
	client *http.Client
}

func setup(t *testing.T, s *discordsim.Server) *bundle {
	t.Helper()
	if err := s.Start(""); err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(func() { tr.CloseIdleConnections(); s.Close() })
	return &bundle{s, s.DefaultWorld(), t, &http.Client{Transport: tr, Timeout: patience}}
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

type answer struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (a answer) code() int {
	n, _ := a.body["code"].(float64)
	return int(n)
}

func (a answer) id() discordsim.ID {
	text, _ := a.body["id"].(string)
	id, _ := discordsim.ParseID(text)
	return id
}

// try sends one request as the bot; body may be nil, a string (sent as it is) or a value.
func (b *bundle) try(method, path string, body any) (answer, error) {
	b.t.Helper()
	var in io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(v)
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			b.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, b.URL()+"/api/v10"+path, in)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bot "+discordsim.DefaultToken)
	req.Header.Set("Content-Type", "application/json")
	return b.send(req)
}

func (b *bundle) send(req *http.Request) (answer, error) {
	b.t.Helper()
	res, err := b.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	out := answer{status: res.StatusCode, header: res.Header}
	if out.raw, err = io.ReadAll(res.Body); err != nil {
		return answer{}, err
	}
	_ = json.Unmarshal(out.raw, &out.body) // lists and HTML are read from raw
	return out, nil
}

func (b *bundle) do(method, path string, body any) answer {
	b.t.Helper()
	a, err := b.try(method, path, body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// want asserts a status and a Discord code.
func (b *bundle) want(a answer, status, code int) answer {
	b.t.Helper()
	if a.status != status || a.code() != code {
		b.t.Fatalf("got %d code %d, want %d code %d: %s", a.status, a.code(), status, code, a.raw)
	}
	return a
}

type object = map[string]any

func (b *bundle) post(channel discordsim.ID, body any) answer {
	b.t.Helper()
	return b.do("POST", "/channels/"+channel.String()+"/messages", body)
}

func (b *bundle) say(channel, user discordsim.ID, text string, opts ...discordsim.SayOpts) discordsim.Message {
	b.t.Helper()
	m, err := b.Say(channel, user, text, opts...)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// socket is a raw gateway client.
type socket struct {
	*websocket.Conn
	t *testing.T
}

type frame struct {
	Op int             `json:"op"`
	S  int64           `json:"s"`
	T  string          `json:"t"`
	D  json.RawMessage `json:"d"`
}

func (f frame) data(t *testing.T) object {
	t.Helper()
	var d object
	if err := json.Unmarshal(f.D, &d); err != nil {
		t.Fatalf("%s: %v", f.D, err)
	}
	return d
}

func (b *bundle) dial(query string) *socket {
	b.t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(b.URL(), "http")+"/?"+query, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { ws.Close() })
	return &socket{ws, b.t}
}

// hello dials and reads op 10.
func (b *bundle) hello() *socket {
	b.t.Helper()
	c := b.dial("v=10&encoding=json")
	if f := c.next(); f.Op != 10 {
		b.t.Fatalf("first frame is op %d, want 10", f.Op)
	}
	return c
}

// identified is a connection past READY, whose frame is returned too.
func (b *bundle) identified(d object) (*socket, frame) {
	b.t.Helper()
	c := b.hello()
	c.identify(d)
	f := c.next()
	if f.T != "READY" {
		b.t.Fatalf("got op %d %s, want READY", f.Op, f.T)
	}
	return c, f
}

// online is identified with intents, past its GUILD_CREATEs.
func (b *bundle) online(intents discordsim.Intent) (*socket, string) {
	b.t.Helper()
	c, ready := b.identified(object{"intents": intents})
	d := ready.data(b.t)
	if intents&discordsim.IntentGuilds != 0 {
		for range d["guilds"].([]any) {
			c.until("GUILD_CREATE")
		}
	}
	return c, d["session_id"].(string)
}

func (c *socket) identify(d object) {
	c.t.Helper()
	full := object{"token": discordsim.DefaultToken, "intents": allIntents, "properties": object{"os": "linux"}}
	for k, v := range d {
		full[k] = v
	}
	c.write(2, full)
}

func (c *socket) write(op int, d any) {
	c.t.Helper()
	if err := c.WriteJSON(object{"op": op, "d": d}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *socket) read() (frame, error) {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	kind, raw, err := c.ReadMessage()
	if err != nil {
		return frame{}, err
	}
	if kind == websocket.BinaryMessage {
		z, err := zlib.NewReader(bytes.NewReader(raw))
		if err != nil {
			return frame{}, err
		}
		if raw, err = io.ReadAll(z); err != nil {
			return frame{}, err
		}
	}
	var f frame
	return f, json.Unmarshal(raw, &f)
}

func (c *socket) next() frame {
	c.t.Helper()
	f, err := c.read()
	if err != nil {
		c.t.Fatalf("read frame: %v", err)
	}
	return f
}

// until skips frames up to the dispatch of that name.
func (c *socket) until(name string) frame {
	c.t.Helper()
	for {
		if f := c.next(); f.T == name {
			return f
		}
	}
}

// untilOp skips frames up to that opcode.
func (c *socket) untilOp(op int) frame {
	c.t.Helper()
	for {
		if f := c.next(); f.Op == op {
			return f
		}
	}
}

// closed reads to the end and returns the close code, 1006 for none.
func (c *socket) closed() int {
	c.t.Helper()
	for {
		_, err := c.read()
		var ce *websocket.CloseError
		var ne net.Error
		switch {
		case err == nil:
		case errors.As(err, &ne) && ne.Timeout():
			c.t.Fatal("the connection was not closed")
		case errors.As(err, &ce):
			return ce.Code
		default:
			return websocket.CloseAbnormalClosure
		}
	}
}

// clock is a wall clock that tests move by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now()} }

func (k *clock) now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.t
}

func (k *clock) advance(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.t = k.t.Add(d)
}
