package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

func order(command int, verb control.Verb, scope control.Scope) control.Order {
	ground := control.Permission
	if scope == control.Fleet {
		ground = control.Operator
	}
	return control.Order{
		Command: chat.Snowflake(command), Verb: verb, Scope: scope, Origin: "10", By: "1", Ground: ground, At: time.Now().UTC(),
	}
}

func mirror(t *testing.T, ctx context.Context, b *bus.Bus) *bus.Mirror {
	t.Helper()
	m, err := b.NewMirror(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	follow, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(follow); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return m
}

func TestTheDesiredStateReachesEveryMirrorAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	gw := s.Connect(control.Gateway)
	early := mirror(t, ctx, b)
	if _, _, _, changed, err := gw.ApplyOrder(ctx, order(100, control.Stop, "10")); err != nil || !changed {
		t.Fatal(changed, err)
	}
	await(t, ctx, "the mirror obeys the stop", func() bool { return early.Stopped("10") })
	if early.Stopped("11") || early.DropBefore("10") != 100 {
		t.Errorf("another server is stopped, or the stop drops before %d", early.DropBefore("10"))
	}
	if late := mirror(t, ctx, s.Connect(control.Worker)); !late.Stopped("10") {
		t.Error("a late joiner does not know of the stop")
	}
	if _, _, _, changed, err := gw.ApplyOrder(ctx, order(100, control.Stop, "10")); err != nil || changed {
		t.Error("the same order twice changes something", err)
	}
	s.Stop()
	s.Start()
	if err := gw.AwaitConnected(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, err := gw.ApplyOrder(ctx, order(101, control.Start, "10")); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "the mirror obeys the start after a restart of NATS", func() bool { return !early.Stopped("10") })
	if early.DropBefore("10") != 101 {
		t.Errorf("after a start what was said during the stop is dropped before %d, want 101", early.DropBefore("10"))
	}
}

func TestARecordThatIsForgedHasNoEffect(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	gw := s.Connect(control.Gateway)
	m := mirror(t, ctx, b)
	if _, _, _, _, err := gw.ApplyOrder(ctx, order(100, control.Stop, "10")); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "the stop", func() bool { return m.Stopped("10") })
	for i, forged := range []string{
		`{`, `{"state":"running"}`,
		`{"state":"running","drop_before":"0","forget_before":"0","order":{"command":"200","verb":"start","scope":"10","origin":"99","by":"1","ground":"owner","at":"2026-01-01T00:00:00Z"}}`,
		`{"state":"running","drop_before":"0","forget_before":"0","order":{"command":"200","verb":"start","scope":"11","origin":"11","by":"1","ground":"owner","at":"2026-01-01T00:00:00Z"}}`,
	} {
		if _, err := b.JetStream().Publish(ctx, "$KV.CONTROL.desired.guild.10", []byte(forged)); err != nil {
			t.Fatal(err)
		}
		fleet := fmt.Sprintf(`{"state":"stopped","drop_before":"0","forget_before":"0","order":{"command":"%d","verb":"stop","scope":"fleet","origin":"10","by":"1","ground":"owner","at":"2026-01-01T00:00:00Z"}}`, 300+i)
		if _, err := b.JetStream().Publish(ctx, "$KV.CONTROL.desired.fleet", []byte(fleet)); err != nil {
			t.Fatal(err)
		}
	}
	last, err := b.JetStream().Stream(ctx, "KV_CONTROL")
	if err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "the mirror saw every forged record", func() bool { return m.Revision() >= last.CachedInfo().State.LastSeq })
	if !m.Stopped("10") || m.Stopped("11") {
		t.Error("a forged record had an effect")
	}
	if late := mirror(t, ctx, s.Connect(control.Worker)); !late.Stopped("10") || late.Stopped("11") {
		t.Error("a forged record had an effect on a late joiner")
	}
}

func TestMutesHoldUntilTheirTime(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	gw := s.Connect(control.Gateway)
	m := mirror(t, ctx, b)
	o := order(100, control.Mute, "10")
	o.Target, o.Until = "7", time.Now().Add(time.Hour)
	if _, err := gw.ApplyMute(ctx, o); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "the mute", func() bool { return m.Muted("10", "7", time.Now()) })
	if m.Muted("11", "7", time.Now()) || m.Muted("10", "8", time.Now()) || m.Muted("10", "7", time.Now().Add(2*time.Hour)) {
		t.Error("the mute holds elsewhere, for others or for ever")
	}
	o.Verb, o.Command, o.Until = control.Unmute, 101, time.Time{}
	if _, err := gw.ApplyMute(ctx, o); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "the unmute", func() bool { return !m.Muted("10", "7", time.Now()) })
	foreign := order(102, control.Mute, "10")
	foreign.Origin, foreign.Target = "11", "7"
	if _, err := gw.ApplyMute(ctx, foreign); !errors.Is(err, control.ErrRefused) {
		t.Errorf("a mute from another server: %v", err)
	}
}

