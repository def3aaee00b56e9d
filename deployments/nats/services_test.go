package nats_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/retry"
)

const (
	guild   = chat.GuildID("10")
	channel = chat.ChannelID("20")
	user    = chat.UserID("30")
)

func question(id int) chat.Question {
	mark := chat.Snowflake(1_000_000 + id)
	return chat.Question{
		ID: chat.QuestionID(mark.String()), Guild: guild, Channel: channel, User: user, UserName: "ann",
		Message: chat.MessageID(mark.String()), Text: fmt.Sprint("question ", id), Mark: mark, Asked: time.Now().UTC(),
	}
}

func answer(q chat.Question) chat.Answer {
	return chat.Answer{
		Question: q.ID, Guild: q.Guild, Channel: q.Channel, User: q.User, Message: q.Message, Kind: chat.Reply, Text: "yes",
		Mark: q.Mark, Asked: q.Asked, Answered: time.Now().UTC(),
	}
}

func order(verb control.Verb, command int) control.Order {
	o := control.Order{
		Command: chat.Snowflake(2_000_000 + command), Verb: verb, Scope: control.Scope(guild), Origin: guild, Channel: channel,
		By: user, Ground: control.Owner, At: time.Now().UTC(),
	}
	if verb == control.Forget {
		o.Ground = control.Self
	}
	if verb == control.Mute {
		o.Target = "31"
	}
	return o
}

// handler answers every question and notes what it saw.
type handler struct {
	b    *bus.Bus
	seen chan chat.Question
}

func (h handler) Urgent(chat.Question) bool { return false }
func (h handler) Malformed(ctx context.Context, l chat.DeadLetter) retry.Verdict {
	if h.b.PublishDeadLetter(ctx, l) != nil {
		return retry.After(time.Second)
	}
	return retry.Done
}
func (h handler) Begin(q chat.Question) func(context.Context) retry.Verdict {
	return func(ctx context.Context) retry.Verdict { return h.answer(ctx, q) }
}
func (h handler) answer(ctx context.Context, q chat.Question) retry.Verdict {
	h.b.PublishTyping(chat.Typing{Question: q.ID, Guild: q.Guild, Channel: q.Channel})
	if err := h.b.PublishAnswer(ctx, answer(q)); err != nil && !errors.Is(err, bus.ErrAnswered) {
		return retry.After(time.Second)
	}
	h.seen <- q
	return retry.Done
}

// must stops the test at the first call that fails, with its name.
func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestTheRoadIsTravelledWithEachServicesOwnUser: question, signs of typing, order of one user, answer, ack on both sides.
func TestTheRoadIsTravelledWithEachServicesOwnUser(t *testing.T) {
	t.Parallel()
	ctx, s := setup(t)
	g, gDenied := s.bus(t, "gateway", control.Gateway)
	w, wDenied := s.bus(t, "worker", control.Worker)
	must(t, "open as gateway", g.Open(ctx, false, func(error) {}))
	must(t, "open as worker", w.Open(ctx, false, func(error) {}))

	typing := make(chan chat.Typing, 100)
	stopTyping, err := g.SubscribeTyping(func(x chat.Typing) { typing <- x })
	must(t, "follow typing", err)
	defer stopTyping()
	work, cancel := context.WithCancel(ctx)
	consumer := w.NewQuestionConsumer(4, handler{w, make(chan chat.Question, 100)})
	ended := make(chan struct{}, 2)
	posted := make(chan bus.Posting, 100)
	go func() { consumer.Run(work, ctx); ended <- struct{}{} }()
	go func() {
		g.ConsumeAnswers(work, func(p bus.Posting) { p.Settle(retry.Done); posted <- p }, func(string, error) {})
		ended <- struct{}{}
	}()
	const questions = 12 // of one user: younger ones wait in the worker for the nudge of the older
	for i := range questions {
		_, err := g.PublishQuestion(ctx, question(i))
		must(t, "ask", err)
	}
	must(t, "notice", w.PublishNotice(ctx, chat.Notice{
		Question: "1", Guild: guild, Channel: channel, User: user, Message: "1", Until: time.Now().Add(time.Minute), Text: "later",
	}))
	notices, answers := 0, map[chat.QuestionID]bool{}
	for notices < 1 || len(answers) < questions {
		select {
		case p := <-posted:
			if p.Notice != nil {
				notices++
			} else {
				answers[p.Answer.Question] = true
			}
		case <-ctx.Done():
			t.Fatalf("%d answers and %d notices came", len(answers), notices)
		}
	}
	select {
	case <-typing:
	case <-ctx.Done():
		t.Fatal("no sign of typing came")
	}
	await(ctx, t, "the queue is empty", func() bool { n, _, err := g.Queue(ctx); return err == nil && n == 0 })
	cancel()
	<-ended
	<-ended
	gDenied.none(t)
	wDenied.none(t)
}

