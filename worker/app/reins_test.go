package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/sim/hfsim"
)

// turns answers with what the model sees of the conversation.
func turns(r hfsim.Request) string {
	var s []string
	for _, m := range r.Messages {
		if strings.HasPrefix(m.Content, "said ") || strings.HasPrefix(m.Content, "saw ") {
			s = append(s, m.Content)
		}
	}
	return "saw " + strings.Join(s, ", ")
}

// obey writes an order and asks everybody to reach it, as the gateway does.
func (k *kit) obey(o control.Order) []control.Applied {
	k.t.Helper()
	_, _, revision, _, err := k.bus.ApplyOrder(k.ctx, o)
	if err != nil {
		k.t.Fatal(err)
	}
	done, silent, err := k.bus.Sync(k.ctx, control.Sync{Order: o, Revision: revision})
	if err != nil || len(silent) > 0 {
		k.t.Fatalf("silent: %v, %v", silent, err)
	}
	return done
}

func TestConversationsAreRememberedInOrder(t *testing.T) {
	k := setup(t, nil)
	k.hf.SetReply(turns)
	k.start(nil)
	k.start(nil)
	var qs []chat.Question
	for i := range 4 {
		qs = append(qs, question("7", fmt.Sprint("said ", i)))
	}
	other := question("8", "said by another")
	k.ask(append(qs, other)...)
	k.want(other, chat.Reply, "saw said by another")
	k.want(qs[0], chat.Reply, "saw said 0")
	k.want(qs[1], chat.Reply, "saw said 0, saw said 0, said 1")
	last := k.answer(qs[3])
	if strings.Count(last.Text, "said 0") == 0 || !strings.HasSuffix(last.Text, "said 3") || last.After != qs[2].ID {
		t.Errorf("the last one: %+v", last)
	}
	k.empty()

	o := k.order(control.Forget, "10")
	done, err := k.bus.Forget(k.ctx, o)
	if err != nil || done.Memories != 4 {
		t.Errorf("forgot %+v, %v", done, err)
	}
	q := question("7", "said after")
	k.ask(q)
	k.want(q, chat.Reply, "saw said after")
}

func TestForgetTakesPostedAnswersAndDeadLettersAlong(t *testing.T) {
	k := setup(t, nil)
	k.start(nil)
	posted, open, failed := question("7", "posted"), question("7", "open"), question("7", "failed")
	k.hf.Inject(hfsim.Fault{Kind: hfsim.Invalid, Question: "failed"})
	k.ask(posted, open, failed)
	k.answer(failed)
	k.empty()
	if err := k.bus.Posted().Put(k.ctx, string(posted.ID), map[string]any{"done": true}); err != nil {
		t.Fatal(err)
	}
	if err := k.bus.Posted().Put(k.ctx, string(open.ID), map[string]any{"done": false}); err != nil {
		t.Fatal(err)
	}
	done, err := k.bus.Forget(k.ctx, k.order(control.Forget, "10"))
	if err != nil || done.Answers != 1 || done.DeadLetters != 1 {
		t.Errorf("forgot %+v, %v", done, err)
	}
	if a := k.answer(posted); a.Text != "" {
		t.Errorf("the posted answer still has its text: %+v", a)
	}
	if a := k.answer(open); a.Text != "echo: open" {
		t.Errorf("the answer that must still be posted lost its text: %+v", a)
	}
	// The question comes again although its answer was forgotten: nothing is said twice.
	if _, err := k.bus.JetStream().Publish(k.ctx, "chat.v1.question.10.20.7", encode(t, posted)); err != nil {
		t.Fatal(err)
	}
	k.empty()
	if n := k.calls("primary"); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

func TestForgetIsForOnesOwn(t *testing.T) {
	k := setup(t, nil)
	w := k.start(nil)
	for _, change := range []func(*control.Order){
		func(o *control.Order) { o.Ground = control.Operator },
		func(o *control.Order) { o.Scope = "11" },
		func(o *control.Order) { o.Channel = "" },
		func(o *control.Order) { o.Verb = control.Budget },
		func(o *control.Order) { o.Command = 0 },
	} {
		o := k.order(control.Forget, "10")
		change(&o)
		if f, err := k.bus.Forget(k.ctx, o); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%+v was obeyed: %+v, %v", o, f, err)
		}
	}
	if n := strings.Count(w.log.String(), "a control record has no effect"); n != 5 {
		t.Errorf("%d refusals are logged, want 5", n)
	}
}

