package discordsim_test

import (
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/sim/discordsim"
)

func TestThreadOnMessage(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	q := b.say(b.w.Channel, b.w.User, "question")
	c.until("MESSAGE_CREATE")
	path := "/channels/" + b.w.Channel.String() + "/messages/" + q.ID.String() + "/threads"
	a := b.want(b.do("POST", path, object{"name": "answer", "auto_archive_duration": 60}), 201, 0)
	if a.id() != q.ID || a.body["parent_id"] != b.w.Channel.String() || a.body["owner_id"] != b.w.Bot.String() || a.body["type"] != 11.0 {
		t.Fatalf("thread %s", a.raw)
	}
	if d := c.next().data(t); d["newly_created"] != true || d["id"] != q.ID.String() {
		t.Fatalf("THREAD_CREATE %v", d)
	}
	// The message itself changes without being edited, and the thread gets a starter.
	if f := c.next(); f.T != "MESSAGE_UPDATE" || f.data(t)["thread"] == nil || f.data(t)["edited_timestamp"] != nil || f.data(t)["flags"] != 32.0 {
		t.Fatalf("%s %s", f.T, f.D)
	}
	if f := c.next(); f.T != "MESSAGE_CREATE" || f.data(t)["type"] != 21.0 || f.data(t)["content"] != "" {
		t.Fatalf("%s %s", f.T, f.D)
	}
	b.want(b.do("POST", path, object{"name": "again"}), 400, 160004)
	post := b.want(b.post(q.ID, object{"content": "in the thread"}), 200, 0)
	if got := b.Replies(q.ID); len(got) != 1 || got[0].ID != post.id() {
		t.Fatalf("replies %+v", got)
	}
	if th := b.Threads(); len(th) != 1 || th[0].ID != q.ID || th[0].AutoArchive != time.Hour || b.Counts().Threads != 1 {
		t.Fatalf("threads %+v", th)
	}
	must(t, b.DeleteThread(q.ID))
	if d := c.until("THREAD_DELETE").data(t); d["id"] != q.ID.String() {
		t.Fatalf("THREAD_DELETE %v", d)
	}
	b.want(b.post(q.ID, object{"content": "gone"}), 404, 10003)
}

func TestThreadErrors(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{MaxActiveThreads: 1})
	q := b.say(b.w.Channel, b.w.User, "question")
	voice, err := b.AddChannel(discordsim.Channel{Guild: b.w.Guild, Type: discordsim.VoiceChannel})
	must(t, err)
	spoken := b.say(voice.ID, b.w.User, "in voice chat")
	dm, err := b.OpenDM(b.w.User)
	must(t, err)
	private := b.say(dm.ID, b.w.User, "in private")
	at := func(ch, m discordsim.ID) string {
		return "/channels/" + ch.String() + "/messages/" + m.String() + "/threads"
	}
	b.want(b.do("POST", at(b.w.Channel, q.ID), object{}), 400, 50035)
	b.want(b.do("POST", at(b.w.Channel, q.ID), object{"name": strings.Repeat("x", 101)}), 400, 50035)
	b.want(b.do("POST", at(b.w.Channel, q.ID), object{"name": "x", "auto_archive_duration": 61}), 400, 50035)
	b.want(b.do("POST", at(b.w.Channel, q.ID), object{"name": "x", "rate_limit_per_user": -1}), 400, 50035)
	b.want(b.do("POST", at(b.w.Channel, 1), object{"name": "x"}), 404, 10008)
	b.want(b.do("POST", at(voice.ID, spoken.ID), object{"name": "x"}), 400, 50024)
	b.want(b.do("POST", at(dm.ID, private.ID), object{"name": "x"}), 400, 50024)
	b.want(b.do("POST", at(b.w.Channel, q.ID), object{"name": "x"}), 201, 0)
	b.want(b.do("POST", at(q.ID, b.Messages(q.ID)[0].ID), object{"name": "x"}), 400, 50024)
	second := b.say(b.w.Channel, b.w.User, "second")
	b.want(b.do("POST", at(b.w.Channel, second.ID), object{"name": "x"}), 400, 160006)
	must(t, b.SetThread(q.ID, true, false))
	b.want(b.do("POST", at(b.w.Channel, second.ID), object{"name": "x"}), 201, 0)
}

