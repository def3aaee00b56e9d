package strange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

type object = map[string]any

// The one server, its people and its channels.
const (
	botID, guildID, ownerID, userID, modID, modRole = "11", "22", "33", "44", "55", "66"
	chatRoom, otherRoom, directRoom                 = "77", "88", "99"
)

// oddity is how this Discord differs from another.
type oddity struct {
	firstID     uint64 // ids are counted from here
	optional    int    // status of whatever a bot can do without; negative: no answer for as long as the test runs
	plain       bool   // GET /gateway only
	threads     int    // status of POST …/threads; 0: works
	beat        int    // heartbeat interval, ms
	nameless    bool   // READY names no servers
	roles       bool   // GUILD_CREATE tells roles, and @everyone may nothing
	deafResume  bool   // RESUME is never answered
	emptyPosts  bool   // an answer to a post holds the id only
	withoutList bool   // messages come without "mentions"
	mute        bool   // posts are never answered
	timed       bool   // ids tell the time, and GET …/messages works
}

// post is a request that shows something to people.
type post struct {
	kind, channel string // message, thread, typing, callback, edit
	body          object
	id            string
}

func (p post) content() string { s, _ := p.body["content"].(string); return s }

// replyTo is the message that the post references.
func (p post) replyTo() string {
	ref, _ := p.body["message_reference"].(object)
	s, _ := ref["message_id"].(string)
	return s
}

type discord struct {
	oddity
	t    *testing.T
	http *httptest.Server
	hang chan struct{}

	mu         sync.Mutex
	next       uint64
	seq        int
	sockets    map[*websocket.Conn]bool // identified
	posts      []post
	said       []object
	identifies int
}

func newDiscord(t *testing.T, o oddity) *discord {
	d := &discord{oddity: o, t: t, next: o.firstID, sockets: map[*websocket.Conn]bool{}, hang: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v9/gateway", d.address)
	if !o.plain {
		mux.HandleFunc("GET /api/v9/gateway/bot", d.address)
	}
	mux.HandleFunc("GET /socket/", d.socket)
	mux.HandleFunc("POST /api/v9/channels/{channel}/messages", d.message)
	mux.HandleFunc("GET /api/v9/channels/{channel}/messages", d.history)
	mux.HandleFunc("POST /api/v9/channels/{channel}/messages/{message}/threads", d.thread)
	mux.HandleFunc("POST /api/v9/interactions/{id}/{token}/callback", d.shown("callback"))
	mux.HandleFunc("PATCH /api/v9/webhooks/{app}/{token}/messages/@original", d.shown("edit"))
	mux.HandleFunc("POST /api/v9/channels/{channel}/typing", func(w http.ResponseWriter, r *http.Request) {
		d.note(post{kind: "typing", channel: r.PathValue("channel")})
		d.optionally(w, r)
	})
	mux.HandleFunc("/", d.optionally)
	d.http = httptest.NewServer(mux)
	t.Cleanup(func() {
		close(d.hang)
		d.cut()
		d.http.Close()
	})
	return d
}

// optionally answers what a bot can do without.
func (d *discord) optionally(w http.ResponseWriter, r *http.Request) {
	if d.optional < 0 {
		select {
		case <-d.hang:
		case <-r.Context().Done():
		}
		return
	}
	w.WriteHeader(d.optional)
}

func (d *discord) note(p post) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.posts = append(d.posts, p)
}

func (d *discord) newID() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	if d.timed {
		d.next = max(d.next, uint64(time.Now().UnixMilli()-1420070400000)<<22)
	}
	return strconv.FormatUint(d.next, 10)
}

// history answers GET …/messages?after=, newest first.
func (d *discord) history(w http.ResponseWriter, r *http.Request) {
	if !d.timed {
		d.optionally(w, r)
		return
	}
	after, _ := strconv.ParseUint(r.FormValue("after"), 10, 64)
	d.mu.Lock()
	defer d.mu.Unlock()
	list := []object{}
	for _, m := range slices.Backward(d.said) {
		if id, _ := strconv.ParseUint(m["id"].(string), 10, 64); m["channel_id"] == r.PathValue("channel") && id > after {
			list = append(list, m)
		}
	}
	answer(w, http.StatusOK, list)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (d *discord) address(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, object{"url": "ws" + strings.TrimPrefix(d.http.URL, "http") + "/socket/"})
}

func (d *discord) message(w http.ResponseWriter, r *http.Request) {
	p := post{kind: "message", channel: r.PathValue("channel"), id: d.newID()}
	if json.NewDecoder(r.Body).Decode(&p.body) != nil {
		answer(w, http.StatusBadRequest, object{"message": "Invalid Form Body", "code": 50035})
		return
	}
	d.note(p)
	if d.mute {
		select {
		case <-d.hang:
		case <-r.Context().Done():
		}
		return
	}
	m := object{"id": p.id}
	if !d.emptyPosts {
		m["channel_id"], m["content"], m["author"] = p.channel, p.content(), object{"id": botID, "username": "salamander", "bot": true}
	}
	answer(w, http.StatusCreated, m)
}

