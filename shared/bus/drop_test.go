package bus_test

import (
	"math"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"salamander.dev/shared/chat"
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
	var dropped []chat.QuestionID
	if err := b.DropQuestions(ctx, "11", math.MaxUint64, func(q chat.QuestionID) { dropped = append(dropped, q) }); err != nil || len(dropped) != 1 || dropped[0] != ours.ID {
		t.Fatalf("dropped %v, %v", dropped, err)
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

// A stop drops what was asked before it, and nothing that was taken after the start behind it.
func TestADropLeavesWhatIsYounger(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	for i := range 4 {
		q := question(i+1, "7")
		q.Mark = chat.Snowflake(10 * (i + 1))
		if _, err := b.PublishQuestion(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	var dropped []chat.QuestionID
	if err := b.DropQuestions(ctx, "10", 20, func(q chat.QuestionID) { dropped = append(dropped, q) }); err != nil || len(dropped) != 2 {
		t.Fatalf("dropped %v, %v", dropped, err)
	}
	if open, err := b.Waiting(ctx, control.Fleet); err != nil || open != 2 {
		t.Errorf("%d are open, %v", open, err)
	}
}

// What is gone can't be deleted, and that is no trouble: others delete and acknowledge meanwhile.
func TestWhatIsGoneNeedNotBeDeleted(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	for i := range 3 {
		if _, err := b.PublishQuestion(ctx, question(i+1, "7")); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		what  string
		seq   uint64
		there bool
	}{
		{"one in between", 2, true}, {"it again", 2, false}, {"the first", 1, true}, {"it again", 1, false},
		{"the last", 3, true}, {"it again", 3, false}, {"one that never was", 99, false},
	} {
		if there, err := b.DeleteMessage(ctx, "QUESTIONS", step.seq); err != nil || there != step.there {
			t.Errorf("%s (%d): %t, %v; want %t", step.what, step.seq, there, err, step.there)
		}
	}
	if err := b.DeleteDeadLetter(ctx, 5); err != nil {
		t.Errorf("a dead letter that is not there: %v", err)
	}
}
