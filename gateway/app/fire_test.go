package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/gateway/internal/edge/store"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/sim/discordsim"
)

func TestWhatWasMissedIsCaughtUpOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	w := s.work(nil)
	other, _ := s.sim.AddChannel(discordsim.Channel{Guild: s.world.Guild, Name: "other"})
	dm, _ := s.sim.OpenDM(s.world.User)
	unseen := s.sim.AddUser("unseen", false)
	newDM, _ := s.sim.OpenDM(unseen.ID)
	mention := "<@" + s.world.Bot.String() + "> "

	before := []discordsim.Message{s.say("before the very first start"), s.sayIn(other.ID, s.world.User, mention+"before")}
	g := s.start()
	live := []discordsim.Message{s.say("live"), s.sayIn(dm.ID, s.world.User, "live direct message")}
	for _, m := range live {
		s.answered(m)
	}
	g.stop()
	missed := []discordsim.Message{
		s.say("missed"), s.sayIn(other.ID, s.world.User, mention+"missed mention"), s.sayIn(dm.ID, s.world.User, "missed direct message"),
	}
	silent := append(before, s.say("$ignore missed"), s.sayIn(other.ID, s.world.User, "missed talk"), s.sayIn(newDM.ID, unseen.ID, "never seen"),
		s.sayIn(s.world.Channel, s.world.Owner, "$help"))
	s.start()
	s.start()
	for _, m := range missed {
		if p := s.answered(m); !strings.Contains(p.Content, "(late)") || !strings.HasSuffix(p.Content, "echo: "+strings.TrimPrefix(m.Content, mention)) {
			t.Errorf("%q is answered by %q", m.Content, p.Content)
		}
	}
	last := s.say("live again")
	if p := s.answered(last); strings.Contains(p.Content, "late") {
		t.Errorf("a live question is answered by %q", p.Content)
	}
	for _, m := range append(append(live, missed...), last) {
		if n := s.sim.ReplyCount(m.ID); n != 1 {
			t.Errorf("%q has %d replies", m.Content, n)
		}
	}
	for _, m := range silent {
		if n := s.sim.ReplyCount(m.ID); n != 0 {
			t.Errorf("%q has %d replies", m.Content, n)
		}
	}
	if n := len(w.questions()); n != len(live)+len(missed)+1 {
		t.Errorf("the worker had %d questions", n)
	}
}

func TestACutConnectionLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	s.start()
	s.answered(s.say("first"))
	s.sim.InvalidateSessions(false)
	s.sim.Refuse(300 * time.Millisecond)
	var all []discordsim.Message
	for i := range 5 {
		all = append(all, s.say(fmt.Sprint("meanwhile ", i)))
	}
	for _, m := range all {
		s.answered(m)
		if n := s.sim.ReplyCount(m.ID); n != 1 {
			t.Errorf("%q has %d replies", m.Content, n)
		}
	}
}

func TestQuestionsAreHeldWhileNATSIsAway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	g := s.start()
	s.answered(s.say("before"))
	s.nats.Stop()
	eventually(t, "the gateway says that NATS is away", func() bool { return g.ready() != nil })
	users := s.members(5) // the queue takes 25 questions of one user and channel
	var all []discordsim.Message
	for i := range 50 {
		all = append(all, s.sayIn(s.world.Channel, users[i%5], fmt.Sprintf("held %02d", i)))
	}
	eventually(t, "readyz tells how many are held", func() bool {
		err := g.ready()
		return err != nil && strings.Contains(err.Error(), "questions are held") && g.desk.Held() == 50
	})
	gone := all[7]
	if err := s.sim.Delete(gone.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sim.Edit(all[9].ID, "held but edited"); err != nil {
		t.Fatal(err)
	}
	s.nats.Start()
	for i, m := range all {
		if m.ID == gone.ID {
			continue
		}
		p := s.answered(m)
		if i == 9 && p.Content != "echo: held but edited" {
			t.Errorf("an edited question is answered by %q", p.Content)
		}
	}
	eventually(t, "it is ready again", func() bool { return g.ready() == nil })
	author, last := map[discordsim.ID]discordsim.ID{}, map[discordsim.ID]discordsim.ID{}
	for _, m := range all {
		author[m.ID] = m.Author
	}
	for _, p := range s.sim.Posts()[1:] {
		if who := author[p.Reference]; p.Reference < last[who] {
			t.Errorf("%q came too late", p.Content)
		} else {
			last[who] = p.Reference
		}
	}
	if s.sim.ReplyCount(gone.ID) != 0 {
		t.Error("a question that was deleted while it was held is answered")
	}
	if n := g.metric("salamander_questions_total", "taken"); n != 50 {
		t.Errorf("%v taken", n)
	}
}

