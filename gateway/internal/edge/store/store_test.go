package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/gateway/internal/edge/store"
	"salamander.dev/shared/bus/bustest"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

func TestWhatWasRefusedStaysRefused(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b := bustest.Run(t).Connect(control.Gateway)
	if err := b.Open(ctx, true, func(error) {}); err != nil {
		t.Fatal(err)
	}
	s := store.NewQueue(b)
	refused := chat.Question{ID: "1", Guild: "10", Channel: "20", User: "30", Message: "1"}
	for name, step := range map[string]func() error{
		"edit":         func() error { return s.Change(ctx, chat.Change{Question: "1", Text: "edited before"}) },
		"refuse":       func() error { return s.Refuse(ctx, "1") },
		"again":        func() error { return s.Refuse(ctx, "1") },
		"another edit": func() error { return s.Change(ctx, chat.Change{Question: "1", Text: "edited after"}) },
		"edit others":  func() error { return s.Change(ctx, chat.Change{Question: "2", Text: "edited"}) },
	} {
		if err := step(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for id, want := range map[chat.QuestionID]bool{"1": true, "2": false, "3": false} {
		q := refused
		q.ID = id
		if ended, err := s.Ended(ctx, q); err != nil || ended != want {
			t.Errorf("question %s: ended %v, %v, want %v", id, ended, err, want)
		}
		if answered, err := s.Answered(ctx, q); err != nil || answered {
			t.Errorf("question %s: answered %v, %v", id, answered, err)
		}
	}
	var c chat.Change
	if _, ok, err := b.Changed().Get(ctx, "1", &c); err != nil || !ok || !c.Refused || c.Text == "" {
		t.Errorf("on record %+v, %v, %v", c, ok, err)
	}
	a := chat.AnswerTo(chat.Question{ID: "3", Guild: "10", Channel: "20", User: "30", Message: "3"}, chat.Reply, time.Now())
	a.Text = "an answer"
	if err := b.PublishAnswer(ctx, a); err != nil {
		t.Fatal(err)
	}
	q := refused
	q.ID = "3"
	if answered, err := s.Answered(ctx, q); err != nil || !answered {
		t.Errorf("answered %v, %v", answered, err)
	}
}

func TestARecordIsStoredOverTheOneThatWasRead(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b := bustest.Run(t).Connect(control.Gateway)
	if err := b.Open(ctx, true, func(error) {}); err != nil {
		t.Fatal(err)
	}
	s := store.NewRecords(b)
	mine := outbound.Record{Parts: []chat.MessageID{"5"}}
	revision, err := s.SetPosted(ctx, "1", mine)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetPosted(ctx, "1", outbound.Record{Done: true}); !errors.Is(err, outbound.ErrOvertaken) {
		t.Errorf("a gateway that saw nothing stores over a record: %v", err)
	}
	read, err := s.Posted(ctx, "1")
	if err != nil || read.Revision != revision || len(read.Parts) != 1 || read.Done {
		t.Errorf("read %+v, %v, stored as %d", read, err, revision)
	}
	read.Done = true
	if _, err := s.SetPosted(ctx, "1", read); err != nil {
		t.Error(err)
	}
}
