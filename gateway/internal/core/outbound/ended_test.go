package outbound

import (
	"strconv"
	"testing"

	"salamander.dev/shared/chat"
)

// TestMemoriesGoRound: what ended, and titles, are remembered for the newest questions only.
func TestMemoriesGoRound(t *testing.T) {
	t.Parallel()
	e, titles := newEnded(), NewTitles()
	id := func(n int) chat.QuestionID { return chat.QuestionID(strconv.Itoa(n)) }
	for n := range maxEnded + 10 {
		e.add(id(n))
		e.add(id(n))
	}
	for n := range maxTitles + 10 {
		titles.Note(id(n), "a title")
		titles.Note(id(n), "another title")
	}
	if e.is(id(9)) || !e.is(id(10)) || !e.is(id(maxEnded+9)) || len(e.has) != maxEnded {
		t.Errorf("%d are remembered as ended", len(e.has))
	}
	at := func(n int) string { return titles.of(chat.Answer{Question: id(n), Text: "an answer"}) }
	if at(9) != "an answer" || at(10) != "a title" || at(maxTitles+9) != "a title" || len(titles.by) != maxTitles {
		t.Errorf("%d titles are remembered", len(titles.by))
	}
}
