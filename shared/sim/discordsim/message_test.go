package discordsim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/sim/discordsim"
)

func TestCreateMessage(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	q := b.say(b.w.Channel, b.w.User, "question")
	join := b.say(b.w.Channel, b.w.User, "", discordsim.SayOpts{Type: discordsim.MemberJoin})
	elsewhere, err := b.AddChannel(discordsim.Channel{Guild: b.w.Guild, Name: "elsewhere"})
	must(t, err)
	category, err := b.AddChannel(discordsim.Channel{Guild: b.w.Guild, Type: discordsim.CategoryChannel})
	must(t, err)
	ref := func(m discordsim.ID, soft bool) object {
		return object{"content": "hi", "message_reference": object{"message_id": m, "fail_if_not_exists": !soft}}
	}
	mentions := func(a object) object { return object{"content": "hi", "allowed_mentions": a} }
	tests := []struct {
		name         string
		channel      string
		body         any
		status, code int
		detail       string // in the errors of the body
	}{
		{"plain", "", object{"content": "hi"}, 200, 0, ""},
		{"2000 units", "", object{"content": strings.Repeat("é", 2000)}, 200, 0, ""},
		{"2001 units", "", object{"content": strings.Repeat("a", 2001)}, 400, 50035, "BASE_TYPE_MAX_LENGTH"},
		{"1001 emoji are 2002 units", "", object{"content": strings.Repeat("😀", 1001)}, 400, 50035, "2000 or fewer"},
		{"empty", "", object{"content": ""}, 400, 50006, ""},
		{"white space", "", object{"content": " \n\t "}, 400, 50006, ""},
		{"no body", "", nil, 400, 50006, ""},
		{"embed only", "", object{"embeds": []any{object{"title": "x"}}}, 200, 0, ""},
		{"broken JSON", "", "{", 400, 50109, ""},
		{"wrong type", "", object{"content": 5}, 400, 50035, "content"},
		{"unknown channel", "1", object{"content": "hi"}, 404, 10003, ""},
		{"not a snowflake", "general", object{"content": "hi"}, 400, 50035, "snowflake"},
		{"category", category.ID.String(), object{"content": "hi"}, 400, 50008, ""},
		{"reply", "", ref(q.ID, false), 200, 0, ""},
		{"reply to nothing", "", ref(1, false), 400, 50035, "MESSAGE_REFERENCE_UNKNOWN_MESSAGE"},
		{"reply to nothing, softly", "", ref(1, true), 200, 0, ""},
		{"fail_if_not_exists is true by default", "", object{"content": "hi", "message_reference": object{"message_id": "1"}}, 400, 50035, "UNKNOWN_MESSAGE"},
		{"reply from another channel", elsewhere.ID.String(), ref(q.ID, false), 400, 50035, "UNKNOWN_MESSAGE"},
		{"reply to a system message", "", ref(join.ID, false), 400, 50035, "SYSTEM_MESSAGE"},
		{"nonce of 25", "", object{"content": "hi", "nonce": strings.Repeat("1", 25)}, 200, 0, ""},
		{"nonce of 26", "", object{"content": "hi", "nonce": strings.Repeat("1", 26)}, 400, 50035, "nonce"},
		{"nonce as number", "", object{"content": "hi", "nonce": 17}, 200, 0, ""},
		{"nonce as list", "", object{"content": "hi", "nonce": []int{1}}, 400, 50035, "nonce"},
		{"parse nothing", "", mentions(object{"parse": []string{}}), 200, 0, ""},
		{"parse null", "", mentions(object{"parse": nil}), 200, 0, ""},
		{"parse unknown", "", mentions(object{"parse": []string{"all"}}), 400, 50035, "allowed_mentions"},
		{"parse users and a list", "", mentions(object{"parse": []string{"users"}, "users": []string{"1"}}), 400, 50035, "EXCLUSIVE"},
		{"parse users and an empty list", "", mentions(object{"parse": []string{"users"}, "users": []string{}}), 200, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			channel := tt.channel
			if channel == "" {
				channel = b.w.Channel.String()
			}
			a := b.do("POST", "/channels/"+channel+"/messages", tt.body)
			if a.status != tt.status || a.code() != tt.code || !strings.Contains(string(a.raw), tt.detail) {
				t.Fatalf("got %d %s, want %d code %d with %q", a.status, a.raw, tt.status, tt.code, tt.detail)
			}
		})
	}
	if a := b.want(b.post(b.w.Channel, object{"content": "  trimmed\n"}), 200, 0); a.body["content"] != "trimmed" {
		t.Fatalf("content %q", a.body["content"])
	}
}

