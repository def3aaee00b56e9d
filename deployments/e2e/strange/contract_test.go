package strange

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"salamander.dev/deployments/stack"
)

const thread, otherThread = "201", "202"

// who makes users of their own, so that no rate counts over two checks.
func who(n int) string { return strconv.Itoa(1_000_000 + n) }

// TestWhatTheBotAnswers is CONTRACT 3 and 4 from outside: for whom the bot speaks, what reaches the model, and what
// logs and metrics tell of it.
func TestWhatTheBotAnswers(t *testing.T) {
	t.Parallel()
	d := newDiscord(t, oddity{firstID: 1_400_000_000_000_000_000, optional: http.StatusNoContent, beat: 1000})
	f := programs(t, d, map[string]string{"CHAT_CHANNEL_IDS": chatRoom, "USER_RATE": "2/1h"})
	d.dispatch("THREAD_CREATE", object{"id": thread, "guild_id": guildID, "parent_id": chatRoom, "owner_id": userID, "type": 11})
	d.dispatch("THREAD_CREATE", object{"id": otherThread, "guild_id": guildID, "parent_id": otherRoom, "owner_id": userID, "type": 11})

	// For the bot, or not. A plain text of somebody else comes last and shows that what came before was passed over.
	const heard, unheard = true, false
	long := strings.Repeat("word ", 900)
	type said struct {
		what, channel, text string
		more                object
		heard               bool
		want                string // what the answer says
	}
	cases := []said{
		{"chat channel", chatRoom, "hello", nil, heard, "answer to hello"},
		{"thread under a chat channel", thread, "hello", nil, heard, "answer to hello"},
		{"other channel", otherRoom, "hello", nil, unheard, ""},
		{"other thread", otherThread, "hello", nil, unheard, ""},
		{"other thread, mentioned", otherThread, mention + "hello", nil, heard, "answer to hello"},
		{"direct message", directRoom, "hello", nil, heard, "answer to hello"},
		{"a bot", chatRoom, "hello", object{"author": object{"id": "301", "username": "b", "bot": true}}, unheard, ""},
		{"a webhook", chatRoom, "hello", object{"webhook_id": "302"}, unheard, ""},
		{"the system", chatRoom, "hello", object{"type": 7}, unheard, ""},
		{"$ignore", chatRoom, "$ignore hello", nil, unheard, ""},
		{"$ignore, mentioned", otherRoom, mention + "hello", object{"content": "$ignore " + mention}, unheard, ""},
		{"emoji only", chatRoom, "😀 👨‍👩‍👧 🇩🇪 <:x:123456789012345678> 1️⃣", nil, unheard, ""},
		{"a GIF", chatRoom, "https://tenor.com/view/cat-1", nil, unheard, ""},
		{"the prefix and no letter", chatRoom, "$5 for a coffee?", nil, heard, "answer to $5 for a coffee?"},
		{"an unknown command", chatRoom, "$xyzzy", nil, unheard, ""},
		{"sanitized", chatRoom, "a😀b  <a:n:1> <@" + userID + "> <@&1> <#2> </stop:3> ｈｅｌｌｏ <id:guide>", nil, heard, "answer to ab @user @role #channel /stop hello"},
		{"named", chatRoom, "who is <@" + userID + ">?", object{"mentions": []object{{"id": userID, "username": "ann"}}}, heard, "answer to who is @ann?"},
		{"over 4,000 characters", chatRoom, long, nil, heard, ""},
	}
	ids := make([]string, len(cases))
	for i, c := range cases {
		more := []object{{"author": object{"id": who(i), "username": "someone"}}}
		if c.more != nil {
			more = append(more, c.more)
		}
		ids[i] = d.say(c.channel, who(i), c.text, more...)
	}
	for i, c := range cases {
		if !c.heard {
			continue
		}
		p := d.reply(c.what, ids[i])
		if c.want != "" && p.content() != c.want || c.want == "" && strings.HasPrefix(p.content(), "answer to") {
			t.Errorf("%s: answered by %q, want %q", c.what, p.content(), c.want)
		}
		if p.channel != c.channel {
			t.Errorf("%s: answered in %s", c.what, p.channel)
		}
	}
	for i, c := range cases {
		if n := d.count(func(p post) bool { return p.replyTo() == ids[i] }); !c.heard && n != 0 {
			t.Errorf("%s: %d answers", c.what, n)
		}
	}

	// Over the rate: one notice, then silence.
	var own []string
	for i := range 5 {
		own = append(own, d.say(chatRoom, userID, fmt.Sprint("question ", i)))
	}
	for i := range 2 {
		if p := d.reply("an answer within the rate", own[i]); p.content() != fmt.Sprint("answer to question ", i) {
			t.Errorf("question %d is answered by %q", i, p.content())
		}
	}
	d.reply("a notice over the rate", own[2])
	eventually(t, "the others are counted", func() bool {
		n, _ := f.metric(stack.Gateway, "salamander_questions_total", `outcome="rate_limited"`)
		return n == 3
	})
	for _, id := range own[3:] {
		if n := d.count(func(p post) bool { return p.replyTo() == id }); n != 0 {
			t.Errorf("%d words over the rate", n)
		}
	}
	watched(t, f, cases[0].channel, ids[0], guildID)
	watched(t, f, directRoom, ids[5], "dm")
	counted(t, f)
}

