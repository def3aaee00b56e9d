package strange

import (
	"net/http"
	"strings"
	"testing"

	"salamander.dev/deployments/stack"
)

const mention = "<@" + botID + "> "

// oddities are Discords that each promise as little as they can.
var oddities = map[string]oddity{
	"bare":      {firstID: 1000, optional: http.StatusNotFound, plain: true, beat: 300, emptyPosts: true, nameless: true},
	"refusing":  {firstID: 1 << 62, optional: http.StatusNotImplemented, beat: 45_000, roles: true},
	"forbidden": {firstID: 1_300_000_000_000_000_000, optional: http.StatusForbidden, beat: 1000, withoutList: true},
	"failing":   {firstID: 5000, optional: http.StatusInternalServerError, plain: true, beat: 500, roles: true},
	"silent":    {firstID: 900_000_000_000_000_000, optional: -1, beat: 41_250},
}

func TestEveryoneIsAnsweredWhateverDiscordLeavesOut(t *testing.T) {
	t.Parallel()
	for name, o := range oddities {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDiscord(t, o)
			programs(t, d, map[string]string{})
			talk(t, d)
			command(t, d)
		})
	}
}

// talk asks in every way in which a message is for the bot.
func talk(t *testing.T, d *discord) {
	t.Helper()
	asked := d.say(otherRoom, userID, mention+"what is fire?")
	p := d.reply("an answer to a mention", asked)
	if p.content() != "answer to what is fire?" || p.channel != otherRoom {
		t.Errorf("the answer is %q in %s", p.content(), p.channel)
	}
	nonce, _ := p.body["nonce"].(string)
	if nonce == "" || len(nonce) > 25 || p.body["enforce_nonce"] != true {
		t.Errorf("nonce %q, enforced %v", nonce, p.body["enforce_nonce"])
	}
	allowed, _ := p.body["allowed_mentions"].(object)
	if parse, ok := allowed["parse"].([]any); !ok || len(parse) != 0 {
		t.Errorf("allowed_mentions is %v", allowed)
	}
	// Discord tells a bot of its own messages too, before anybody can have read them.
	d.dispatch("MESSAGE_CREATE", object{"id": p.id, "channel_id": p.channel, "guild_id": guildID, "content": p.content(),
		"author": object{"id": botID, "username": "salamander", "bot": true}})
	d.reply("an answer to a reply", d.say(otherRoom, userID, "go on", object{"type": 19, "message_reference": object{"message_id": p.id}}))
	unheard := d.say(otherRoom, userID, "nobody asked you")
	if q := d.reply("an answer to a direct message", d.say(directRoom, userID, "psst")); q.channel != directRoom {
		t.Errorf("the direct message is answered in %s", q.channel)
	}
	if n := d.count(func(p post) bool { return p.replyTo() == unheard }); n != 0 {
		t.Error("what was not for the bot is answered")
	}
	d.await("typing", func(p post) bool { return p.kind == "typing" && p.channel == otherRoom })
}

// command stops and starts the bot, by a message and by a slash command.
func command(t *testing.T, d *discord) {
	t.Helper()
	if p := d.reply("a confirmation", d.say(otherRoom, ownerID, "$stop")); !strings.Contains(p.content(), "Stopped") {
		t.Errorf("$stop is answered by %q", p.content())
	}
	silent := d.say(otherRoom, userID, mention+"are you there?")
	token := d.slash("start", object{"user": object{"id": modID, "username": "mod"}, "roles": []string{modRole}})
	edit := d.await("an answer to /start", func(p post) bool { return p.kind == "edit" && p.channel == token })
	if !strings.Contains(edit.content(), "Started") {
		t.Errorf("/start is answered by %q", edit.content())
	}
	if _, ok := d.find(func(p post) bool { return p.kind == "callback" && p.channel == token }); !ok {
		t.Error("/start was not acknowledged")
	}
	d.reply("an answer after a start", d.say(otherRoom, userID, mention+"and now?"))
	if n := d.count(func(p post) bool { return p.replyTo() == silent }); n != 0 {
		t.Error("a stopped bot has answered")
	}
	refused := d.slash("stop", object{"user": object{"id": userID, "username": "user"}, "roles": []string{}, "permissions": "0"})
	d.await("a refusal", func(p post) bool {
		return p.kind == "edit" && p.channel == refused && strings.Contains(p.content(), "moderators")
	})
	callback, _ := d.find(func(p post) bool { return p.kind == "callback" && p.channel == refused })
	if data, _ := callback.body["data"].(object); data["flags"] != 64.0 {
		t.Errorf("everybody sees the refusal: %v", callback.body)
	}
}