// Whoever was just reconnecting when the fleet was asked is asked again, and counts once.
func TestWhoMissedABroadcastIsAskedAgain(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	late := s.Connect(control.Worker)
	live, end := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer end()
	served := make(chan struct{})
	obey := func(name string, first func()) bus.Obey {
		once := sync.OnceFunc(first)
		return bus.Obey{
			Sync: func(_ context.Context, q control.Sync) control.Applied {
				once()
				return control.Applied{Instance: name, Service: control.Worker, Revision: q.Revision}
			},
			Status: func(context.Context, control.Order) control.Applied { return control.Applied{} },
		}
	}
	serveLate := func() {
		if _, err := late.Serve(live, control.Worker, "late", obey("late", func() {})); err != nil {
			t.Error(err)
		}
		close(served)
	}
	stop, err := s.Connect(control.Worker).Serve(live, control.Worker, "there", obey("there", func() { all.Go(serveLate) }))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, name := range []string{"there", "late"} {
		all.Go(func() {
			b.Announce(live, func() control.Live { return control.Live{Instance: name, Service: control.Worker} })
		})
	}
	await(t, ctx, "two are alive", func() bool { l, err := b.Living(ctx); return err == nil && len(l) == 2 })
	done, silent, err := s.Connect(control.Gateway).Sync(ctx, control.Sync{Order: order(1, control.Stop, "10"), Revision: 9})
	<-served
	if err != nil || len(done) != 2 || len(silent) != 0 {
		t.Errorf("answered %+v, silent %v, %v", done, silent, err)
	}
}

// A record that nobody may have written holds nobody up: what was valid before holds, and the next order is written.
func TestAForgedRecordHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	before := order(5, control.Stop, "10")
	if _, _, _, _, err := b.ApplyOrder(ctx, before); err != nil {
		t.Fatal(err)
	}
	foreign := order(1<<40, control.Start, "10")
	foreign.Origin = "20"
	forged, _ := json.Marshal(control.Desired{State: control.Running, Order: foreign})
	for i, raw := range [][]byte{[]byte("{"), []byte("[1]"), forged} {
		if _, err := b.JetStream().Publish(ctx, "$KV.CONTROL.desired.guild.10", raw); err != nil {
			t.Fatal(err)
		}
		m, err := b.NewMirror(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := m.Desired("10"); d.State != control.Stopped || d.Order.Command != before.Command {
			t.Errorf("%s: a process that starts now obeys %+v", raw, d)
		}
		next := order(int(before.Command)+1, control.Stop, "10")
		had, now, _, changed, err := b.ApplyOrder(ctx, next)
		if err != nil || !changed || had.Order.Command != before.Command || now.Order.Command != next.Command {
			t.Errorf("%d %s: before %+v, after %+v, changed %t, %v", i, raw, had, now, changed, err)
		}
		before = next
	}
}

