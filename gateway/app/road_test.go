package app

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/sim/discordsim"
)

func TestAQuestionIsAnsweredOnTheMessage(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	g := s.start()
	m := s.say("hello <@" + s.world.Bot.String() + "> how are you? 😀")
	p := s.answered(m)
	if p.Content != "echo: hello how are you?" || p.Reference != m.ID || !p.EnforceNonce || p.Nonce == "" || len(p.Nonce) > 25 {
		t.Errorf("the answer is %+v", p)
	}
	if want := `{"parse":[],"users":["` + s.world.User.String() + `"],"replied_user":true}`; string(p.AllowedMentions) != want {
		t.Errorf("allowed_mentions %s", p.AllowedMentions)
	}
	eventually(t, "it is counted", func() bool {
		return g.metric("salamander_questions_total", "taken") == 1 && g.metric("salamander_replies_total", "posted") == 1
	})
	if !g.log.has("question taken", `"question":"`+m.ID.String()+`"`, `"guild":"`+s.world.Guild.String()+`"`, `"channel":"`+s.world.Channel.String()+`"`) {
		t.Error("no line says that the question was taken")
	}
	if strings.Contains(g.log.String(), discordsim.DefaultToken) {
		t.Error("the token is in the log")
	}
}

func TestWhoIsAnswered(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	other, _ := s.sim.AddChannel(discordsim.Channel{Guild: s.world.Guild, Name: "other"})
	bot := s.sim.AddUser("other bot", true)
	if err := s.sim.AddMember(s.world.Guild, bot.ID); err != nil {
		t.Fatal(err)
	}
	thread, err := s.sim.StartThread(s.world.Channel, 0, s.world.User, "under the chat channel")
	if err != nil {
		t.Fatal(err)
	}
	dm, _ := s.sim.OpenDM(s.world.User)
	g := s.start()

	mention := "<@" + s.world.Bot.String() + "> "
	var silent []discordsim.Message
	silent = append(silent,
		s.sayIn(other.ID, s.world.User, "just talk"),
		s.say("$ignore this"),
		s.sayIn(other.ID, s.world.User, "$ignore "+mention),
		s.say("😀 🎉"),
		s.say("$foobarbaz what is this"),
		s.sayIn(s.world.Channel, bot.ID, "I am a bot"),
		s.say("a webhook", discordsim.SayOpts{Webhook: s.sim.NewID()}),
	)
	answered := []discordsim.Message{
		s.say("in a chat channel"),
		s.sayIn(other.ID, s.world.User, mention+"a mention"),
		s.sayIn(thread.ID, s.world.User, "in a thread under a chat channel"),
		s.sayIn(dm.ID, s.world.User, "a direct message"),
		s.say("$5 for a coffee?"),
	}
	for _, m := range answered {
		p := s.answered(m)
		if p.Channel != m.Channel || p.Reference != m.ID {
			t.Errorf("%q is answered by %+v", m.Content, p)
		}
	}
	first := s.answered(answered[1])
	reply := s.sayIn(other.ID, s.world.User, "a reply", discordsim.SayOpts{ReplyTo: first.ID, NoPing: true})
	s.answered(reply)
	for _, m := range silent {
		if n := s.sim.ReplyCount(m.ID); n != 0 {
			t.Errorf("%q got %d replies", m.Content, n)
		}
	}
	eventually(t, "outcomes are counted", func() bool {
		return g.metric("salamander_questions_total", "taken") == 6 && g.metric("salamander_questions_total", "empty") == 1 &&
			g.metric("salamander_questions_total", "ignored") >= 5
	})
}

func TestTheStyleThread(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	bare, _ := s.sim.AddChannel(discordsim.Channel{Guild: s.world.Guild, Name: "no threads", Overwrites: []discordsim.Overwrite{
		{ID: s.world.Guild, Deny: discordsim.CreatePublicThreads},
	}})
	g := s.start("REPLY_STYLE", "thread", "CHAT_CHANNEL_IDS", s.world.Channel.String()+","+bare.ID.String())
	m := s.say("Why is the sky blue, and not green?")
	p := s.answered(m)
	if p.Channel != discordsim.ID(m.ID) || p.Reference != 0 {
		t.Errorf("the answer stands in %s with reference %s, not in the thread on %s", p.Channel, p.Reference, m.ID)
	}
	th, _ := s.sim.Channel(p.Channel)
	if th.Name != "Why is the sky blue, and not green?" {
		t.Errorf("the thread is named %q", th.Name)
	}
	in := s.sayIn(th.ID, s.world.User, "and at night?")
	eventually(t, "the question in the thread is answered there", func() bool {
		for _, p := range s.sim.Posts() {
			if p.Reference == in.ID && p.Channel == th.ID {
				return true
			}
		}
		return false
	})
	no := s.sayIn(bare.ID, s.world.User, "no thread here")
	if p := s.answered(no); p.Channel != bare.ID || p.Reference != no.ID {
		t.Errorf("without the permission the answer is %+v", p)
	}
	if !g.log.has("posted in another way", "Create Public Threads") {
		t.Error("no line says what to do about the missing permission")
	}
}

func TestLongAnswersComeInPartsAndInOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(func(q chat.Question) (chat.Answer, bool) {
		a := chat.AnswerTo(q, chat.Reply, time.Now())
		a.Text = strings.Repeat(q.UserName+" asked something. ", 300)
		return a, true
	})
	s.start()
	bob := s.sim.AddUser("bob", false)
	if err := s.sim.AddMember(s.world.Guild, bob.ID); err != nil {
		t.Fatal(err)
	}
	a, b := s.say("long, please"), s.sayIn(s.world.Channel, bob.ID, "long, too")
	eventually(t, "all parts are there", func() bool { return len(s.sim.Posts()) >= 8 })
	var order []string
	for _, p := range s.sim.Posts() {
		question, part, _ := strings.Cut(p.Nonce, "-")
		order = append(order, map[string]string{a.ID.String(): "a", b.ID.String(): "b"}[question]+part)
		if (part == "0") != (p.Reference != 0) {
			t.Errorf("part %s references %s", part, p.Reference)
		}
	}
	// Parts of two answers never mix.
	if got := strings.Join(order, " "); got != "a0 a1 a2 a3 b0 b1 b2 b3" && got != "b0 b1 b2 b3 a0 a1 a2 a3" {
		t.Errorf("parts came as %q", got)
	}
	if s.sim.ReplyCount(a.ID) != 1 || s.sim.ReplyCount(b.ID) != 1 {
		t.Error("not exactly the first part references the question")
	}
}

func TestOneNoticePerUserAndWindow(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	one, two := s.start("USER_RATE", "3/1h"), s.start("USER_RATE", "3/1h")
	var all []discordsim.Message
	for i := range 8 {
		all = append(all, s.say(fmt.Sprint("question ", i)))
	}
	sum := func(o string) float64 {
		return one.metric("salamander_questions_total", o) + two.metric("salamander_questions_total", o)
	}
	eventually(t, "three are taken and the rest refused", func() bool { return sum("taken") == 3 && sum("rate_limited") == 10 })
	eventually(t, "three answers and a notice", func() bool { return len(s.sim.Posts()) >= 4 })
	notices := 0
	for _, p := range s.sim.Posts() {
		if strings.Contains(p.Content, "enough for now") && strings.Contains(p.Content, "<t:") {
			notices++
		}
	}
	for i, m := range all {
		if n := s.sim.ReplyCount(m.ID); i < 3 && n != 1 {
			t.Errorf("question %d has %d replies", i, n)
		}
	}
	if notices != 1 {
		t.Errorf("%d notices", notices)
	}
}

func TestTwoGatewaysSayEverythingOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	one, two := s.start(), s.start()
	users := s.members(10)
	var all []discordsim.Message
	for i := range 200 {
		all = append(all, s.sayIn(s.world.Channel, users[i%len(users)], fmt.Sprint("question ", i)))
	}
	all = append(all, s.sayIn(s.world.Channel, s.world.Owner, "$help"))
	eventually(t, "everything is answered", func() bool { return s.sim.Counts().Posts >= len(all) })
	eventually(t, "both know it", func() bool {
		return one.metric("salamander_replies_total", "posted")+two.metric("salamander_replies_total", "posted") == 200
	})
	for _, m := range all {
		if n := s.sim.ReplyCount(m.ID); n != 1 {
			t.Errorf("%q has %d replies", m.Content, n)
		}
	}
	if n := one.metric("salamander_questions_total", "taken") + two.metric("salamander_questions_total", "taken"); n != 200 {
		t.Errorf("%v questions were counted as taken", n)
	}
	if d := s.sim.Counts().Deduplicated; d != 0 {
		t.Errorf("only Discord's nonces kept %d posts from being doubled", d)
	}
}

func TestAUserIsAnsweredInOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	s.start()
	s.start()
	var all []discordsim.Message
	for i := range 20 {
		all = append(all, s.say(fmt.Sprintf("question %02d", i)))
	}
	eventually(t, "everything is answered", func() bool { return s.sim.Counts().Posts >= len(all) })
	for i, p := range s.sim.Posts() {
		if p.Reference != all[i].ID {
			t.Fatalf("post %d answers %q", i, p.Content)
		}
	}
}

func TestTypingWhileAQuestionIsOpen(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	open := make(chan struct{})
	s.work(func(q chat.Question) (chat.Answer, bool) {
		s.bus.PublishTyping(chat.Typing{Question: q.ID, Guild: q.Guild, Channel: q.Channel})
		select {
		case <-open:
		default:
			return chat.Answer{}, false
		}
		a := chat.AnswerTo(q, chat.Reply, time.Now())
		a.Text = "now"
		return a, true
	})
	s.start()
	s.start()
	m := s.say("take your time")
	eventually(t, "two signs of typing", func() bool { return len(s.sim.Typing(s.world.Channel)) >= 2 })
	close(open)
	s.answered(m)
	calls := s.sim.Typing(s.world.Channel)
	for i := 1; i < len(calls); i++ {
		if gap := calls[i].At.Sub(calls[i-1].At); gap < 8*time.Second-100*time.Millisecond {
			t.Errorf("two signs of typing within %s", gap)
		}
	}
}

func TestOtherEndings(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(func(q chat.Question) (chat.Answer, bool) {
		kind := map[string]chat.Kind{"fallback": chat.Fallback, "apology": chat.Apology, "refusal": chat.Refusal, "dropped": chat.Dropped}[q.Text]
		a := chat.AnswerTo(q, kind, time.Now())
		if kind != chat.Dropped {
			a.Text = "sorry: " + q.Text
		}
		return a, true
	})
	g := s.start()
	for _, text := range []string{"fallback", "apology", "refusal"} {
		if p := s.answered(s.say(text)); p.Content != "sorry: "+text {
			t.Errorf("%s: %q", text, p.Content)
		}
	}
	m := s.say("dropped")
	eventually(t, "they are counted", func() bool {
		return g.metric("salamander_replies_total", "notice") == 3 && g.metric("salamander_replies_total", "dropped") == 1
	})
	if s.sim.ReplyCount(m.ID) != 0 {
		t.Error("a dropped question was answered")
	}
}

func TestQueueNoticesAreSaidOnceAndWhileTheyHold(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(func(chat.Question) (chat.Answer, bool) { return chat.Answer{}, false })
	one, two := s.start(), s.start()
	m, old := s.say("waits"), s.say("waits, too")
	notice := func(m discordsim.Message, until time.Time) chat.Notice {
		return chat.Notice{Question: chat.QuestionID(m.ID.String()), Guild: chat.GuildID(s.world.Guild.String()),
			Channel: chat.ChannelID(m.Channel.String()), User: chat.UserID(m.Author.String()), Message: chat.MessageID(m.ID.String()), Until: until, Text: "please wait"}
	}
	for _, n := range []chat.Notice{notice(old, time.Now().Add(-time.Second)), notice(m, time.Now().Add(time.Hour)), notice(m, time.Now().Add(time.Hour))} {
		if err := s.bus.PublishNotice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "they are counted", func() bool {
		sum := func(o string) float64 {
			return one.metric("salamander_replies_total", o) + two.metric("salamander_replies_total", o)
		}
		outdated := one.log.has("queue notice", "outdated") || two.log.has("queue notice", "outdated")
		return sum("notice") == 1 && outdated && sum("dropped") == 0 // which is no ending
	})
	if s.sim.ReplyCount(m.ID) != 1 || s.sim.ReplyCount(old.ID) != 0 {
		t.Errorf("%d and %d notices", s.sim.ReplyCount(m.ID), s.sim.ReplyCount(old.ID))
	}
}

func TestTheBookOfTheLivingAndTheFleet(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	g := s.start()
	eventually(t, "the gateway is among the living", func() bool {
		living, err := s.bus.Living(t.Context())
		return err == nil && len(living) == 1 && living[0].Instance == g.instance && living[0].Service == control.Gateway
	})
	done, silent, err := s.bus.Status(t.Context(), control.Order{})
	if err != nil || len(done) != 1 || len(silent) != 0 {
		t.Errorf("status: %v, %v, %v", done, silent, err)
	}
	g.stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	living, err := s.bus.Living(ctx)
	if err != nil || len(living) != 0 || g.err != nil {
		t.Errorf("after the end: %v, %v, %v", living, err, g.err)
	}
}