// TestTheGatewayDoesEverythingElseWithItsOwnUser: buckets, claims, leases, commands, the queue.
func TestTheGatewayDoesEverythingElseWithItsOwnUser(t *testing.T) {
	t.Parallel()
	ctx, s := setup(t)
	g, denied := s.bus(t, "gateway", control.Gateway)
	for name, k := range map[string]*bus.Bucket{
		"POSTED": g.Posted(), "SEEN": g.Seen(), "RATE": g.Rate(), "CHANGED": g.Changed(), "LEASE": g.Lease(),
	} {
		var v string
		must(t, "put "+name, k.Put(ctx, "a.1", "x"))
		_, ok, err := k.Get(ctx, "a.1", &v)
		if must(t, "get "+name, err); !ok || v != "x" {
			t.Errorf("%s holds %q", name, v)
		}
		must(t, "delete "+name, k.Delete(ctx, "a.1"))
	}
	_, err := g.Seen().Keys(ctx, "a.*")
	must(t, "list SEEN", err)
	for _, name := range []string{"command.1", "typing.20", "hold.30"} {
		won, err := g.Claim(ctx, name, time.Minute)
		if must(t, "claim "+name, err); !won {
			t.Errorf("%s was not free", name)
		}
	}
	won, err := g.Hold(ctx, "command.2", 0, false)
	if must(t, "hold a command", err); !won {
		t.Error("the command was not free")
	}
	must(t, "keep a command", g.Keep(ctx, "command.2", true))
	_, over, err := g.Held(ctx, "command.2")
	if must(t, "look at a command", err); !over {
		t.Error("the command is not done")
	}
	held, err := g.Acquire(ctx, "shard.0", "me")
	if must(t, "acquire", err); !held {
		t.Error("the lease was not free")
	}
	must(t, "release", g.Release(ctx, "shard.0", "me"))
	_, ok, err := g.Answered(ctx, question(1))
	if must(t, "look for an answer", err); ok {
		t.Error("an answer before any question")
	}
	must(t, "store a dead letter", g.PublishDeadLetter(ctx, chat.DeadLetter{Question: question(1), Stage: "gateway", Reason: "failed", At: time.Now()}))
	m, err := g.NewMirror(ctx, nil)
	must(t, "mirror", err)
	following, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- m.Run(following) }()
	_, _, _, changed, err := g.ApplyOrder(ctx, order(control.Stop, 1))
	if must(t, "stop", err); !changed {
		t.Error("the stop changed nothing")
	}
	_, err = g.ApplyMute(ctx, order(control.Mute, 2))
	must(t, "mute", err)
	await(ctx, t, "the mirror follows", func() bool { return m.Stopped(guild) && m.Muted(guild, "31", time.Now()) })
	end()
	must(t, "follow", <-done)
	must(t, "forget a server", g.ForgetGuild(ctx, guild, math.MaxUint64))
	_, err = g.PublishQuestion(ctx, question(1))
	must(t, "ask", err)
	n := 0
	must(t, "drop", g.DropQuestions(ctx, control.Scope(guild), math.MaxUint64, func(chat.QuestionID) { n++ }))
	if n != 1 {
		t.Errorf("%d questions dropped, want 1", n)
	}
	announce(ctx, t, g, control.Gateway)
	denied.none(t)
}

