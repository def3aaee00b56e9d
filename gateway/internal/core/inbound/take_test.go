package inbound

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/shared/chat"
)

func TestQuestionsAreHeldInOrderUntilTheQueueIsBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		w.away = errors.New("NATS is away")
		first, second := said(id(1)), said(id(2))
		d.Handle(t.Context(), first)
		d.Handle(t.Context(), second)
		time.Sleep(time.Hour)
		if got := w.got(); len(got) != 0 || d.Held() != 2 {
			t.Errorf("published %v, held %d", got, d.Held())
		}
		if m, _ := d.marks.now(0); m.Upto >= first.ID.Snowflake() {
			t.Errorf("the mark %v passed what is held", m.Upto)
		}
		w.back()
		time.Sleep(2 * time.Second)
		if got := w.got(); !slices.Equal(got, []chat.MessageID{first.ID, second.ID}) || d.Held() != 0 {
			t.Errorf("published %v, held %d", got, d.Held())
		}
	})
}

func TestWhatCantBeHeldIsSaidOncePerUserAndWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		w.away = errors.New("NATS is away")
		for i := range d.cfg.Hold {
			d.Handle(t.Context(), said(id(i+1)))
		}
		n := d.cfg.Hold
		over, again, other := said(id(n+1)), said(id(n+2)), said(id(n+3))
		other.Author = "31"
		for _, m := range []Message{over, again, other} {
			d.Handle(t.Context(), m)
		}
		synctest.Wait()
		if want := []chat.MessageID{over.ID, other.ID}; !slices.Equal(w.notices, want) {
			t.Errorf("notices on %v, want %v", w.notices, want)
		}
		w.back()
		time.Sleep(10 * time.Second)
		if got := w.got(); len(got) != d.cfg.Hold || slices.Contains(got, over.ID) {
			t.Errorf("%d published, of %d that were held", len(got), d.cfg.Hold)
		}
	})
}

func TestAMessageThatIsHeardTwiceIsHandledOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		live := said(id(1))
		missed := live
		missed.CaughtUp = true
		w.history = func(context.Context, chat.ChannelID, chat.MessageID) ([]Message, error) {
			return []Message{missed}, nil
		}
		d.Handle(t.Context(), live)
		synctest.Wait()
		connect(t, d, live.ID)
		d.Handle(t.Context(), live)
		if got := w.got(); !slices.Equal(got, []chat.MessageID{live.ID}) {
			t.Errorf("published %v", got)
		}
		if m, _ := d.marks.now(0); m.Upto != live.ID.Snowflake() {
			t.Errorf("the mark stays at %v", m.Upto)
		}

		// What was given up before it was taken is heard like the first time.
		w.away = errors.New("NATS is away")
		ctx, end := context.WithCancel(t.Context())
		given := said(id(2))
		d.Handle(ctx, given)
		end()
		synctest.Wait()
		w.back()
		d.Handle(t.Context(), given)
		if got := w.got(); !slices.Equal(got, []chat.MessageID{given.ID}) {
			t.Errorf("published %v after it was given up", got)
		}
	})
}

func TestAQuestionNamesTheOneBeforeIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		first, other, second, third := said(id(1)), said(id(2)), said(id(3)), said(id(4))
		other.Author = "31"
		for _, m := range []Message{first, other, second, third} {
			d.Handle(t.Context(), m)
		}
		w.got()
		for m, want := range map[chat.MessageID]chat.MessageID{first.ID: "", other.ID: "", second.ID: first.ID, third.ID: second.ID} {
			if got := w.previous[chat.QuestionID(m)]; got != chat.QuestionID(want) {
				t.Errorf("%s names %q, want %q", m, got, want)
			}
		}
	})
}

func TestADirectMessageThatIsHeardTwiceIsNotMarkedBeforeItIsTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		m := said(id(1))
		m.Guild, m.Channel = chat.DM, "77"
		w.away = errors.New("NATS is away")
		d.Handle(t.Context(), m)
		d.Handle(t.Context(), m)
		synctest.Wait()
		if _, directs := d.marks.unsaved(); len(directs) != 0 {
			t.Errorf("marks %v, and nothing was taken", directs)
		}
		w.back()
		time.Sleep(time.Second)
		if _, directs := d.marks.unsaved(); directs["77"] != m.ID.Snowflake() {
			t.Errorf("marks %v after it was taken", directs)
		}
	})
}

// TestARefusalIsNotedBeforeItIsSaid: and not said at all when another gateway brought the question into the queue.
func TestARefusalIsNotedBeforeItIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		full, noNote     int // publishes that find no room, notes that fail
		theirs, answered bool
		notices          int
	}{
		"no room":                             {full: 2, notices: 1},
		"room at the second look":             {full: 1, notices: 1},
		"the note fails at first":             {full: 3, noNote: 1, notices: 1},
		"another gateway was luckier":         {full: 1, theirs: true},
		"it was answered, and NATS restarted": {full: 2, answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d, w := setup(t)
				m := said(id(1))
				q := chat.QuestionID(m.ID)
				w.full, w.noNote, w.theirs, w.answered = c.full, c.noNote, c.theirs, map[chat.QuestionID]bool{q: c.answered}
				w.looks = func() { // a publish that is only a look, and a notice
					if !slices.Equal(w.refused, []chat.QuestionID{q}) {
						t.Error("the refusal is not noted yet")
					}
				}
				d.Handle(t.Context(), m)
				time.Sleep(time.Second)
				w.got()
				if len(w.notices) != c.notices || !slices.Equal(w.refused, []chat.QuestionID{q}) {
					t.Errorf("notices on %v, refused %v", w.notices, w.refused)
				}
				w.full, w.looks = 1, nil
				d.Handle(t.Context(), said(id(2)))
				if got := w.got(); len(got) != 0 || len(w.notices) != c.notices || len(w.refused) != 1 {
					t.Errorf("the second one: published %v, notices on %v, refused %v", got, w.notices, w.refused)
				}
			})
		})
	}
}

func TestAnEditThatNamesNoAuthorChangesTheQuestion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		m := said(id(1))
		d.Handle(t.Context(), m)
		w.got()
		for _, x := range []chat.MessageID{m.ID, id(2)} { // the second was never a question
			d.Handle(t.Context(), Edited{Message{ID: x, Guild: m.Guild, Channel: m.Channel, Content: "new text"}})
		}
		w.got()
		if len(w.changes) != 1 || w.changes[0].Question != chat.QuestionID(m.ID) || w.changes[0].Text != "new text" {
			t.Errorf("changes %+v", w.changes)
		}
	})
}

// TestALimitThatNobodyReachesIsNotCounted: what is counted is kept by its ids.
func TestALimitThatNobodyReachesIsNotCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		for _, limit := range []int{maxCounted, maxCounted + 1} {
			d.cfg.Rate.Questions, w.counted = limit, 0
			d.Handle(t.Context(), said(id(limit)))
			if got := w.got(); len(got) != 1 || (w.counted > 0) != (limit <= maxCounted) {
				t.Errorf("limit %d: published %v, counted %d", limit, got, w.counted)
			}
		}
	})
}