// A stop holds although the next session tells less, and a question in a thread that Discord never told of is heard.
func TestThreadsThatDiscordNeverTellsOf(t *testing.T) {
	t.Parallel()
	d := newDiscord(t, oddity{firstID: 1000, optional: http.StatusNotFound, beat: 500})
	programs(t, d, map[string]string{"REPLY_STYLE": "thread"})
	asked := d.say(otherRoom, userID, mention+"open a thread")
	d.await("a thread", func(p post) bool { return p.kind == "thread" && p.id == asked })
	d.await("an answer in it", func(p post) bool { return p.kind == "message" && p.channel == asked })
	further := d.say(asked, userID, "what else?")
	if p := d.reply("an answer in the thread", further); p.channel != asked {
		t.Errorf("the answer stands in %s", p.channel)
	}
}

func TestAThreadThatCantBeOpenedIsAReply(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound, http.StatusNotImplemented, http.StatusInternalServerError} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			d := newDiscord(t, oddity{firstID: 1000, optional: http.StatusNotFound, threads: status, beat: 500})
			programs(t, d, map[string]string{"REPLY_STYLE": "thread"})
			d.reply("a reply", d.say(otherRoom, userID, mention+"open a thread"))
		})
	}
}

// A lost session that can't be resumed is replaced, and a stop outlives every process although Discord names no servers.
func TestComingBack(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]oddity{
		"op 9":       {firstID: 1000, optional: http.StatusNotFound, beat: 500, nameless: true},
		"no answer":  {firstID: 1000, optional: http.StatusNotFound, beat: 500, deafResume: true},
		"in silence": {firstID: 1000, optional: -1, beat: 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDiscord(t, o)
			s := programs(t, d, map[string]string{})
			d.reply("an answer", d.say(otherRoom, userID, mention+"hello"))
			d.cut()
			eventually(t, "a new session", func() bool {
				d.mu.Lock()
				defer d.mu.Unlock()
				return d.identifies == 2 && len(d.sockets) == 1
			})
			d.reply("an answer after the cut", d.say(otherRoom, userID, mention+"hello again"))
			d.reply("a confirmation", d.say(otherRoom, ownerID, "$stop"))
			for _, r := range []stack.Role{stack.Gateway, stack.Worker, stack.NATS} {
				s.Running(r)[0].Kill()
			}
			for _, r := range []stack.Role{stack.NATS, stack.Worker, stack.Gateway} {
				s.start(r)
			}
			silent := d.say(otherRoom, userID, mention+"still there?")
			d.reply("a confirmation of the start", d.say(otherRoom, ownerID, "$start"))
			d.reply("an answer after the start", d.say(otherRoom, userID, mention+"and now?"))
			if n := d.count(func(p post) bool { return p.replyTo() == silent }); n != 0 {
				t.Error("a stopped bot has answered after a restart")
			}
		})
	}
}

// What was missed is caught up although Discord does not tell a channel's last message, and commands are not.
func TestCatchingUpWithoutBeingTold(t *testing.T) {
	t.Parallel()
	d := newDiscord(t, oddity{firstID: 1000, optional: http.StatusNotFound, beat: 500, timed: true, nameless: true})
	before := d.say(chatRoom, userID, "before anything")
	f := programs(t, d, map[string]string{"CHAT_CHANNEL_IDS": chatRoom})
	known := d.say(chatRoom, userID, "seen live")
	d.reply("an answer", known)
	d.reply("an answer to a direct message", d.say(directRoom, userID, "psst"))
	eventually(t, "how far it was heard is stored", func() bool { return f.Running(stack.Gateway)[0].Stop(t.Context()) == 0 })
	stop := d.say(chatRoom, ownerID, "$stop")
	missed := d.say(chatRoom, userID, "missed")
	direct := d.say(directRoom, userID, "missed too")
	f.start(stack.Gateway)
	if p := d.reply("a late answer", missed); !strings.HasSuffix(p.content(), "answer to missed") {
		t.Errorf("the late answer is %q", p.content())
	}
	d.reply("a late answer to a direct message", direct)
	d.reply("an answer after the catch-up", d.say(chatRoom, userID, "and now?"))
	for id, want := range map[string]int{before: 0, known: 1, stop: 0, missed: 1, direct: 1} {
		if n := d.count(func(p post) bool { return p.replyTo() == id }); n != want {
			t.Errorf("message %s has %d answers, want %d", id, n, want)
		}
	}
}