// TestTheWorkerDoesEverythingElseWithItsOwnUser: the ledger's ways, memory, attempts, dead letters, the reboot's turn.
func TestTheWorkerDoesEverythingElseWithItsOwnUser(t *testing.T) {
	t.Parallel()
	ctx, s := setup(t)
	w, denied := s.bus(t, "worker", control.Worker)
	for name, k := range map[string]*bus.Bucket{"MEMORY": w.Memory(), "ATTEMPT": w.Attempt()} {
		rev, err := k.Update(ctx, "10.20.30", 1, 0)
		must(t, "create in "+name, err)
		_, err = k.Update(ctx, "10.20.30", 2, rev)
		must(t, "update "+name, err)
	}
	_, err := w.Memory().Keys(ctx, "10.>")
	must(t, "list MEMORY", err)
	var v any
	for name, k := range map[string]*bus.Bucket{"POSTED": w.Posted(), "CHANGED": w.Changed(), "LEASE": w.Lease()} {
		_, _, err := k.Get(ctx, "1", &v)
		must(t, "read "+name, err)
	}
	won, err := w.ClaimUntil(ctx, "notice.10.20", time.Now(), time.Now().Add(time.Minute))
	if must(t, "claim a notice", err); !won {
		t.Error("the notice was claimed by nobody")
	}
	held, err := w.Acquire(ctx, "reboot", "me")
	if must(t, "take the turn", err); !held {
		t.Error("the turn was not free")
	}
	must(t, "give the turn back", w.Release(ctx, "reboot", "me"))
	_, err = w.WaitingUsers(ctx)
	must(t, "who waits", err)
	q := question(1)
	must(t, "answer", w.PublishAnswer(ctx, answer(q)))
	_, ok, err := w.Answered(ctx, q)
	if must(t, "look for an answer", err); !ok {
		t.Error("the answer is not there")
	}
	n, err := w.ForgetAnswers(ctx, guild, channel, user, func(chat.QuestionID) bool { return true })
	if must(t, "forget answers", err); n != 1 {
		t.Errorf("%d answers forgotten, want 1", n)
	}
	must(t, "store a dead letter", w.PublishDeadLetter(ctx, chat.DeadLetter{Question: q, Stage: "worker", Reason: "model", At: time.Now()}))
	n, err = w.ForgetDeadLetters(ctx, guild, channel, user)
	if must(t, "forget dead letters", err); n != 1 {
		t.Errorf("%d dead letters forgotten, want 1", n)
	}
	_, err = w.NewMirror(ctx, nil)
	must(t, "mirror", err)
	budget, err := w.KeyValue(ctx, bus.BudgetBucket)
	must(t, "open the ledger", err)
	rev, err := budget.Create(ctx, "primary", []byte("{}"))
	must(t, "create a document", err)
	_, err = budget.Update(ctx, "primary", []byte("{}"), rev)
	must(t, "write a document", err)
	records, err := w.KeyValue(ctx, bus.ControlBucket)
	must(t, "open the records", err)
	_, err = records.Create(ctx, "genesis.primary", []byte("{}"))
	must(t, "write a genesis record", err)
	if _, err = records.Create(ctx, "genesis.primary", []byte("{}")); !errors.Is(err, jetstream.ErrKeyExists) {
		t.Errorf("a second genesis record: %v", err)
	}
	forwarded(ctx, t, w, s)
	announce(ctx, t, w, control.Worker)
	denied.none(t)
}

