package bus_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
)

// A NATS server that is killed may forget that it deleted a question, but not that it was acknowledged: the question is
// the oldest of its user then, and never delivered again. It must not silence that user.
func TestAQuestionThatCameBackFromTheDeadHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	ctx, s, b := setup(t)
	messages := filepath.Join(s.Dir(), "jetstream", "$G", "streams", "QUESTIONS", "msgs")
	answered := make(chan chat.QuestionID, 10)
	h := &handler{answer: func(_ context.Context, q chat.Question) retry.Verdict {
		answered <- q.ID
		return retry.Done
	}}
	ask := func(n int) {
		t.Helper()
		if _, err := b.PublishQuestion(ctx, question(n, "7")); err != nil {
			t.Fatal(err)
		}
	}
	waiting := func(want int) func() bool {
		return func() bool { n, _, err := b.Queue(ctx); return err == nil && n == want }
	}
	ask(1)
	s.Stop()
	before := t.TempDir()
	if err := os.CopyFS(filepath.Join(before, "msgs"), os.DirFS(messages)); err != nil {
		t.Fatal(err)
	}
	s.Start()
	await(t, ctx, "the question is there", waiting(1))
	_, stop := run(ctx, b, 2, h)
	if q := <-answered; q != question(1, "7").ID {
		t.Errorf("question %s was answered", q)
	}
	await(t, ctx, "the question is gone", waiting(0))
	stop()
	s.Stop()
	if err := os.RemoveAll(messages); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(messages, os.DirFS(filepath.Join(before, "msgs"))); err != nil {
		t.Fatal(err)
	}
	s.Start()
	await(t, ctx, "the question came back", waiting(1))
	_, stop = run(ctx, b, 2, h)
	defer stop()
	for n := 2; n <= 4; n++ {
		ask(n)
		select {
		case q := <-answered:
			if q != question(n, "7").ID {
				t.Errorf("question %s was answered, want the %d. one", q, n)
			}
		case <-ctx.Done():
			t.Fatalf("the %d. question is never answered", n)
		}
	}
}