func TestWrongTokenAndRoute(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{Token: "secret"})
	b.want(b.do("GET", "/users/@me", nil), 401, 0)
	b.want(b.do("GET", "/nowhere", nil), 404, 0)
	if n := b.Counts().Invalid; n != 1 {
		t.Fatalf("invalid requests %d, want 1", n)
	}
}

func TestNonceWindow(t *testing.T) {
	t.Parallel()
	k := newClock()
	b := setup(t, &discordsim.Server{Now: k.now, NonceWindow: time.Minute})
	body := object{"content": "hi", "nonce": "n", "enforce_nonce": true}
	first := b.post(b.w.Channel, body).id()
	elsewhere, err := b.AddChannel(discordsim.Channel{Guild: b.w.Guild})
	must(t, err)
	if got := b.post(elsewhere.ID, body); got.id() != first || got.body["channel_id"] != b.w.Channel.String() {
		t.Fatalf("a nonce is unique per author, not per channel: %s", got.raw)
	}
	if got := b.post(b.w.Channel, object{"content": "hi", "nonce": "n"}).id(); got == first {
		t.Fatal("without enforce_nonce the message was not created")
	}
	b.ForgetNonces()
	second := b.post(b.w.Channel, body).id()
	k.advance(59 * time.Second)
	if got := b.post(b.w.Channel, body).id(); got != second {
		t.Fatalf("inside the window got %s, want %s", got, second)
	}
	must(t, b.Delete(second))
	b.want(b.post(b.w.Channel, body), 404, 10008) // staff: "Unknown Message", not a new one
	k.advance(time.Second)
	if got := b.want(b.post(b.w.Channel, body), 200, 0).id(); got == second {
		t.Fatal("past the window the old message came back")
	}
	if n := b.Counts(); n.Deduplicated != 3 || n.Posts != 4 {
		t.Fatalf("counts %+v", n)
	}
}

func TestPings(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	role, err := b.AddRole(b.w.Guild, "everybody's friend", 0)
	must(t, err)
	admin, err := b.AddRole(b.w.Guild, "admin", discordsim.Administrator)
	must(t, err)
	must(t, b.AddMember(b.w.Guild, b.w.Bot, admin.ID))
	q := b.say(b.w.Channel, b.w.Owner, "question")
	text := fmt.Sprintf("<@%s> <@!%s> <@&%s> <@99> @everyone", b.w.User, b.w.User, role.ID)
	ref := object{"message_id": q.ID}
	tests := []struct {
		name    string
		allowed any
		users   []discordsim.ID
		roles   int
		all     bool
	}{
		{"absent", nil, []discordsim.ID{b.w.User, b.w.Owner}, 1, true},
		{"nothing", object{"parse": []string{}}, nil, 0, false},
		{"the asker", object{"parse": []string{}, "replied_user": true}, []discordsim.ID{b.w.Owner}, 0, false},
		{"users", object{"parse": []string{"users"}}, []discordsim.ID{b.w.User}, 0, false},
		{"one user", object{"users": []discordsim.ID{b.w.User}}, []discordsim.ID{b.w.User}, 0, false},
		{"roles and everyone", object{"parse": []string{"roles", "everyone"}}, nil, 1, true},
	}
	for _, tt := range tests {
		body := object{"content": text, "message_reference": ref}
		if tt.allowed != nil {
			body["allowed_mentions"] = tt.allowed
		}
		id := b.want(b.post(b.w.Channel, body), 200, 0).id()
		m, _ := b.Message(id)
		if fmt.Sprint(m.Mentions) != fmt.Sprint(tt.users) || len(m.MentionRoles) != tt.roles || m.Everyone != tt.all {
			t.Errorf("%s: pings %v, %d roles, everyone %v", tt.name, m.Mentions, len(m.MentionRoles), m.Everyone)
		}
	}
	must(t, b.AddMember(b.w.Guild, b.w.Bot)) // without the permission @everyone is text
	if m, _ := b.Message(b.post(b.w.Channel, object{"content": "@everyone"}).id()); m.Everyone {
		t.Error("@everyone without MENTION_EVERYONE pinged")
	}
}