// watched looks at the log lines of one question.
func watched(t *testing.T, f *fleet, channel, question, guild string) {
	t.Helper()
	lines := f.about(question)
	for _, service := range []string{"gateway", "worker"} {
		info := false
		for _, l := range lines[service] {
			info = info || l["level"] == "info"
			if l["guild"] != guild || l["channel"] != channel {
				t.Errorf("a line about a question lacks where it was asked: %v", l)
			}
			if l["text"] != nil {
				t.Errorf("text stands in a line without a failure: %v", l)
			}
		}
		if !info {
			t.Errorf("the %s has no info line about question %s: %v", service, question, lines[service])
		}
	}
}

// counted looks at the metrics that CONTRACT 7 names.
func counted(t *testing.T, f *fleet) {
	t.Helper()
	for _, m := range []struct {
		role   stack.Role
		name   string
		labels []string
		least  float64
	}{
		{stack.Gateway, "salamander_questions_total", []string{`outcome="taken"`}, 10},
		{stack.Gateway, "salamander_questions_total", []string{`outcome="ignored"`}, 5},
		{stack.Gateway, "salamander_questions_total", []string{`outcome="empty"`}, 2},
		{stack.Gateway, "salamander_questions_total", []string{`outcome="muted"`}, 0},
		{stack.Gateway, "salamander_questions_total", []string{`outcome="stopped"`}, 0},
		{stack.Gateway, "salamander_questions_total", []string{`outcome="rate_limited"`}, 3},
		{stack.Gateway, "salamander_replies_total", []string{`outcome="posted"`}, 9},
		{stack.Gateway, "salamander_replies_total", []string{`outcome="notice"`}, 1},
		{stack.Gateway, "salamander_replies_total", []string{`outcome="dropped"`}, 0},
		{stack.Gateway, "salamander_replies_total", []string{`outcome="failed"`}, 0},
		{stack.Gateway, "salamander_discord_requests_total", []string{"route=", `status="201"`}, 11},
		{stack.Gateway, "salamander_reply_seconds_count", nil, 9},
		{stack.Gateway, "salamander_reply_seconds_bucket", []string{`le="+Inf"`}, 9},
		{stack.Gateway, "salamander_queue_waiting", nil, 0},
		{stack.Gateway, "salamander_queue_oldest_seconds", nil, 0},
		{stack.Worker, "salamander_model_requests_total", []string{`key="one"`, `status="200"`}, 9},
		{stack.Worker, "salamander_model_seconds_count", []string{`key="one"`}, 9},
		{stack.Worker, "salamander_model_tokens_total", []string{`key="one"`, "direction="}, 0},
		{stack.Worker, "salamander_budget_key_state", []string{`key="one"`, `state="active"`}, 1},
		{stack.Worker, "salamander_inflight", nil, 0},
	} {
		eventually(t, fmt.Sprintf("%s%v is at least %v", m.name, m.labels, m.least), func() bool {
			v, found := f.metric(m.role, m.name, m.labels...)
			return found && v >= m.least
		})
	}
}
