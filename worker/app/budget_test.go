package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/retry"
	"salamander.dev/worker/app"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
)

// longWindow is a window whose turn is at least a minute away. Windows count from the Unix epoch, unlike time.Truncate.
func longWindow() string {
	for _, w := range []time.Duration{7 * time.Minute, 9 * time.Minute, 11 * time.Minute, 13 * time.Minute} {
		if passed := time.Duration(time.Now().UnixNano()) % w; w-passed > time.Minute {
			return w.String()
		}
	}
	panic("no window: four turns within one minute")
}

// postings collects what a gateway would post.
func (k *kit) postings() func() []bus.Posting {
	var mu sync.Mutex
	var all []bus.Posting
	ctx, cancel := context.WithCancel(k.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.bus.ConsumeAnswers(ctx, func(p bus.Posting) {
			mu.Lock()
			all = append(all, p)
			mu.Unlock()
			p.Settle(retry.Done)
		}, func(raw string, err error) { k.t.Errorf("malformed %s: %v", raw, err) })
	}()
	k.t.Cleanup(func() { cancel(); <-done })
	return func() []bus.Posting { mu.Lock(); defer mu.Unlock(); return append([]bus.Posting{}, all...) }
}

func TestKeysRotateAndThePrimaryComesBack(t *testing.T) {
	k := setup(t, map[string]string{"BUDGET_LIMITS": "2req/2s", "BUDGET_LIMITS_SECOND": "none"})
	k.start(nil)
	used := map[string]int{}
	back := false
	for i, late := 0, time.Now().Add(20*time.Second); !back && time.Now().Before(late); i++ {
		q := question("7", fmt.Sprint("question ", i))
		k.ask(q)
		key := k.want(q, chat.Reply, "").Receipt.Key
		back = key == "primary" && used["second"] > 0 && used["primary"] >= 2
		used[key]++
	}
	if !back {
		t.Errorf("never back on the primary: %v", used)
	}
}

func TestTheLimitHoldsOverWorkers(t *testing.T) {
	window := longWindow()
	k := setup(t, map[string]string{"BUDGET_LIMITS": "5req/" + window, "HF_API_KEYS": "primary=hf_primary_token"})
	posted := k.postings()
	for range 3 {
		k.start(nil)
	}
	var qs []chat.Question
	for i := range 20 {
		qs = append(qs, question(fmt.Sprint(100+i), fmt.Sprint("question ", i)))
	}
	k.ask(qs...)
	notices := func() (n int) {
		for _, p := range posted() {
			if p.Notice != nil {
				n++
			}
		}
		return n
	}
	k.await("five answers and a notice", func() bool { return len(posted()) >= 6 })
	k.await("the others were looked at", func() bool { n, _, err := k.bus.Queue(k.ctx); return err == nil && n == 15 })
	if n := k.calls("primary"); n != 5 || notices() != 1 {
		t.Errorf("%d calls and %d notices, want 5 and 1", n, notices())
	}
	for _, p := range posted() {
		if p.Notice != nil && !strings.Contains(p.Notice.Text, fmt.Sprintf("<t:%d:R>", p.Notice.Until.Unix())) {
			t.Errorf("notice %+v", p.Notice)
		}
	}
}

func TestWhoCantMakeItGetsAnApology(t *testing.T) {
	k := setup(t, map[string]string{"BUDGET_LIMITS": "1req/" + longWindow(), "ANSWER_WITHIN": "30s", "HF_API_KEYS": "primary=hf_primary_token"})
	k.start(nil)
	first, second := question("7", "first"), question("8", "second")
	k.ask(first)
	k.want(first, chat.Reply, "")
	k.ask(second)
	if a := k.want(second, chat.Apology, ""); a.Reason != answer.ReasonNoBudget {
		t.Errorf("%+v", a)
	}
}

func TestWhatIsLargerThanEveryLimitIsRefused(t *testing.T) {
	k := setup(t, map[string]string{"BUDGET_LIMITS": "3000tok/1h"})
	k.start(nil)
	q := question("7", strings.Repeat("all that I have ever burned ", 120))
	k.ask(q)
	if a := k.want(q, chat.Refusal, ""); a.Reason != answer.ReasonTooBig {
		t.Errorf("%+v", a)
	}
	short := question("7", "hi")
	k.ask(short)
	k.want(short, chat.Reply, "")
}