func TestEditAndDeleteMessage(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	own, theirs := b.post(b.w.Channel, object{"content": "mine"}).id(), b.say(b.w.Channel, b.w.User, "theirs").ID
	at := func(id discordsim.ID) string {
		return "/channels/" + b.w.Channel.String() + "/messages/" + id.String()
	}
	if a := b.want(b.do("PATCH", at(own), object{"content": "mine, better"}), 200, 0); a.body["edited_timestamp"] == nil {
		t.Fatalf("edited %s", a.raw)
	}
	b.want(b.do("PATCH", at(theirs), object{"content": "hijacked"}), 403, 50005)
	b.want(b.do("PATCH", at(1), object{"content": "x"}), 404, 10008)
	b.want(b.do("PATCH", at(own), object{"content": strings.Repeat("a", 2001)}), 400, 50035)
	b.want(b.do("PATCH", at(own), object{"content": ""}), 400, 50006)
	b.want(b.do("DELETE", at(theirs), nil), 403, 50013)
	b.want(b.do("DELETE", at(own), nil), 204, 0)
	b.want(b.do("GET", at(own), nil), 404, 10008)
	must(t, b.SetOverwrites(b.w.Channel, discordsim.Overwrite{ID: b.w.Bot, Member: true, Allow: discordsim.ManageMessages}))
	b.want(b.do("DELETE", at(theirs), nil), 204, 0)
	if n := b.Counts(); n.Edits != 1 || n.Deletes != 2 || len(b.Messages(b.w.Channel)) != 0 {
		t.Fatalf("counts %+v", n)
	}
}

func TestListMessages(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	var ids []discordsim.ID
	for i := range 120 {
		ids = append(ids, b.say(b.w.Channel, b.w.User, fmt.Sprint(i)).ID)
	}
	list := func(query string) []string {
		t.Helper()
		a := b.do("GET", "/channels/"+b.w.Channel.String()+"/messages"+query, nil)
		var got []struct{ Content string }
		if err := json.Unmarshal(a.raw, &got); a.status != 200 || err != nil {
			t.Fatalf("%s: %d %s", query, a.status, a.raw)
		}
		var out []string
		for _, m := range got {
			out = append(out, m.Content)
		}
		return out
	}
	tests := []struct {
		query       string
		n           int
		first, last string
	}{
		{"", 50, "119", "70"},
		{"?limit=100", 100, "119", "20"},
		{"?limit=3&after=" + ids[9].String(), 3, "12", "10"}, // the oldest after it, newest first
		{"?limit=3&after=0", 3, "2", "0"},
		{"?limit=3&before=" + ids[9].String(), 3, "8", "6"},
		{"?limit=5&around=" + ids[50].String(), 5, "52", "48"},
		{"?after=" + ids[119].String(), 0, "", ""},
	}
	for _, tt := range tests {
		got := list(tt.query)
		if len(got) != tt.n || tt.n > 0 && (got[0] != tt.first || got[len(got)-1] != tt.last) {
			t.Errorf("%q: %d messages %v", tt.query, len(got), got)
		}
	}
	b.want(b.do("GET", "/channels/"+b.w.Channel.String()+"/messages?limit=101", nil), 400, 50035)
	b.want(b.do("GET", "/channels/"+b.w.Channel.String()+"/messages?after=x", nil), 400, 50035)

	must(t, b.SetOverwrites(b.w.Channel, discordsim.Overwrite{ID: b.w.Guild, Deny: discordsim.ReadMessageHistory}))
	if got := list(""); len(got) != 0 {
		t.Errorf("without READ_MESSAGE_HISTORY: %d messages", len(got))
	}
	must(t, b.SetOverwrites(b.w.Channel, discordsim.Overwrite{ID: b.w.Guild, Deny: discordsim.ViewChannel}))
	b.want(b.do("GET", "/channels/"+b.w.Channel.String()+"/messages", nil), 403, 50001)
}
