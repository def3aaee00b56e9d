package app_test

import (
	"strings"
	"testing"

	"salamander.dev/shared/chat"
)

func TestAQuestionIsAnswered(t *testing.T) {
	k := setup(t, nil)
	w := k.start(nil)
	q := question("7", "are you warm?")
	k.ask(q)
	a := k.want(q, chat.Reply, "echo: are you warm?")
	if a.Receipt == nil || a.Receipt.Key != "primary" || !a.Receipt.Known || a.Message != q.Message || a.Mark != q.Mark {
		t.Errorf("incomplete answer %+v", a)
	}
	k.empty()
	if err := w.end(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if log := w.log.String(); !strings.Contains(log, `"message":"answered"`) || strings.Contains(log, "are you warm") {
		t.Error("the log lacks the info line of the answer, or holds text")
	}
}