func (d *discord) thread(w http.ResponseWriter, r *http.Request) {
	if d.threads != 0 {
		w.WriteHeader(d.threads)
		return
	}
	d.note(post{kind: "thread", channel: r.PathValue("channel"), id: r.PathValue("message")})
	answer(w, http.StatusCreated, object{"id": r.PathValue("message")})
}

func (d *discord) shown(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := post{kind: kind, channel: r.PathValue("token")}
		_ = json.NewDecoder(r.Body).Decode(&p.body)
		d.note(p)
		if kind == "callback" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, http.StatusOK, object{"id": d.newID()})
	}
}

// socket is one connection of a bot: no compression, no shards, no sequence to resume from.
func (d *discord) socket(w http.ResponseWriter, r *http.Request) {
	c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.sockets, c)
		_ = c.Close()
	}()
	d.send(c, object{"op": 10, "d": object{"heartbeat_interval": d.beat}})
	for {
		var m struct {
			Op int `json:"op"`
		}
		if c.ReadJSON(&m) != nil {
			return
		}
		switch m.Op {
		case 1:
			d.send(c, object{"op": 11})
		case 2:
			d.welcome(c)
		case 6:
			if !d.deafResume {
				d.send(c, object{"op": 9, "d": false})
			}
		}
	}
}

func (d *discord) send(c *websocket.Conn, v any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = c.WriteJSON(v)
}

// welcome answers an IDENTIFY with as little as Discord promises.
func (d *discord) welcome(c *websocket.Conn) {
	d.mu.Lock()
	d.sockets[c] = true
	d.identifies++
	d.mu.Unlock()
	guilds := []object{{"id": guildID, "unavailable": true}}
	if d.nameless {
		guilds = []object{}
	}
	d.tell(c, "READY", object{"v": 9, "session_id": "s", "user": object{"id": botID, "username": "salamander", "bot": true}, "guilds": guilds})
	guild := object{"id": guildID, "name": "strange", "owner_id": ownerID, "channels": []object{{"id": chatRoom, "type": 0}, {"id": otherRoom, "type": 0}}}
	if d.roles {
		guild["roles"] = []object{{"id": guildID, "name": "@everyone", "permissions": "0"}, {"id": modRole, "name": "mods", "permissions": "32"}}
		guild["members"] = []object{{"user": object{"id": botID}, "roles": []string{}}}
	}
	d.tell(c, "GUILD_CREATE", guild)
}

func (d *discord) tell(c *websocket.Conn, kind string, v any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
	_ = c.WriteJSON(object{"op": 0, "t": kind, "s": d.seq, "d": v})
}

// dispatch tells every bot of something.
func (d *discord) dispatch(kind string, v any) {
	d.mu.Lock()
	all := make([]*websocket.Conn, 0, len(d.sockets))
	for c := range d.sockets {
		all = append(all, c)
	}
	d.mu.Unlock()
	for _, c := range all {
		d.tell(c, kind, v)
	}
}

// cut ends every connection without a word.
func (d *discord) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.sockets {
		_ = c.NetConn().Close()
	}
}

// say has a user write something; more are fields beside the least that a message has.
func (d *discord) say(channel, user, text string, more ...object) string {
	m := object{"id": d.newID(), "channel_id": channel, "author": object{"id": user, "username": "user" + user}, "content": text}
	if channel != directRoom {
		m["guild_id"] = guildID
	}
	if !d.withoutList {
		m["mentions"] = []object{}
		if strings.Contains(text, "<@"+botID+">") {
			m["mentions"] = []object{{"id": botID, "username": "salamander", "bot": true}}
		}
	}
	for _, x := range more {
		for k, v := range x {
			m[k] = v
		}
	}
	d.mu.Lock()
	d.said = append(d.said, m)
	d.mu.Unlock()
	d.dispatch("MESSAGE_CREATE", m)
	return m["id"].(string)
}

// slash has a member run a slash command.
func (d *discord) slash(name string, member object) (token string) {
	token = "token-" + d.newID()
	d.dispatch("INTERACTION_CREATE", object{"id": d.newID(), "type": 2, "token": token, "guild_id": guildID, "channel_id": chatRoom,
		"application_id": "12", "data": object{"name": name}, "member": member})
	return token
}

// find returns the first post that fits.
func (d *discord) find(fits func(post) bool) (post, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.posts {
		if fits(p) {
			return p, true
		}
	}
	return post{}, false
}

func (d *discord) count(fits func(post) bool) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.posts {
		if fits(p) {
			n++
		}
	}
	return n
}

// patience bounds every wait; no result depends on it.
const patience = 60 * time.Second

func (d *discord) await(what string, fits func(post) bool) post {
	d.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if p, ok := d.find(fits); ok {
			return p
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.t.Fatalf("never: %s; seen: %s", what, fmt.Sprint(d.posts))
	return post{}
}

// reply waits for the answer to a message.
func (d *discord) reply(what, message string) post {
	d.t.Helper()
	return d.await(what, func(p post) bool { return p.kind == "message" && p.replyTo() == message })
}
