package bus_test

import (
	"testing"
	"time"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
)

func TestABystanderSeesTheRoadAndTakesNothing(t *testing.T) {
	t.Parallel()
	ctx, _, b := setup(t)
	if err := b.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	seen := make(chan bus.Sight, 8)
	stop, err := b.Tap(func(s bus.Sight) { seen <- s })
	if err != nil {
		t.Fatal(err)
	}
	q := question(1, "30")
	a := chat.AnswerTo(q, chat.Reply, time.Now())
	a.Text = "hello"
	if _, err := b.PublishQuestion(ctx, q); err != nil {
		t.Fatal(err)
	}
	if err := b.PublishAnswer(ctx, a); err != nil {
		t.Fatal(err)
	}
	if err := b.PublishNotice(ctx, chat.Notice{Question: q.ID, Guild: q.Guild, Channel: q.Channel, User: q.User, Message: q.Message, Text: "wait", Until: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := b.PublishDeadLetter(ctx, chat.DeadLetter{Question: q, Stage: "model", Reason: "refused"}); err != nil {
		t.Fatal(err)
	}
	var got [4]bus.Sight
	for i := range got {
		select {
		case got[i] = <-seen:
		case <-ctx.Done():
			t.Fatalf("saw %d of 4", i)
		}
	}
	if got[0].Question == nil || got[0].Question.Text != q.Text || got[1].Answer == nil || got[1].Answer.Text != "hello" ||
		got[2].Notice == nil || got[2].Notice.Text != "wait" || got[3].Dead == nil || got[3].Dead.Reason != "refused" {
		t.Errorf("saw %+v", got)
	}
	n, _, err := b.Queue(ctx)
	if err != nil || n != 1 {
		t.Errorf("%d questions are left (%v), want the one that nobody answered", n, err)
	}
	stop()
}