// forwarded has one worker ask another to write for it, as the ledger does.
func forwarded(ctx context.Context, t *testing.T, w *bus.Bus, s *system) {
	t.Helper()
	other, denied := s.bus(t, "worker", control.Worker)
	sub, err := other.Conn().Subscribe("budget.v1.write.other.primary", func(m *nats.Msg) { _ = m.Respond([]byte("done")) })
	must(t, "serve the ledger", err)
	defer func() { _ = sub.Unsubscribe() }()
	must(t, "flush", other.Flush(ctx))
	nudge, err := other.Conn().SubscribeSync("$KV.BUDGET.primary")
	must(t, "follow a document", err)
	defer func() { _ = nudge.Unsubscribe() }()
	_, err = w.Conn().RequestWithContext(ctx, "budget.v1.write.other.primary", nil)
	must(t, "ask another worker to write", err)
	denied.none(t)
}

// announce enters the book of the living, reads it, and leaves it.
func announce(ctx context.Context, t *testing.T, b *bus.Bus, service control.Service) {
	t.Helper()
	living, end := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		b.Announce(living, func() control.Live { return control.Live{Instance: "me", Service: service} })
		close(done)
	}()
	await(ctx, t, "the entry is there", func() bool { all, err := b.Living(ctx); return err == nil && len(all) == 1 })
	end()
	<-done
	all, err := b.Living(ctx)
	if must(t, "read the living", err); len(all) != 0 {
		t.Errorf("%d entries are left", len(all))
	}
}

// TestTheControlPlaneWorksWithEachServicesOwnUser: sync, status, budget and forget, asked by a gateway; status by a worker.
func TestTheControlPlaneWorksWithEachServicesOwnUser(t *testing.T) {
	t.Parallel()
	ctx, s := setup(t)
	g, gDenied := s.bus(t, "gateway", control.Gateway)
	w, wDenied := s.bus(t, "worker", control.Worker)
	applied := func(name string) bus.Obey {
		return bus.Obey{
			Sync:   func(context.Context, control.Sync) control.Applied { return control.Applied{Instance: name} },
			Status: func(context.Context, control.Order) control.Applied { return control.Applied{Instance: name} },
		}
	}
	obey := applied("w")
	obey.Budget = func(context.Context, control.Order) (control.BudgetReport, error) { return control.BudgetReport{}, nil }
	obey.Forget = func(context.Context, control.Order) (control.Forgotten, error) {
		return control.Forgotten{Memories: 1}, nil
	}
	for name, x := range map[string]struct {
		b *bus.Bus
		o bus.Obey
	}{"gateway": {g, applied("g")}, "worker": {w, obey}} {
		stop, err := x.b.Serve(ctx, control.Service(name), name[:1], x.o)
		must(t, "serve as "+name, err)
		defer stop()
		must(t, "flush", x.b.Flush(ctx))
		must(t, "enter the book", enter(ctx, x.b, control.Live{Instance: name[:1], Service: control.Service(name)}))
	}
	for name, ask := range map[string]func() ([]control.Applied, []string, error){
		"sync": func() ([]control.Applied, []string, error) {
			return g.Sync(ctx, control.Sync{Order: order(control.Stop, 1)})
		},
		"status":           func() ([]control.Applied, []string, error) { return g.Status(ctx, order(control.Status, 1)) },
		"status by worker": func() ([]control.Applied, []string, error) { return w.Status(ctx, order(control.Status, 1)) },
	} {
		done, silent, err := ask()
		if must(t, name, err); len(done) != 2 || len(silent) != 0 {
			t.Errorf("%s: %v answered, silent %v", name, done, silent)
		}
	}
	_, err := g.Budget(ctx, order(control.Budget, 1))
	must(t, "budget", err)
	f, err := g.Forget(ctx, order(control.Forget, 1))
	if must(t, "forget", err); f.Memories != 1 {
		t.Errorf("forgotten: %+v", f)
	}
	gDenied.none(t)
	wDenied.none(t)
}

// enter writes an entry once.
func enter(ctx context.Context, b *bus.Bus, l control.Live) error {
	_, err := b.JetStream().Publish(ctx, "$KV.LIVE."+string(l.Service)+"."+l.Instance, []byte(fmt.Sprintf(`{"instance":%q,"service":%q}`, l.Instance, l.Service)))
	return err
}
