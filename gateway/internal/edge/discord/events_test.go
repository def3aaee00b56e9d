package discord

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/secret"
)

// quietReader is a reader with a cache of its own and a list of what it told.
func quietReader() (*reader, *[]inbound.Event) {
	var told []inbound.Event
	r := &reader{cache: newCache(), ready: func(*wireReady) {}, slash: func(*wireInteraction) {}, freed: func(id) {}}
	r.push = func(e inbound.Event) { told = append(told, e) }
	return r, &told
}

const (
	readyEvent = `{"v":9,"user":{"id":"9","username":"bot"},"session_id":"s","resume_gateway_url":"wss://r","application":{"id":"9"},"guilds":[{"id":"1","unavailable":true}]}`
	guildEvent = `{"id":"1","name":"g","owner_id":"5","roles":[{"id":"1","permissions":"68608"}],"members":[{"user":{"id":"9"},"roles":[]}],
		"channels":[{"id":"2","type":0,"last_message_id":"100"},{"id":"3","type":4},{"id":"6","type":15}],"threads":[{"id":"4","type":11,"parent_id":"2","owner_id":"9"}]}`
)

// A reply to a message with a component type that discordgo does not know is lost by discordgo, not by us.
func TestUnknownPartsLoseNothing(t *testing.T) {
	t.Parallel()
	r, told := quietReader()
	for _, e := range []struct{ kind, data string }{
		{"READY", readyEvent}, {"GUILD_CREATE", guildEvent},
		{"MESSAGE_CREATE", `{"id":"101","channel_id":"4","guild_id":"1","type":19,"content":"and this?","author":{"id":"7","username":"u"},
			"member":{"nick":"Nick","roles":["8"],"communication_disabled_until":null},
			"components":[{"type":99,"future":true}],"nonce":12345,"mentions":[],
			"referenced_message":{"id":"50","author":{"id":"9"},"components":[{"type":17,"components":[{"type":99}]}]}}`},
	} {
		if err := r.dispatch(e.kind, json.RawMessage(e.data)); err != nil {
			t.Fatalf("%s: %v", e.kind, err)
		}
	}
	m, ok := (*told)[len(*told)-1].(inbound.Message)
	if !ok || !m.RepliesToBot || m.Content != "and this?" || m.AuthorName != "Nick" || m.AuthorAccount != "u" || !m.BotThread || m.Parent != "2" {
		t.Errorf("told %+v", (*told)[len(*told)-1])
	}
	seen, ok := (*told)[1].(inbound.GuildSeen)
	if !ok || len(seen.Channels) != 2 { // categories and forums hold no messages
		t.Errorf("told %+v", (*told)[1])
	}
}

// TestAnUpdateMayNameNoMoreThanTheText: Discord's updates are "a subset of the message"; who wrote it is known elsewhere.
func TestAnUpdateMayNameNoMoreThanTheText(t *testing.T) {
	t.Parallel()
	r, told := quietReader()
	if err := r.dispatch("MESSAGE_UPDATE", json.RawMessage(`{"id":"1","channel_id":"2","guild_id":"3","content":"new"}`)); err != nil {
		t.Fatal(err)
	}
	want := inbound.Message{ID: "1", Channel: "2", Guild: "3", Content: "new"}
	if e, ok := (*told)[0].(inbound.Edited); !ok || !reflect.DeepEqual(e.Message, want) {
		t.Errorf("told %+v", *told)
	}
}

func TestPartialUpdatesAreSkipped(t *testing.T) {
	t.Parallel()
	r, told := quietReader()
	for _, data := range []string{`{"id":"1","channel_id":"2","embeds":[{}]}`, `{"id":"1","channel_id":"2","author":{"id":"7"},"pinned":true}`, `null`, `{}`, `[]`, `"x"`, ``} {
		_ = r.dispatch("MESSAGE_UPDATE", json.RawMessage(data))
	}
	if len(*told) != 0 {
		t.Errorf("told %+v", *told)
	}
}

func FuzzDispatch(f *testing.F) {
	kinds := []string{"READY", "GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "GUILD_ROLE_CREATE", "GUILD_ROLE_DELETE", "GUILD_MEMBER_UPDATE",
		"CHANNEL_UPDATE", "CHANNEL_DELETE", "THREAD_CREATE", "THREAD_UPDATE", "THREAD_LIST_SYNC", "MESSAGE_CREATE", "MESSAGE_UPDATE",
		"MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "INTERACTION_CREATE", "PRESENCE_UPDATE"}
	for i := range kinds {
		f.Add(uint8(i), []byte(guildEvent), []byte(`{"id":"2","guild_id":"1","channel_id":"2","ids":["1"],"role_id":"1","type":2,"token":"t","data":{"name":"x","type":1}}`))
	}
	f.Fuzz(func(t *testing.T, kind uint8, guild, data []byte) {
		r, told := quietReader()
		r.slash = func(w *wireInteraction) { r.push(r.cache.slash(w)) }
		_ = r.dispatch("READY", json.RawMessage(readyEvent))
		_ = r.dispatch("GUILD_CREATE", guild)
		_ = r.dispatch(kinds[int(kind)%len(kinds)], data)
		for _, e := range *told {
			if m, ok := e.(inbound.Message); ok && (m.ID == "" || m.Channel == "" || m.Guild == "") {
				t.Errorf("told %+v", m)
			}
		}
		for cid, ch := range r.cache.channels {
			if r.cache.guilds[ch.guild.id] != ch.guild || !slices.Contains(ch.guild.channels, cid) {
				t.Errorf("channel %s belongs to a server that is gone", cid)
			}
		}
	})
}

func TestLibraryLinesAreScrubbed(t *testing.T) {
	t.Parallel()
	token := "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabCde.abcdefghijklmnopqrstuvwxyz_0123456789AB"
	if line := scrub("identify {token:" + token + "}\n" + strings.Repeat("x", 1000)); strings.Contains(line, "abcdefghijklmnop") || len(line) > 300 || strings.Contains(line, "\n") {
		t.Errorf("line %q", line)
	}
}

func TestWrongConfigs(t *testing.T) {
	t.Parallel()
	good := secret.New("a.b.c")
	for name, cfg := range map[string]Config{
		"no token":         {},
		"token with space": {Token: secret.New("Bot a.b.c")},
		"no host":          {Token: good, BaseURL: "https://"},
		"scheme":           {Token: good, BaseURL: "ftp://x"},
		"credentials":      {Token: good, BaseURL: "https://u:p@x"},
		"shards":           {Token: good, ShardCount: 2, ShardIDs: []int{2}},
		"negative":         {Token: good, ShardCount: -1},
	} {
		if c, err := New(cfg, Deps{Log: zerolog.Nop()}); err == nil || c != nil || strings.Contains(err.Error(), "a.b.c") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