func TestAStopCancelsWhatRuns(t *testing.T) {
	k := setup(t, map[string]string{"WORKER_CONCURRENCY": "2"})
	k.hf.SetLatency(func(r hfsim.Request) time.Duration {
		if strings.HasPrefix(r.Question, "slow") {
			return time.Hour
		}
		return 0
	})
	k.start(nil)
	running, held, elsewhere := question("7", "slow"), question("7", "slow too"), question("8", "quick")
	elsewhere.Guild = "11"
	k.ask(running, held)
	k.await("the call runs", func() bool { return k.hf.Books().InFlight == 1 })
	o := k.order(control.Stop, "10")
	done := k.obey(o)
	if len(done) != 1 || done[0].Cancelled != 1 || done[0].Service != control.Worker || done[0].Error != "" {
		t.Errorf("applied %+v", done)
	}
	if n := k.hf.Books().InFlight; n != 0 {
		k.await("the call was ended", func() bool { return k.hf.Books().InFlight == 0 })
	}
	k.want(running, chat.Dropped, "")
	k.want(held, chat.Dropped, "")
	late := question("9", "while it is stopped")
	k.ask(late, elsewhere)
	k.want(elsewhere, chat.Reply, "echo: quick")
	k.want(late, chat.Dropped, "")

	k.obey(k.order(control.Start, "10"))
	q := question("9", "back?")
	k.ask(q)
	k.want(q, chat.Reply, "echo: back?")
}

