package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/edge/store"
)

func TestLimitsHoldWhileAWorkerWithThemLives(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "10req/month,5req/day"))
	for i := range 3 {
		b.grant(l, fmt.Sprint(i))
	}
	bs := b.srv.Connect(control.Worker)
	other, err := store.OpenLedger(b.ctx, bs.Conn(), store.LedgerConfig{
		Instance: "other", Keys: []store.LedgerKey{key(t, "one", "7req/month,1000tok/1h")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close(context.Background()) })
	alive := func(text string) func(context.Context) ([]store.LiveWorker, error) {
		return func(context.Context) ([]store.LiveWorker, error) {
			return []store.LiveWorker{{Instance: "w1", Limits: map[string]string{"one": text}}, {Instance: "other"}}, nil
		}
	}
	var conflict *budget.LimitsConflictError
	err = other.EnsureLimits(b.ctx, alive("5req/day, 10req/month"))
	if !errors.As(err, &conflict) || conflict.Key != "one" || conflict.Theirs != "5req/day,10req/month" || conflict.Instance != "w1" {
		t.Fatalf("%v", err)
	}
	for _, part := range []string{`"one"`, "5req/day", "7req/month", "set-limits"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %s", err, part)
		}
	}
	// One that has agreed holds them whatever its settings say, but only for keys that it has.
	agreed := func(context.Context) ([]store.LiveWorker, error) {
		return []store.LiveWorker{
			{Instance: "w2", Limits: map[string]string{"two": "10req/month"}, Agreed: true},
			{Instance: "w3", Limits: map[string]string{"one": "10req/month"}, Agreed: true},
		}, nil
	}
	if err := other.EnsureLimits(b.ctx, agreed); !errors.As(err, &conflict) || conflict.Instance != "w3" {
		t.Fatalf("%v", err)
	}
	// A live worker with other limits still does not hold these.
	if err := other.EnsureLimits(b.ctx, alive("1req/month")); err != nil {
		t.Fatal(err)
	}
	views, err := l.Snapshot(b.ctx)
	if err != nil || len(views[0].Limits) != 2 || views[0].Limits[0].Limit.String() != "7req/month" || views[0].Limits[0].Used != 3 ||
		views[0].Limits[1].Used != 450 {
		t.Fatalf("%+v, %v", views, err)
	}
	// The worker that was there obeys the document, not its own settings.
	granted := 0
	for i := range 10 {
		if _, err := l.Reserve(b.ctx, request(fmt.Sprint("again", i))); err == nil {
			granted++
		}
	}
	if granted != 4 { // 1000 tokens: 450 are used; three of 150 fit, and one that is lowered to 100
		t.Fatalf("%d granted", granted)
	}
	if err := l.SetLimits(b.ctx, "one", limits(t, "8req/month")); err != nil {
		t.Fatal(err)
	}
	b.grant(other, "more")
	if used := b.used(l, 0); used != 8 {
		t.Fatalf("%d used", used)
	}
}

func TestKeysAreListedInTheirOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "d", "1req/day"), key(t, "b", "1req/day"), key(t, "e", "1req/day"), key(t, "a", "1req/day"), key(t, "c", "1req/day"))
	if names, err := l.Keys(b.ctx); err != nil || !slices.Equal(names, []string{"a", "b", "c", "d", "e"}) {
		t.Errorf("%v, %v", names, err)
	}
}
