package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/edge/store"
)

// grant reserves, and fails the test if that is refused.
func (b *bundle) grant(l *store.Ledger, id string) budget.Grant {
	b.t.Helper()
	g, err := l.Reserve(b.ctx, request(id))
	if err != nil {
		b.t.Fatalf("reserve %s: %v", id, err)
	}
	return g
}

func (b *bundle) settle(l *store.Ledger, g budget.Grant, o budget.Outcome) {
	b.t.Helper()
	if err := l.Settle(b.ctx, g, o); err != nil {
		b.t.Fatalf("settle %s: %v", g.Lease, err)
	}
}

// eventually waits for a condition, at most until the test's deadline.
func (b *bundle) eventually(what string, ok func() bool) {
	b.t.Helper()
	for !ok() {
		select {
		case <-b.ctx.Done():
			b.t.Fatalf("never: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// kv opens a bucket for a look behind the ledger's back.
func (b *bundle) kv(name string) jetstream.KeyValue {
	b.t.Helper()
	kv, err := b.srv.Connect(control.Worker).KeyValue(b.ctx, name)
	if err != nil {
		b.t.Fatal(err)
	}
	return kv
}

func (b *bundle) used(l *store.Ledger, key int) int64 {
	b.t.Helper()
	views, err := l.Snapshot(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return views[key].Limits[0].Used
}

func key(t testing.TB, name, text string) store.LedgerKey {
	return store.LedgerKey{Name: name, Limits: limits(t, text)}
}

func TestEveryWorkerKnowsAKeysHealthAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one, two := key(t, "one", "100req/month"), key(t, "two", "100req/month")
	a, _ := b.open(nil, one, two)
	c, _ := b.open(nil, one, two)
	for i, o := range []budget.Outcome{
		{Kind: budget.RateLimited, RetryAfter: time.Hour}, {Kind: budget.NoCredit}, {Kind: budget.KeyRefused},
	} {
		if err := a.Reset(b.ctx, "one"); err != nil {
			t.Fatal(err)
		}
		b.settle(a, b.grant(a, fmt.Sprint("a", i)), o)
		if g := b.grant(c, fmt.Sprint("c", i)); g.Key != "two" {
			t.Fatalf("after %s, another worker got %s", o.Kind, g.Key)
		}
		views, err := c.Snapshot(b.ctx)
		want := []budget.State{budget.StateCooling, budget.StateResting, budget.StateRefused}[i]
		if err != nil || views[0].State != want {
			t.Fatalf("%+v, %v; want %s", views[0], err, want)
		}
	}
	// One that starts later tries the refused key once, and its success makes it active for all.
	late, _ := b.open(nil, one, two)
	g := b.grant(late, "l0")
	if g.Key != "one" || !g.Probe {
		t.Fatalf("a worker that starts got %+v", g)
	}
	if g := b.grant(late, "l1"); g.Key != "two" {
		t.Fatalf("a second try: %+v", g)
	}
	b.settle(late, g, budget.Outcome{Kind: budget.Success})
	if g := b.grant(late, "l2"); g.Key != "one" {
		t.Fatalf("active again: %+v", g)
	}
	b.eventually("active for another worker", func() bool {
		g, err := c.Reserve(b.ctx, request(fmt.Sprint("c", time.Now().UnixNano())))
		return err == nil && g.Key == "one"
	})
}

func TestAllKeysRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "none"))
	b.settle(l, b.grant(l, "x"), budget.Outcome{Kind: budget.KeyRefused})
	if _, err := l.Reserve(b.ctx, request("y")); !errors.Is(err, budget.ErrNoKeys) {
		t.Fatal(err)
	}
}

func TestTooBigEndsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "100tok/month"), key(t, "two", "120tok/month"))
	r := request("x")
	r.PromptTokens = 110
	if _, err := l.Reserve(b.ctx, r); !errors.Is(err, budget.ErrTooBig) {
		t.Fatal(err)
	}
	r.PromptTokens = 80 // 80 + 32 fits the second
	if g, err := l.Reserve(b.ctx, r); err != nil || g.Key != "two" || g.MaxTokens != 40 {
		t.Fatalf("%+v, %v", g, err)
	}
}

