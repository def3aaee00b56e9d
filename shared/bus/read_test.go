package bus_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"salamander.dev/shared/chat"
)

// TestReadsSeeWhatWasJustWritten: every kind of read, of what is there, was deleted, and is not there.
func TestReadsSeeWhatWasJustWritten(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	k, n := b.Changed(), "1"
	var got string
	if _, ok, err := k.Get(ctx, n, &got); ok || err != nil {
		t.Errorf("a key that is not there: %v, %v", ok, err)
	}
	if won, err := k.Create(ctx, n, "one", 0); !won || err != nil {
		t.Errorf("create: %v, %v", won, err)
	}
	first, ok, err := k.Get(ctx, n, &got)
	if got != "one" || !ok || err != nil {
		t.Errorf("read %q, %v, %v", got, ok, err)
	}
	second, err := k.Update(ctx, n, "two", first)
	if err != nil {
		t.Error(err)
	}
	if revision, ok, err := k.Get(ctx, n, &got); got != "two" || revision != second || !ok || err != nil {
		t.Errorf("read %q, revision %d, %v, %v; written as %d", got, revision, ok, err, second)
	}
	if err := k.Delete(ctx, n); err != nil {
		t.Error(err)
	}
	if revision, ok, err := k.Get(ctx, n, &got); ok || revision <= second || err != nil {
		t.Errorf("a deleted key: revision %d, %v, %v", revision, ok, err)
	}
	if won, err := k.Create(ctx, n, "three", 0); !won || err != nil {
		t.Errorf("create again: %v, %v", won, err)
	}

	q := question(1, "7")
	if _, ok, err := b.Answered(ctx, q); ok || err != nil {
		t.Errorf("no answer: %v, %v", ok, err)
	}
	a := chat.AnswerTo(q, chat.Reply, time.Now())
	a.Text = "yes"
	if err := b.PublishAnswer(ctx, a); err != nil {
		t.Error(err)
	}
	if a, ok, err := b.Answered(ctx, q); a.Text != "yes" || !ok || err != nil {
		t.Errorf("answer %q, %v, %v", a.Text, ok, err)
	}
}

// TestRepliesThatNobodyWantsAreForgotten: neither a reply that comes and is not waited for nor one that never comes stays.
func TestRepliesThatNobodyWantsAreForgotten(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	silent, err := b.Conn().SubscribeSync("silence")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Unsubscribe() })
	for range 10 {
		b.BeginAnswered(question(1, "7"))
		if _, err := b.Ask("silence"); err != nil {
			t.Fatal(err)
		}
	}
	await(t, ctx, "only those wait that nobody answers", func() bool { return b.Unanswered() == 10 })
	if b.SweepReplies(time.Now()); b.Unanswered() != 10 {
		t.Errorf("%d requests wait, of 10 that are young", b.Unanswered())
	}
	if b.SweepReplies(time.Now().Add(time.Hour)); b.Unanswered() != 0 {
		t.Errorf("%d requests still wait", b.Unanswered())
	}
	wait, err := b.Ask("nobody.listens")
	if err != nil {
		t.Fatal(err)
	}
	if err := wait(ctx); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("a request that nobody answers: %v", err)
	}
}