func TestMoneyIsCountedByTheProvidersPrice(t *testing.T) {
	k := setup(t, map[string]string{"BUDGET_LIMITS": "0.10usd/month", "HF_PRICE": "auto", "HF_MODEL": "salamander/simulated"})
	w := k.start(nil)
	q := question("7", "how much is the fish?")
	k.ask(q)
	k.want(q, chat.Reply, "")
	nano := k.hf.Books().Key("primary").NanoUSD
	if nano == 0 {
		t.Fatal("the simulator charged nothing")
	}
	k.await("the ledger has what was charged", func() bool {
		got := w.metric("salamander_budget_used", map[string]string{"key": "primary", "limit": "0.10usd/month"})
		return got > 0 && got*1e9 < float64(nano)*1.01+1 && got*1e9 > float64(nano)*0.99-1
	})
	report, err := k.bus.Budget(k.ctx, control.Order{
		Command: 9, Verb: control.Budget, Scope: "10", Origin: "10", Channel: "20", By: "30", Ground: control.Owner, At: time.Now(),
	})
	if err != nil || len(report.Keys) == 0 || report.Keys[0].Limits[0].Limit != "0.10usd/month" {
		t.Errorf("the budget says %+v, %v; want the limit as it was written", report, err)
	}
}

func TestOtherLimitsRefuseToStart(t *testing.T) {
	k := setup(t, map[string]string{"BUDGET_LIMITS": "5req/1h"})
	first := k.start(nil)
	second := k.launch(map[string]string{"BUDGET_LIMITS": "6req/1h"})
	err := second.refused()
	var conflict *budget.LimitsConflictError
	if !errors.As(err, &conflict) || conflict.Instance != first.app.Instance() || !strings.Contains(err.Error(), "5req/1h") {
		t.Fatalf("the second worker ended with %v", err)
	}
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	third := k.start(map[string]string{"BUDGET_LIMITS": "6req/1h"}) // nobody lives with the others
	k.await("the new limits hold", func() bool {
		return third.metric("salamander_budget_limit", map[string]string{"key": "primary", "limit": "6req/1h"}) == 6
	})
}

func TestLimitsCanBeChangedUnderWorkersThatLive(t *testing.T) {
	k := setup(t, map[string]string{"BUDGET_LIMITS": "1req/" + longWindow(), "HF_API_KEYS": "primary=hf_primary_token"})
	k.start(nil)
	first, second := question("7", "first"), question("8", "second")
	k.ask(first)
	k.want(first, chat.Reply, "")
	k.ask(second)
	if out := k.command("budget", "show"); !strings.Contains(out, "primary") || !strings.Contains(out, "1req/") {
		t.Errorf("budget show: %s", out)
	}
	k.command("budget", "set-limits", "primary", "2req/1h")
	k.want(second, chat.Reply, "")
	newcomer := k.launch(nil) // its settings are the old ones, and a worker lives with the new
	err := newcomer.refused()
	var conflict *budget.LimitsConflictError
	if !errors.As(err, &conflict) {
		t.Errorf("a worker with the old limits ended with %v", err)
	}
	k.env["BUDGET_LIMITS"], k.env["HF_API_KEYS"] = "3req/1h", keys
	if out := k.command("budget", "set-limits"); !strings.Contains(out, "3req/1h") || !strings.Contains(out, "second: never used") {
		t.Errorf("budget set-limits: %s", out)
	}
	k.command("budget", "set-limits", "primary", "2req/1h")
	k.await("the calls are settled, since a reset keeps what is on its way", func() bool {
		kv, err := k.bus.KeyValue(k.ctx, bus.BudgetBucket)
		if err != nil {
			t.Fatal(err)
		}
		e, err := kv.Get(k.ctx, "primary")
		if err != nil {
			t.Fatal(err)
		}
		d, err := budget.Decode(e.Value())
		return err == nil && len(d.Leases) == 0
	})
	k.command("budget", "reset", "primary")
	if out := k.command("budget", "show"); !strings.Contains(out, "2req/1h") {
		t.Errorf("budget show: %s", out)
	}
	k.await("a worker that lives knows of the reset", func() bool {
		report, err := k.bus.Budget(k.ctx, k.order(control.Budget, "10"))
		return err == nil && len(report.Keys) == 1 && report.Keys[0].State == "active" && report.Keys[0].Limits[0].Used == 0
	})
}