func TestThreadsArchiveByTime(t *testing.T) {
	t.Parallel()
	k := newClock()
	b := setup(t, &discordsim.Server{Now: k.now, MaxActiveThreads: 1})
	path := "/channels/" + b.w.Channel.String() + "/threads"
	body := object{"name": "x", "type": 11, "auto_archive_duration": 60}
	first := b.want(b.do("POST", path, body), 201, 0).id()
	b.want(b.do("POST", path, body), 400, 160006)
	k.advance(time.Hour + time.Second)
	b.want(b.do("POST", path, body), 201, 0)
	if ch, _ := b.Channel(first); !ch.Archived {
		t.Fatal("the first thread is still active")
	}
}

func TestArchivedAndLockedThreads(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	th, err := b.StartThread(b.w.Channel, 0, b.w.User, "side")
	must(t, err)
	own := b.want(b.post(th.ID, object{"content": "hi"}), 200, 0).id()
	must(t, b.SetThread(th.ID, true, false))
	c.until("THREAD_UPDATE")
	b.want(b.do("PATCH", "/channels/"+th.ID.String()+"/messages/"+own.String(), object{"content": "x"}), 400, 50083)
	b.want(b.do("PUT", "/channels/"+th.ID.String()+"/thread-members/@me", nil), 400, 50083)
	b.want(b.post(th.ID, object{"content": "posting un-archives"}), 200, 0)
	if d := c.until("THREAD_UPDATE").data(t); d["thread_metadata"].(object)["archived"] != false {
		t.Fatalf("THREAD_UPDATE %v", d)
	}
	must(t, b.SetThread(th.ID, true, true))
	b.want(b.post(th.ID, object{"content": "hi"}), 400, 160005)
	must(t, b.SetOverwrites(b.w.Channel, discordsim.Overwrite{ID: b.w.Bot, Member: true, Allow: discordsim.ManageThreads}))
	b.want(b.post(th.ID, object{"content": "a moderator may"}), 200, 0)
	b.want(b.do("PATCH", "/channels/"+th.ID.String(), object{"locked": false, "archived": true}), 200, 0)
	if ch, _ := b.Channel(th.ID); ch.Locked || !ch.Archived {
		t.Fatalf("thread %+v", ch)
	}
}

// Deleting a channel takes its threads without a word, as Discord does.
func TestDeleteChannelWithThreads(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	c, _ := b.online(allIntents)
	th, err := b.StartThread(b.w.Channel, 0, b.w.User, "side")
	must(t, err)
	c.until("THREAD_CREATE")
	must(t, b.DeleteChannel(b.w.Channel))
	c.until("CHANNEL_DELETE")
	b.want(b.post(th.ID, object{"content": "hi"}), 404, 10003)
	b.want(b.post(b.w.Channel, object{"content": "hi"}), 404, 10003)
}

func TestDirectMessages(t *testing.T) {
	t.Parallel()
	b := setup(t, &discordsim.Server{})
	a := b.want(b.do("POST", "/users/@me/channels", object{"recipient_id": b.w.User}), 200, 0)
	dm, err := b.OpenDM(b.w.User)
	must(t, err)
	if a.id() != dm.ID || a.body["type"] != 1.0 || a.body["recipients"].([]any)[0].(object)["id"] != b.w.User.String() {
		t.Fatalf("DM %s", a.raw)
	}
	b.want(b.do("POST", "/users/@me/channels", object{"recipient_id": "1"}), 404, 10013)
	b.want(b.post(dm.ID, object{"content": "hello"}), 200, 0)
}