func TestExcludedKeysAreNotUsed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "none"), key(t, "two", "none"))
	r := request("x")
	r.Exclude = []string{"one"}
	if g, err := l.Reserve(b.ctx, r); err != nil || g.Key != "two" {
		t.Fatalf("%+v, %v", g, err)
	}
	r.ID, r.Exclude = "y", []string{"one", "two"}
	var wait *budget.WaitError
	if _, err := l.Reserve(b.ctx, r); !errors.As(err, &wait) || wait.Reason != budget.Tried {
		t.Fatal(err)
	}
}

func TestSameRequestSameGrant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "2req/month"))
	m, _ := b.open(nil, key(t, "one", "2req/month"))
	g := b.grant(l, "x")
	if again := b.grant(m, "x"); again.At != g.At || again.MaxTokens != g.MaxTokens || b.used(l, 0) != 1 {
		t.Fatalf("%+v, then %+v", g, again)
	}
	b.settle(m, g, budget.Outcome{Kind: budget.NotSent})
	b.settle(l, g, budget.Outcome{Kind: budget.NotSent})
	if used := b.used(l, 0); used != 0 {
		t.Fatalf("given back twice: %d used", used)
	}
}

// Who waits is woken by another process that gives back, and by the turn of the window.
func TestWaitersAreWoken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "1req/month"))
	m, _ := b.open(nil, key(t, "one", "1req/month"))
	g := b.grant(l, "x")
	woken := make(chan budget.Grant)
	waiting := make(chan struct{})
	go func() {
		var once sync.Once
		for {
			changed := m.Changed()
			g, err := m.Reserve(b.ctx, request("y"))
			var wait *budget.WaitError
			if !errors.As(err, &wait) {
				woken <- g
				return
			}
			once.Do(func() { close(waiting) })
			select {
			case <-changed:
			case <-b.ctx.Done():
			}
		}
	}()
	<-waiting
	b.settle(l, g, budget.Outcome{Kind: budget.NotSent})
	if g := <-woken; g.Key != "one" {
		t.Fatalf("woken without a grant: %+v", g)
	}
}

func TestTheTurnOpensTheFirstKeyAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "3req/2s"), key(t, "two", "1000req/month"))
	seen := ""
	var last budget.Grant
	for n := 0; ; n++ {
		changed := l.Changed()
		g, err := l.Reserve(b.ctx, request(fmt.Sprint(n)))
		var wait *budget.WaitError
		if errors.As(err, &wait) { // both are turning
			select {
			case <-changed:
			case <-time.After(time.Until(wait.Until)):
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if g.Key != last.Key {
			seen += g.Key + " "
		}
		last = g
		if strings.HasSuffix(seen, "one two one two ") {
			return
		}
		select { // as a conversation goes on
		case <-time.After(10 * time.Millisecond):
		case <-b.ctx.Done():
			t.Fatalf("saw %s", seen)
		}
	}
}

// The process that combines the writes dies, or hangs: the others go on.
func TestTheOwnerMayDie(t *testing.T) {
	t.Parallel()
	b := setup(t)
	owner, conn := b.open(nil, key(t, "one", "1000req/month"))
	l, _ := b.open(nil, key(t, "one", "1000req/month"))
	b.grant(owner, "o")
	b.grant(l, "a")
	conn.Close()
	b.grant(l, "b")
	m, _ := b.open(nil, key(t, "one", "1000req/month"))
	b.grant(m, "c")
	if used := b.used(l, 0); used != 4 {
		t.Fatalf("%d used", used)
	}
	// One that answers nothing: a subscription without a reader.
	sub, err := b.srv.Connect(control.Worker).Conn().SubscribeSync("budget.v1.write.>")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := l.Close(b.ctx); err != nil {
		t.Fatal(err)
	}
	b.grant(m, "d")
	if used := b.used(m, 0); used != 5 {
		t.Fatalf("%d used", used)
	}
}

func TestCloseWritesWhatIsPending(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "1000tok/month"))
	var grants []budget.Grant
	for i := range 5 {
		grants = append(grants, b.grant(l, fmt.Sprint(i)))
	}
	for _, g := range grants {
		l.SettleLater(g, budget.Outcome{Kind: budget.Success, UsageKnown: true, Prompt: 10, Completion: 10})
	}
	if err := l.Close(b.ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(b.ctx); err != nil {
		t.Fatalf("twice: %v", err)
	}
	if _, err := l.Reserve(b.ctx, request("late")); err == nil {
		t.Fatal("a closed ledger granted")
	}
	m, _ := b.open(nil, key(t, "one", "1000tok/month"))
	if used := b.used(m, 0); used != 100 {
		t.Fatalf("%d tokens used, want 100", used)
	}
}