// command runs a subcommand and returns what it printed; it must succeed.
func (k *kit) command(args ...string) string {
	k.t.Helper()
	var out, errs bytes.Buffer
	if code := app.Execute(k.ctx, args, k.env, &out, &errs); code != 0 {
		k.t.Fatalf("worker %v: exit %d: %s", args, code, errs.String())
	}
	return out.String()
}

// order makes a moderator's order for a server.
func (k *kit) order(v control.Verb, scope control.Scope) control.Order {
	now := time.Now().UTC()
	o := control.Order{
		Command: chat.SnowflakeAt(now) + chat.Snowflake(mark.Add(1)), Verb: v, Scope: scope, Origin: chat.GuildID(scope), Channel: "20", By: "7",
		Ground: control.Permission, At: now,
	}
	if scope == control.Fleet {
		o.Origin, o.Ground = "10", control.Operator
	}
	if v == control.Forget || v == control.Leave {
		o.Ground = control.Self
	}
	return o
}

func TestARebootKeepsLimitsThatWereChangedUnderIt(t *testing.T) {
	k := setup(t, map[string]string{"BUDGET_LIMITS": "1req/" + longWindow(), "HF_API_KEYS": "primary=hf_primary_token"})
	workers := []*worker{k.start(nil), k.start(nil)}
	k.command("budget", "set-limits", "primary", "7req/1h")
	before := map[string]bool{}
	for _, w := range workers {
		before[w.app.Instance()] = true
	}
	k.obey(k.order(control.Reboot, control.Fleet))
	for _, w := range workers {
		k.await("it lives again with the limits that hold", func() bool {
			return !before[w.app.Instance()] && w.app.Ready() == nil &&
				w.metric("salamander_budget_limit", map[string]string{"key": "primary", "limit": "7req/1h"}) == 7
		})
	}
	var conflict *budget.LimitsConflictError
	if err := k.launch(nil).refused(); !errors.As(err, &conflict) {
		t.Errorf("a worker with the old limits ended with %v", err)
	}
}

// TestTheDeadHoldNoLimits has a newcomer meet the entry of a killed worker, first while something still listens in its
// name: then which limits hold is not known, and it must wait.
func TestTheDeadHoldNoLimits(t *testing.T) {
	k := setup(t, map[string]string{"BUDGET_LIMITS": "5req/1h", "HF_API_KEYS": "primary=hf_primary_token"})
	if err := k.start(nil).end(); err != nil { // its limits stand in the document
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(k.ctx)
	announced := make(chan struct{})
	go func() {
		defer close(announced)
		k.bus.Announce(ctx, func() control.Live {
			return control.Live{Instance: "ghost", Service: control.Worker, Limits: map[string]string{"primary": "5req/1h"}}
		})
	}()
	t.Cleanup(func() { cancel(); <-announced })
	listener, err := k.bus.Conn().SubscribeSync("budget.v1.write.ghost.primary")
	if err != nil {
		t.Fatal(err)
	}
	k.await("the ghost is in the book", func() bool { all, err := k.bus.Living(k.ctx); return err == nil && len(all) > 0 })
	newcomer := k.launch(map[string]string{"BUDGET_LIMITS": "6req/1h"})
	k.await("it says why it waits", func() bool {
		return strings.Contains(newcomer.log.String(), "worker ghost is there and does not answer")
	})
	if newcomer.app.Ready() == nil {
		t.Error("it is ready beside a worker whose limits it does not know")
	}
	if err := listener.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	k.await("it starts beside the dead", func() bool { return newcomer.app.Ready() == nil })
}