func TestAStopIsKnownToAWorkerThatStartsLater(t *testing.T) {
	k := setup(t, nil)
	o := k.order(control.Stop, "10")
	if _, _, _, _, err := k.bus.ApplyOrder(k.ctx, o); err != nil {
		t.Fatal(err)
	}
	q := question("7", "anybody?")
	k.ask(q)
	k.start(nil)
	k.want(q, chat.Dropped, "")
	if n := k.calls("primary"); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestAMuteDropsThatUserOnly(t *testing.T) {
	k := setup(t, nil)
	k.start(nil)
	o := k.order(control.Mute, "10")
	o.Target = "8"
	if _, err := k.bus.ApplyMute(k.ctx, o); err != nil {
		t.Fatal(err)
	}
	if _, silent, err := k.bus.Sync(k.ctx, control.Sync{Order: o}); err != nil || len(silent) > 0 {
		t.Fatal(silent, err)
	}
	muted, other := question("8", "me?"), question("9", "me!")
	k.ask(muted, other)
	k.want(muted, chat.Dropped, "")
	k.want(other, chat.Reply, "echo: me!")
}

func TestForgedOrdersHaveNoEffect(t *testing.T) {
	k := setup(t, nil)
	w := k.start(nil)
	o := k.order(control.Stop, "10")
	o.Origin = "11"
	done, _, err := k.bus.Sync(k.ctx, control.Sync{Order: o, Revision: 5})
	if err != nil || len(done) != 1 || done[0].Error == "" {
		t.Errorf("applied %+v, %v", done, err)
	}
	// Also one that is written past the gateway.
	if _, err := k.bus.JetStream().Publish(k.ctx, "$KV.CONTROL.desired.guild.10", encode(t, control.Desired{State: control.Stopped, DropBefore: 1 << 62, Order: o})); err != nil {
		t.Fatal(err)
	}
	q := question("7", "still here?")
	k.ask(q)
	k.want(q, chat.Reply, "")
	if !strings.Contains(w.log.String(), "a control record has no effect") {
		t.Error("the refusal is not logged")
	}
}

func TestAServerThatWasLeftIsForgotten(t *testing.T) {
	k := setup(t, nil)
	k.start(nil)
	k.hf.Inject(hfsim.Fault{Kind: hfsim.Invalid, Question: "failed"})
	q, failed, elsewhere := question("7", "remember me"), question("8", "failed"), question("7", "me too")
	elsewhere.Guild = "11"
	k.ask(q, failed, elsewhere)
	for _, x := range []chat.Question{q, failed, elsewhere} {
		k.answer(x)
	}
	k.empty()
	done, err := k.bus.Forget(k.ctx, k.order(control.Leave, "10"))
	if err != nil || done.Memories != 2 || done.DeadLetters != 1 {
		t.Errorf("forgot %+v, %v", done, err)
	}
	keys, err := k.bus.Memory().Keys(k.ctx, ">")
	if err != nil || len(keys) == 0 {
		t.Errorf("the other server's memory: %v, %v", keys, err)
	}
	again, err := k.bus.Forget(k.ctx, k.order(control.Leave, "10"))
	if err != nil || again.DeadLetters != 0 {
		t.Errorf("a second time: %+v, %v", again, err)
	}
}

func TestStatus(t *testing.T) {
	k := setup(t, nil)
	k.hf.SetLatency(hfsim.Fixed(time.Hour))
	w := k.start(nil)
	q := question("7", "slow")
	k.ask(q)
	k.await("the call runs", func() bool { return k.hf.Books().InFlight == 1 })
	done, silent, err := k.bus.Status(k.ctx, k.order(control.Status, "10"))
	if err != nil || len(silent) > 0 || len(done) != 1 {
		t.Fatal(done, silent, err)
	}
	if a := done[0]; a.Instance != w.app.Instance() || a.Running != 1 || a.RunningTotal != 1 || a.Started.IsZero() {
		t.Errorf("%+v", a)
	}
	done, _, err = k.bus.Status(k.ctx, k.order(control.Status, "11"))
	if err != nil || len(done) != 1 || done[0].Running != 0 || done[0].RunningTotal != 1 {
		t.Errorf("another server: %+v, %v", done, err)
	}
	if n := w.metric("salamander_inflight", nil); n != 1 {
		t.Errorf("salamander_inflight %v", n)
	}
}

func TestEveryWorkerRebootsOneAfterAnother(t *testing.T) {
	k := setup(t, nil)
	k.hf.SetLatency(hfsim.Fixed(20 * time.Millisecond))
	workers := []*worker{k.start(nil), k.start(nil), k.start(nil)}
	before := map[string]bool{}
	for _, w := range workers {
		before[w.app.Instance()] = true
	}
	var qs []chat.Question
	for i := range 60 {
		qs = append(qs, question(fmt.Sprint(100+i%20), fmt.Sprint("question ", i)))
	}
	k.ask(qs[:30]...)
	o := k.order(control.Reboot, control.Fleet)
	k.obey(o)
	k.ask(qs[30:]...)
	k.await("every worker began anew", func() bool {
		living, err := k.bus.Living(k.ctx)
		if err != nil || len(living) != 3 {
			return false
		}
		for _, l := range living {
			if before[l.Instance] || l.Epoch != o.Command {
				return false
			}
		}
		return true
	})
	for _, q := range qs {
		k.want(q, chat.Reply, "echo: "+q.Text)
	}
	k.empty()
	if n := k.hf.Books().Calls; n != 60 {
		t.Errorf("%d calls for 60 questions", n)
	}
	for _, w := range workers {
		k.await("it is ready again", func() bool { return w.app.Ready() == nil })
		if before[w.app.Instance()] {
			t.Error("an instance did not leave")
		}
	}
	done, silent, err := k.bus.Status(k.ctx, k.order(control.Status, control.Fleet))
	if err != nil || len(done) != 3 || len(silent) != 0 {
		t.Errorf("status: %+v, silent %v, %v", done, silent, err)
	}
	for _, a := range done {
		if a.Epoch != o.Command {
			t.Errorf("%s says that it began at epoch %d, not after the reboot %d", a.Instance, a.Epoch, o.Command)
		}
	}
}