func TestAnEditOrADeletionReachesTheWorkers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(func(chat.Question) (chat.Answer, bool) { return chat.Answer{}, false })
	g := s.start()
	edited, deleted, ignored := s.say("first version"), s.say("never mind"), s.say("a question")
	eventually(t, "they are taken", func() bool { return g.metric("salamander_questions_total", "taken") == 3 })
	if err := s.sim.Embed(edited.ID); err != nil {
		t.Fatal(err)
	}
	for id, text := range map[discordsim.ID]string{edited.ID: "second version 😀", ignored.ID: "$ignore a question"} {
		if _, err := s.sim.Edit(id, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.sim.Delete(deleted.ID); err != nil {
		t.Fatal(err)
	}
	change := func(m discordsim.Message) (c chat.Change) {
		_, _, err := s.bus.Changed().Get(t.Context(), m.ID.String(), &c)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	eventually(t, "the changes are told", func() bool {
		return change(edited).Text == "second version" && change(deleted).Deleted && change(ignored).Deleted
	})
}

func TestALostChannelOrServerDropsItsAnswers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	open := make(chan struct{})
	s.work(func(q chat.Question) (chat.Answer, bool) {
		select {
		case <-open:
		default:
			return chat.Answer{}, false
		}
		a := chat.AnswerTo(q, chat.Reply, time.Now())
		a.Text = "too late"
		return a, true
	})
	doomed, _ := s.sim.AddChannel(discordsim.Channel{Guild: s.world.Guild, Name: "doomed"})
	left := s.sim.AddGuild(discordsim.Guild{Name: "left"})
	leftChat, _ := s.sim.AddChannel(discordsim.Channel{Guild: left.ID, Name: "chat"})
	g := s.start("CHAT_CHANNEL_IDS", fmt.Sprint(s.world.Channel, ",", doomed.ID, ",", leftChat.ID))
	s.sayIn(doomed.ID, s.world.User, "here?")
	s.sayIn(leftChat.ID, left.Owner, "and here?")
	stays := s.say("this one stays")
	eventually(t, "they are taken", func() bool { return g.metric("salamander_questions_total", "taken") == 3 })
	if err := s.sim.DeleteChannel(doomed.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.sim.KickBot(left.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server's questions are gone", func() bool {
		n, err := s.bus.Waiting(t.Context(), control.Scope(left.ID.String()))
		return err == nil && n == 0
	})
	close(open)
	s.answered(stays)
	// The server's question may have been in a worker's hands while it was deleted; then its answer is dropped, too.
	eventually(t, "both are counted as dropped", func() bool { return g.metric("salamander_replies_total", "dropped") >= 2 })
	if n := g.metric("salamander_replies_total", "failed"); n != 0 {
		t.Errorf("%v failed", n)
	}
}

// A channel that the bot can't see for a while is not lost, unless its answer comes then.
func TestAnAnswerIsPostedWhereTheBotSeesAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	hidden, err := s.sim.AddChannel(discordsim.Channel{Guild: s.world.Guild, Name: "hidden"})
	if err != nil {
		t.Fatal(err)
	}
	var open atomic.Bool
	s.work(func(q chat.Question) (chat.Answer, bool) {
		a := chat.AnswerTo(q, chat.Reply, time.Now())
		a.Text = "seen again"
		return a, open.Load()
	})
	g := s.start("CHAT_CHANNEL_IDS", fmt.Sprint(s.world.Channel, ",", hidden.ID))
	shown := s.say("can you see me?")
	s.sayIn(hidden.ID, s.world.User, "and me?")
	eventually(t, "they are taken", func() bool { return g.metric("salamander_questions_total", "taken") == 2 })
	unseen := discordsim.Overwrite{ID: s.world.Guild, Deny: discordsim.ViewChannel}
	for _, c := range []discordsim.ID{s.world.Channel, hidden.ID} {
		if err := s.sim.SetOverwrites(c, unseen); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.sim.SetOverwrites(s.world.Channel); err != nil {
		t.Fatal(err)
	}
	open.Store(true)
	s.answered(shown)
	eventually(t, "the other is dropped", func() bool { return g.metric("salamander_replies_total", "dropped") == 1 })
	if !g.log.has("answer dropped", "no_access", "View Channel") || g.metric("salamander_replies_total", "failed") != 0 {
		t.Error("the log does not say what to do, or it failed")
	}
}

// The answer to a server that the bot left while no gateway ran is dropped like any other of a server that is lost.
func TestAnAnswerToAServerThatWasLeftInADowntimeIsDropped(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	g := s.start()
	s.say("are you still here?")
	eventually(t, "it is taken", func() bool { return g.metric("salamander_questions_total", "taken") == 1 })
	g.stop()
	if err := s.sim.KickBot(s.world.Guild); err != nil {
		t.Fatal(err)
	}
	s.work(nil)
	g = s.start()
	eventually(t, "it is dropped", func() bool { return g.log.has("answer dropped", "no_access") })
	if dropped, failed := g.metric("salamander_replies_total", "dropped"), g.metric("salamander_replies_total", "failed"); dropped != 1 || failed != 0 {
		t.Errorf("%v dropped, %v failed", dropped, failed)
	}
}

func TestMissingPermissionsAreSaidOnceAndClearly(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	deny := func(name string, p discordsim.Permission) discordsim.Channel {
		ch, err := s.sim.AddChannel(discordsim.Channel{Guild: s.world.Guild, Name: name, Overwrites: []discordsim.Overwrite{{ID: s.world.Guild, Deny: p}}})
		if err != nil {
			t.Fatal(err)
		}
		return ch
	}
	mute, history := deny("no posts", discordsim.SendMessages), deny("no history", discordsim.ReadMessageHistory)
	g := s.start("CHAT_CHANNEL_IDS", fmt.Sprint(mute.ID, ",", history.ID))
	s.sayIn(mute.ID, s.world.User, "can you speak?")
	s.sayIn(history.ID, s.world.User, "can you reply?")
	eventually(t, "one fails, one is posted without a reference", func() bool {
		return g.metric("salamander_replies_total", "failed") == 1 && g.metric("salamander_replies_total", "posted") == 1
	})
	if !g.log.has("an answer could not be posted", "Send Messages", `"prompt":"can you speak?"`) || !g.log.has("posted in another way", "Read Message History") {
		t.Error("the log does not say what to do")
	}
}

// A permission that is missing for a moment costs the answer that meets it, and no other.
func TestARefusalIsNotHeldAgainstTheNextAnswer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	g := s.start()
	s.sim.Inject(discordsim.Fault{Route: "POST /channels/{channel}/messages", Status: 403, Code: 50013, Times: 2}) // with and without a reference
	s.say("refused")
	eventually(t, "one fails", func() bool { return g.metric("salamander_replies_total", "failed") == 1 })
	s.answered(s.say("heard again"))
	if n := s.sim.PendingFaults(); n != 0 {
		t.Errorf("%d of two refusals were never asked for", n)
	}
}

func TestARedeliveryPostsOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	m := s.say("a question from before")
	part := func(n int) string { return strings.TrimSpace(strings.Repeat(fmt.Sprintf("part%d ", n), 280)) }
	a := chat.Answer{
		Question: chat.QuestionID(m.ID.String()), Guild: chat.GuildID(s.world.Guild.String()), Channel: chat.ChannelID(s.world.Channel.String()),
		User: chat.UserID(s.world.User.String()), Message: chat.MessageID(m.ID.String()), Kind: chat.Reply, Mark: chat.Snowflake(m.ID),
		Text: part(0) + "\n\n" + part(1) + "\n\n" + part(2), Asked: time.Now(), Answered: time.Now(),
	}
	// A gateway died after the first part.
	record := outbound.Record{Parts: []chat.MessageID{"1"}}
	if _, err := store.NewRecords(s.bus).SetPosted(t.Context(), a.Question, record); err != nil {
		t.Fatal(err)
	}
	if err := s.bus.PublishAnswer(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	g := s.start()
	eventually(t, "it is posted", func() bool { return g.metric("salamander_replies_total", "posted") == 1 })
	posts := s.sim.Posts()
	if len(posts) != 2 || posts[0].Content != part(1) || posts[1].Content != part(2) {
		t.Errorf("%d posts", len(posts))
	}
	got, err := store.NewRecords(s.bus).Posted(t.Context(), a.Question)
	if err != nil || !got.Done || len(got.Parts) != 3 {
		t.Errorf("the record says %+v, %v", got, err)
	}
}