func TestEveryProcessAnswersAndTheSilentAreNamed(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	gw := s.Connect(control.Gateway)
	var calls atomic.Int64
	live, end := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer end()
	for i := range 3 {
		w := s.Connect(control.Worker)
		name := fmt.Sprint("w", i)
		all.Go(func() {
			w.Announce(live, func() control.Live { return control.Live{Instance: name, Service: control.Worker, Started: time.Now()} })
		})
		if i == 2 {
			continue // alive in the book, and silent
		}
		stop, err := w.Serve(ctx, control.Worker, name, bus.Obey{
			Sync: func(_ context.Context, q control.Sync) control.Applied {
				calls.Add(1)
				return control.Applied{Instance: name, Service: control.Worker, Revision: q.Revision, Cancelled: 2}
			},
			Status: func(context.Context, control.Order) control.Applied { return control.Applied{Instance: name} },
			Budget: func(context.Context, control.Order) (control.BudgetReport, error) {
				return control.BudgetReport{Keys: []control.KeyBudget{{Key: name}}}, nil
			},
			Forget: func(_ context.Context, o control.Order) (control.Forgotten, error) {
				return control.Forgotten{}, o.Validate()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	await(t, ctx, "three are alive", func() bool { l, err := b.Living(ctx); return err == nil && len(l) == 3 })
	done, silent, err := gw.Sync(ctx, control.Sync{Order: order(1, control.Stop, "10"), Revision: 9})
	if err != nil || len(done) != 2 || len(silent) != 1 || silent[0] != "w2" || calls.Load() < 2 || done[0].Revision != 9 {
		t.Errorf("answered %+v, silent %v, %v", done, silent, err)
	}
	if r, err := gw.Budget(ctx, order(2, control.Budget, "10")); err != nil || len(r.Keys) != 1 {
		t.Errorf("budget %+v, %v", r, err)
	}
	bad := order(3, control.Forget, "10")
	bad.Origin = "11"
	if _, err := gw.Forget(ctx, bad); err == nil {
		t.Error("a worker obeyed a forged order")
	}
}

func TestProvisionLowersNothing(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	s, err := b.JetStream().Stream(ctx, "QUESTIONS")
	if err != nil {
		t.Fatal(err)
	}
	raised := s.CachedInfo().Config
	raised.MaxMsgs, raised.MaxMsgsPerSubject = 1_000_000, 3
	if _, err := b.JetStream().UpdateStream(ctx, raised); err != nil {
		t.Fatal(err)
	}
	if err := b.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	s, err = b.JetStream().Stream(ctx, "QUESTIONS")
	if err != nil {
		t.Fatal(err)
	}
	if c := s.CachedInfo().Config; c.MaxMsgs != 1_000_000 || c.MaxMsgsPerSubject != 250 {
		t.Errorf("MaxMsgs %d (was raised to 1000000), MaxMsgsPerSubject %d (was lowered to 3)", c.MaxMsgs, c.MaxMsgsPerSubject)
	}
}

func TestALeaseHasOneHolder(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	other := s.Connect(control.Worker)
	take := func(b *bus.Bus, who string) bool {
		t.Helper()
		held, err := b.Acquire(ctx, "reboot", who)
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	if !take(b, "a") || take(other, "b") || !take(b, "a") {
		t.Error("two hold the lease, or its holder can't renew it")
	}
	if err := b.Release(ctx, "reboot", "a"); err != nil {
		t.Fatal(err)
	}
	if !take(other, "b") || take(b, "a") {
		t.Error("a lease that was given back can't be taken, or twice")
	}
}

// What was commanded after the bot had left, because it was invited again, stays; so does another server's.
func TestForgettingAServerLeavesWhatIsYounger(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	gw := s.Connect(control.Gateway)
	mute := func(command int, target chat.UserID) {
		t.Helper()
		o := order(command, control.Mute, "10")
		o.Target = target
		if _, err := gw.ApplyMute(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	for _, scope := range []control.Scope{"10", "11"} {
		o := order(100, control.Stop, scope)
		o.Origin = chat.GuildID(scope)
		if _, _, _, _, err := gw.ApplyOrder(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	mute(101, "1")
	mute(201, "2")
	for _, c := range []struct {
		left          chat.Snowflake
		stopped       bool
		first, second bool
	}{{99, true, true, true}, {200, false, false, true}, {300, false, false, false}} {
		if err := gw.ForgetGuild(ctx, "10", c.left); err != nil {
			t.Fatal(err)
		}
		m, err := b.NewMirror(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if m.Stopped("10") != c.stopped || m.Muted("10", "1", now) != c.first || m.Muted("10", "2", now) != c.second || !m.Stopped("11") {
			t.Errorf("left at %d: stopped %t, muted %t and %t, the other server stopped %t", c.left,
				m.Stopped("10"), m.Muted("10", "1", now), m.Muted("10", "2", now), m.Stopped("11"))
		}
	}
}

// A process that has not obeyed yet is asked until it has, beyond the time that one that is silent gets.
func TestABusyProcessIsAskedAgain(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	var all sync.WaitGroup
	defer all.Wait()
	live, end := context.WithCancel(ctx)
	defer end()
	var asked atomic.Int64 // how often the busy one was
	for _, name := range []string{"ready", "busy"} {
		c := s.Connect(control.Gateway)
		all.Go(func() {
			c.Announce(live, func() control.Live {
				return control.Live{Instance: name, Service: control.Gateway, Started: time.Now()}
			})
		})
		stop, err := c.Serve(ctx, control.Gateway, name, bus.Obey{
			Sync: func(ctx context.Context, _ control.Sync) control.Applied {
				a := control.Applied{Instance: name, Service: control.Gateway}
				if name == "busy" {
					at := time.NewTimer(time.Second)
					defer at.Stop()
					<-at.C
					a.Busy = asked.Add(1) <= 6 // four times within the first second, and then after each answer
				}
				return a
			},
			Status: func(context.Context, control.Order) control.Applied { return control.Applied{Instance: name} },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	await(t, ctx, "both are alive", func() bool { l, err := b.Living(ctx); return err == nil && len(l) == 2 })
	done, silent, err := s.Connect(control.Gateway).Sync(ctx, control.Sync{Order: order(1, control.Stop, "10")})
	if err != nil || len(done) != 2 || done[0].Busy || len(silent) != 0 {
		t.Errorf("answered %+v, silent %v, %v", done, silent, err)
	}
}
