package app

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/sim/discordsim"
)

func (s *stage) reply(m discordsim.Message) string {
	s.t.Helper()
	return s.answered(m).Content
}

func TestStopSilencesAServerAndStartLetsItTalk(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other := s.sim.AddGuild(discordsim.Guild{Name: "another server"})
	otherChat, _ := s.sim.AddChannel(discordsim.Channel{Guild: other.ID, Name: "chat"})
	if err := s.sim.AddMember(other.ID, s.world.User); err != nil {
		t.Fatal(err)
	}
	s.env["CHAT_CHANNEL_IDS"] += "," + otherChat.ID.String()
	s.env["AUDIT_CHANNEL_ID"] = otherChat.ID.String()
	var answering atomic.Bool
	s.work(func(q chat.Question) (chat.Answer, bool) {
		a := chat.AnswerTo(q, chat.Reply, time.Now())
		a.Text = "echo"
		return a, answering.Load()
	})
	one, two := s.start(), s.start()
	var waiting []discordsim.Message
	for i := range 5 {
		waiting = append(waiting, s.say(fmt.Sprint("waiting ", i)))
	}
	eventually(t, "they wait", func() bool { n, _ := s.bus.Waiting(t.Context(), control.Fleet); return n == 5 })
	stop := s.sayIn(s.world.Channel, s.world.Owner, "$stop")
	if text := s.reply(stop); !strings.Contains(text, "Stopped") || !strings.Contains(text, "5 waiting questions") {
		t.Errorf("$stop is answered by %q", text)
	}
	posts := s.sim.Counts().Posts
	answering.Store(true)
	ignored := s.say("is anybody there?")
	elsewhere := s.sayIn(otherChat.ID, s.world.User, "and here?")
	s.answered(elsewhere)
	start := s.sayIn(s.world.Channel, s.world.Owner, "$start")
	s.reply(start)
	s.answered(s.say("hello again"))
	for _, m := range append(waiting, ignored) {
		if n := s.sim.ReplyCount(m.ID); n != 0 {
			t.Errorf("%q has %d replies", m.Content, n)
		}
	}
	if n := s.sim.ReplyCount(stop.ID) + s.sim.ReplyCount(start.ID); n != 2 {
		t.Errorf("%d answers to two commands", n)
	}
	eventually(t, "it is counted", func() bool {
		// A gateway that is slow hears the first five only after the stop.
		return one.metric("salamander_questions_total", "stopped")+two.metric("salamander_questions_total", "stopped") >= 2 &&
			one.metric("salamander_replies_total", "dropped")+two.metric("salamander_replies_total", "dropped") == 5
	})
	audits := 0
	for _, m := range s.sim.Messages(otherChat.ID) {
		if strings.Contains(m.Content, "`stop`") && strings.Contains(m.Content, "owner") {
			audits++
		}
	}
	if audits != 1 || (!one.log.has("audit: command", `"what":"stop"`) && !two.log.has("audit: command", `"what":"stop"`)) {
		t.Errorf("%d audit messages (of %d posts)", audits, posts)
	}
}

func TestNothingIsPostedAfterTheConfirmationOfAStop(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	s.start()
	s.start()
	for trial := range 30 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 20 {
				if _, err := s.sim.Say(s.world.Channel, s.world.User, fmt.Sprint(trial, " ", i)); err != nil {
					t.Error(err)
				}
			}
		}()
		stop := s.sayIn(s.world.Channel, s.world.Owner, "$stop")
		confirmation := s.answered(stop)
		<-done
		start := s.sayIn(s.world.Channel, s.world.Owner, "$start")
		s.answered(start)
		for _, p := range s.sim.Posts() {
			if p.ID > confirmation.ID && p.ID < start.ID {
				t.Errorf("trial %d: %q was posted after the confirmation", trial, p.Content)
			}
		}
	}
}

// A flood of what everybody may use waits for its channel's rate limit; a moderator's command does not wait for it.
func TestAStopIsHeardAmidAFloodOfHelp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.sim.SetLimits(discordsim.RateLimits{On: true})
	quiet, _ := s.sim.AddChannel(discordsim.Channel{Guild: s.world.Guild, Name: "moderators"})
	elsewhere := s.sim.AddGuild(discordsim.Guild{Name: "another server"})
	loud, _ := s.sim.AddChannel(discordsim.Channel{Guild: elsewhere.ID, Name: "chat"})
	g := s.start()
	for range 300 {
		s.sayIn(s.world.Channel, s.world.User, "$help")
		s.sayIn(loud.ID, elsewhere.Owner, "$help")
	}
	s.reply(s.sayIn(quiet.ID, s.world.Owner, "$stop"))
	if d := g.mirror.Desired(control.Scope(s.world.Guild.String())); d.State != control.Stopped {
		t.Errorf("the server is %s", d.State)
	}
}