func TestDiscordsTroublePasses(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	s.start()
	const post = "POST /channels/{channel}/messages"
	s.sim.Inject(
		discordsim.Fault{Route: post, Status: 500, Times: 2}, discordsim.Fault{Route: post, DropAfter: true, Times: 2},
		discordsim.Fault{Route: post, Status: 429, RetryAfter: 0.2}, discordsim.Fault{Route: post, DropBefore: true},
		discordsim.Fault{Route: post, Status: 502, HTML: true},
	)
	var all []discordsim.Message
	for i := range 10 {
		all = append(all, s.say(fmt.Sprint("question ", i)))
	}
	for _, m := range all {
		s.answered(m)
	}
	for _, m := range all {
		if n := s.sim.ReplyCount(m.ID); n != 1 {
			t.Errorf("%q has %d replies", m.Content, n)
		}
	}
}

func TestADrainUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	users := s.members(8)
	var all []discordsim.Message
	for round := range 4 {
		g := s.start()
		for i := range 40 {
			all = append(all, s.sayIn(s.world.Channel, users[i%8], fmt.Sprint("round ", round, " question ", i)))
		}
		g.stop()
		if g.err != nil {
			t.Errorf("round %d ended with %v", round, g.err)
		}
	}
	s.start()
	for _, m := range all {
		s.answered(m)
		if n := s.sim.ReplyCount(m.ID); n != 1 {
			t.Errorf("%q has %d replies", m.Content, n)
		}
	}
}

func TestAQuestionThatTheQueueRefusesGetsANoticeAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	open := make(chan struct{})
	s.work(func(q chat.Question) (chat.Answer, bool) {
		select {
		case <-open:
		default:
			return chat.Answer{}, false
		}
		a := chat.AnswerTo(q, chat.Reply, time.Now())
		a.Text = "echo"
		var c chat.Change
		_, _, err := s.bus.Changed().Get(context.Background(), string(q.ID), &c)
		if c.Refused {
			a.Kind, a.Reason, a.Text = chat.Refusal, chat.ReasonFull, chat.TextFull
		}
		return a, err == nil
	})
	g := s.start()
	var all []discordsim.Message
	const bound = 250 // per user and channel
	for i := range bound + 5 {
		all = append(all, s.say(fmt.Sprint("question ", i)))
	}
	eventually(t, "five are refused", func() bool { return g.metric("salamander_questions_total", "rate_limited") == 5 })
	var told []discordsim.Message
	eventually(t, "one of them is told so", func() bool {
		told = slices.DeleteFunc(slices.Clone(all[bound:]), func(m discordsim.Message) bool { return s.sim.ReplyCount(m.ID) == 0 })
		return len(told) > 0
	})
	g.stop()
	close(open)
	eventually(t, "there is room for what another gateway heard", func() bool {
		_, err := s.bus.PublishQuestion(t.Context(), chat.Question{
			ID: chat.QuestionID(told[0].ID.String()), Message: chat.MessageID(told[0].ID.String()), Guild: chat.GuildID(s.world.Guild.String()),
			Channel: chat.ChannelID(s.world.Channel.String()), User: chat.UserID(s.world.User.String()), Text: told[0].Content,
			Mark: chat.Snowflake(told[0].ID), Asked: time.Now(),
		})
		return err == nil
	})
	s.start()
	for _, m := range all[:bound] {
		s.answered(m)
	}
	s.answered(s.say("the last one"))
	notices := 0
	for _, m := range all[bound:] { // the others may be heard when they are caught up on
		replies := s.sim.Replies(m.ID)
		if len(replies) > 1 {
			t.Errorf("%q has %d replies", m.Content, len(replies))
		}
		for _, p := range replies {
			if p.Content == chat.TextFull {
				notices++
			}
		}
	}
	if notices != 1 {
		t.Errorf("%d notices", notices)
	}
}
