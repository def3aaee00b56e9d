package main

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"salamander.dev/deployments/stack"
)

func TestMain(m *testing.M) {
	stack.Main()
	os.Exit(m.Run())
}

// One question leaves one trace over both services: the event, the wait, the reservation, the call and the post.
func TestOneQuestionIsOneTrace(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, spans, err := follow(ctx, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.bad) > 0 {
		t.Errorf("sent and not understood: %v", r.bad)
	}
	names := map[string]string{"": ""} // by id
	for _, s := range spans {
		names[s.id] = s.name
	}
	var tree []string
	at := map[string]span{}
	for _, s := range spans {
		tree = append(tree, s.service+": "+s.name+" < "+names[s.parent])
		at[s.name] = s
	}
	slices.Sort(tree)
	want := []string{
		"gateway: post answer < answer question",
		"gateway: take question < ",
		"worker: answer question < take question",
		"worker: call model < answer question",
		"worker: reserve budget < answer question",
		"worker: wait in the queue < take question",
	}
	if !slices.Equal(tree, want) {
		t.Errorf("the trace is\n%s\nwant\n%s", strings.Join(tree, "\n"), strings.Join(want, "\n"))
	}
	if call, answer, post := at["call model"], at["answer question"], at["post answer"]; call.start.Before(answer.start) || call.end.After(answer.end) || post.start.Before(call.end) {
		t.Errorf("call %v to %v, answer %v to %v, post from %v", call.start, call.end, answer.start, answer.end, post.start)
	}
	// The picture is well-formed and names every span.
	picture := draw(spans)
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range spans {
		if !strings.Contains(picture, ">"+s.name+"<") {
			t.Errorf("the picture does not show %s", s.name)
		}
	}
}