// A caller that gives up while its reservation is on the way leaves nothing reserved.
func TestGivenUpReservationsComeBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "1000req/month"))
	for i := range 50 {
		ctx, cancel := context.WithTimeout(b.ctx, time.Duration(i)*10*time.Microsecond)
		if g, err := l.Reserve(ctx, request(fmt.Sprint(i))); err == nil {
			b.settle(l, g, budget.Outcome{Kind: budget.NotSent})
		}
		cancel()
	}
	b.eventually("nothing is reserved", func() bool { return b.used(l, 0) == 0 })
}

// Who was served more than others who wait hands the question back, while more wait than there is room for.
func TestOverShareIsHandedBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(func(c *store.LedgerConfig) {
		c.Waiting = func(context.Context) (map[string]int, error) {
			return map[string]int{"heavy": 100, "light": 5, "other": 5}, nil
		}
	}, key(t, "one", "40req/month"))
	ask := func(id, user string) error {
		r := request(id)
		r.User = user
		_, err := l.Reserve(b.ctx, r)
		return err
	}
	var share *budget.ShareError
	n := 0
	b.eventually("who is ahead stands back", func() bool { // as soon as the ledger has asked who waits
		n++
		err := ask(fmt.Sprint("h", n), "heavy")
		if err != nil && !errors.As(err, &share) {
			t.Fatal(err)
		}
		return share != nil
	})
	if share.RetryAfter <= 0 || share.RetryAfter > 250*time.Millisecond {
		t.Fatal(share.RetryAfter)
	}
	if err := ask("l", "light"); err != nil {
		t.Fatal(err)
	}
}

func TestDollarsNeedAPrice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "0.10usd/month"))
	if _, err := l.Reserve(b.ctx, request("x")); !errors.Is(err, store.ErrNoPrice) {
		t.Fatal(err)
	}
	price, err := budget.ParsePrice("100/300")
	if err != nil {
		t.Fatal(err)
	}
	l.SetPrice(price)
	g := b.grant(l, "x") // 50 × $0.0001 + 100 × $0.0003 = $0.035
	if used := b.used(l, 0); used != 35_000_000_000 {
		t.Fatal(used)
	}
	b.settle(l, g, budget.Outcome{Kind: budget.Success, UsageKnown: true, Prompt: 20, Completion: 10})
	if used := b.used(l, 0); used != 5_000_000_000 {
		t.Fatal(used)
	}
}

func TestAKeyWithoutAPriceLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]string{"it comes last": {"one", "two"}, "it comes first": {"two", "one"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			limit := map[string]string{"one": "1req/month", "two": "0.10usd/month"}
			l, _ := b.open(nil, key(t, keys[0], limit[keys[0]]), key(t, keys[1], limit[keys[1]]))
			if g := b.grant(l, "x"); g.Key != "one" {
				t.Fatalf("granted with %s", g.Key)
			}
			// Another key's turn is nothing to wait for, since the price may come before.
			if _, err := l.Reserve(b.ctx, request("y")); !errors.Is(err, store.ErrNoPrice) || !strings.Contains(err.Error(), "two") {
				t.Fatal(err)
			}
			l.SetPrice(budget.Price{In: 1, Out: 1})
			if g := b.grant(l, "y"); g.Key != "two" {
				t.Fatalf("granted with %s", g.Key)
			}
		})
	}
}

func TestForeignNamesAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bs := b.srv.Connect(control.Worker)
	for _, cfg := range []store.LedgerConfig{
		{Instance: "w 1", Keys: []store.LedgerKey{key(t, "one", "none")}},
		{Instance: "w1", Keys: []store.LedgerKey{key(t, "o.>", "none")}},
	} {
		if _, err := store.OpenLedger(b.ctx, bs.Conn(), cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}