// Discord takes no posts, so no command is answered; the second one takes effect all the same.
func TestACommandDoesNotWaitForTheAnswerOfAnother(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	g := s.start()
	s.sim.Inject(discordsim.Fault{Route: "POST /channels/{channel}/messages", Status: 503, Times: -1})
	s.sayIn(s.world.Channel, s.world.Owner, "$mute <@"+s.world.User.String()+">")
	stop := s.sayIn(s.world.Channel, s.world.Owner, "$stop")
	eventually(t, "the server is stopped", func() bool { return g.log.has("audit: command", `"what":"stop"`) })
	if g.log.has("a command had trouble") {
		t.Error("the answer to the first command was given up before the second one was carried out")
	}
	s.sim.ClearFaults()
	s.answered(stop)
}

// Another gateway claimed the command and died.
func TestACommandOfADeadGatewayIsTakenOver(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	g := s.start()
	m := s.say("what would be a command")
	place := moderation.Place{Guild: chat.GuildID(s.world.Guild.String()), Channel: chat.ChannelID(s.world.Channel.String()), Command: chat.MessageID(m.ID.String())}
	if mine, err := s.nats.Connect(control.Gateway).Hold(t.Context(), "command."+m.ID.String(), 0, false); err != nil || !mine {
		t.Fatal(mine, err)
	}
	g.reins.carryOut(t.Context(), moderation.Call{
		Actor: moderation.Actor{User: "5", Owner: true}, Place: place, Command: moderation.Command{Name: moderation.Stop, Mark: "$"},
	})
	if text := s.reply(m); !strings.Contains(text, "Stopped") {
		t.Errorf("it is answered by %q", text)
	}
	if !g.log.has("fell silent") || !g.log.has("audit: command", `"what":"stop"`) {
		t.Error("nothing in the log")
	}
}

// A post that Discord takes seconds to answer lands before the stop is confirmed, and is not counted as cancelled.
func TestAStopWaitsForASlowPost(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	mods, err := s.sim.AddChannel(discordsim.Channel{Guild: s.world.Guild, Name: "mods"})
	if err != nil {
		t.Fatal(err)
	}
	s.work(nil)
	s.start()
	s.sim.Inject(discordsim.Fault{Route: "POST /channels/{channel}/messages", Delay: 3 * time.Second})
	slow := s.say("slow")
	eventually(t, "it is on its way", func() bool { return s.sim.PendingFaults() == 0 })
	confirmation := s.answered(s.sayIn(mods.ID, s.world.Owner, "$stop"))
	if replies := s.sim.Replies(slow.ID); len(replies) != 1 || replies[0].ID > confirmation.ID || strings.Contains(confirmation.Content, "Cancelled") {
		t.Errorf("%d replies, the stop is confirmed by %q", len(replies), confirmation.Content)
	}
}

func TestAMutedUserIsIgnored(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	g := s.start("LOG_CONTENT", "failures")
	if text := s.reply(s.sayIn(s.world.Channel, s.world.Owner, "$mute <@"+s.world.User.String()+"> 1h too loud")); !strings.Contains(text, "too loud") {
		t.Errorf("the answer names no reason: %q", text)
	}
	m := s.say("hello?")
	eventually(t, "the command is in the log", func() bool { return g.log.has("audit: command", `"what":"mute `) })
	if g.log.has("too loud") {
		t.Error("the reason is in the log of somebody who wants no texts in it")
	}
	eventually(t, "it is counted", func() bool { return g.metric("salamander_questions_total", "muted") == 1 })
	s.reply(s.sayIn(s.world.Channel, s.world.Owner, "$unmute <@"+s.world.User.String()+">"))
	s.answered(s.say("thank you"))
	if s.sim.ReplyCount(m.ID) != 0 {
		t.Error("a muted user was answered")
	}
}

func TestSlashCommandsAreRegisteredAndAnswered(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.start()
	s.start()
	eventually(t, "the commands are there", func() bool { return len(s.sim.Commands(0)) >= 9 })
	i, err := s.sim.RunSlash(s.world.Channel, s.world.Owner, "stop", nil)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the slash command is answered", func() bool {
		got, ok := s.sim.Interaction(i.ID)
		return ok && got.Response != nil && strings.Contains(got.Response.Content, "Stopped")
	})
	refused := s.sayIn(s.world.Channel, s.world.User, "$start")
	if text := s.reply(refused); !strings.Contains(text, "moderators") {
		t.Errorf("a refusal says %q", text)
	}
}

func TestAForgedOrderHasNoEffect(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.work(nil)
	g := s.start()
	o := control.Order{Command: 1, Verb: control.Stop, Scope: control.Fleet, Origin: chat.GuildID(s.world.Guild.String()),
		By: chat.UserID(s.world.User.String()), Ground: control.Owner, At: time.Now()}
	done, _, err := s.bus.Sync(t.Context(), control.Sync{Order: o, Revision: 1})
	if err != nil || len(done) != 1 || done[0].Error == "" {
		t.Errorf("a forged order is answered by %+v, %v", done, err)
	}
	s.answered(s.say("still there?"))
	if !g.log.has("a control record has no effect") {
		t.Error("nothing in the log")
	}
}
