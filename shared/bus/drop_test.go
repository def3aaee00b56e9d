package bus_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"salamander.dev/shared/control"
)

// A purge by subject makes the server forget that a question was handed back, whoever asked it: it comes again only when
// its acknowledgement is overdue (10 s), and never if the server is killed before.
func TestADropKeepsWhatOthersHandedBack(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	theirs, ours := question(1, "7"), question(2, "8")
	ours.Guild = "11"
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	workers, err := js.Consumer(ctx, "QUESTIONS", "workers")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.PublishQuestion(ctx, theirs); err != nil {
		t.Fatal(err)
	}
	m, err := workers.Next(jetstream.FetchMaxWait(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Nak(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PublishQuestion(ctx, ours); err != nil {
		t.Fatal(err)
	}
	if n, err := b.DropQuestions(ctx, "11"); err != nil || n != 1 {
		t.Fatalf("dropped %d, %v", n, err)
	}
	m, err = workers.Next(jetstream.FetchMaxWait(5 * time.Second))
	if err != nil {
		t.Fatalf("the question that was handed back does not come at once: %v", err)
	}
	if got := m.Headers().Get(jetstream.MsgIDHeader); got != string(theirs.ID) {
		t.Errorf("got %s, want %s", got, theirs.ID)
	}
	if open, err := b.Waiting(ctx, control.Fleet); err != nil || open != 1 {
		t.Errorf("%d are open, %v", open, err)
	}
}
