package memory_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/memory"
)

var (
	now    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	limits = memory.Limits{Turns: 3, TTL: 30 * time.Minute, Tokens: 100}
)

func turn(n int) memory.Turn {
	return memory.Turn{
		Question: chat.QuestionID(strconv.Itoa(n)), Mark: chat.Snowflake(n), At: now, User: "u" + strconv.Itoa(n), Bot: "b" + strconv.Itoa(n),
	}
}

func document(turns ...memory.Turn) (d memory.Document) {
	for _, t := range turns {
		d = d.Append(t, limits, now, 0)
	}
	return d
}

func names(turns []memory.Turn) string {
	var s []string
	for _, t := range turns {
		s = append(s, string(t.Question))
	}
	return strings.Join(s, " ")
}

func TestRecall(t *testing.T) {
	t.Parallel()
	old, long := turn(2), turn(3)
	old.At = now.Add(-31 * time.Minute)
	long.Bot = strings.Repeat("x", 600)
	counted := long
	counted.BotTokens = 10
	tests := []struct {
		name   string
		doc    memory.Document
		limits memory.Limits
		before chat.Snowflake
		want   string
		whole  bool
	}{
		{"nothing", memory.Document{}, limits, 0, "", true},
		{"all", document(turn(1), turn(2)), limits, 0, "1 2", true},
		{"bounded by turns", document(turn(1), turn(2), turn(3), turn(4)), limits, 0, "2 3 4", false},
		{"bounded by age", memory.Document{Turns: []memory.Turn{old, turn(3)}}, limits, 0, "3", false},
		{"all too old is a new conversation", memory.Document{Turns: []memory.Turn{old}, Cut: true}, limits, 0, "", true},
		{"bounded by tokens", memory.Document{Turns: []memory.Turn{turn(1), long, turn(4)}}, limits, 0, "4", false},
		{"the provider's count wins", memory.Document{Turns: []memory.Turn{turn(1), counted, turn(4)}}, limits, 0, "1 3 4", true},
		{"a reboot", document(turn(1), turn(2)), limits, 1, "2", false},
		{"switched off since", document(turn(1), turn(2)), memory.Limits{}, 0, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, whole := tt.doc.Recall(tt.limits, now, tt.before)
			if names(got) != tt.want || whole != tt.whole {
				t.Errorf("%q, whole %v; want %q, %v", names(got), whole, tt.want, tt.whole)
			}
		})
	}
}

func TestAppendTwiceIsOnce(t *testing.T) {
	t.Parallel()
	d := document(turn(1), turn(2), turn(2))
	if got := names(d.Turns); got != "1 2" || d.Last != "2" {
		t.Errorf("%q, last %s", got, d.Last)
	}
}

func TestACountIsKeptOnlyOfAPromptThatShowedAllOfIt(t *testing.T) {
	t.Parallel()
	c := memory.Count{Tokens: 90, By: "x"}
	cut := document(turn(1), turn(2), turn(3), turn(4)) // shows 2 to 4
	for _, tt := range []struct {
		name  string
		doc   memory.Document
		shown []memory.Turn
		whole bool
		want  memory.Count
	}{
		{"the first turn", document(turn(1)), nil, true, c},
		{"all was shown", document(turn(1), turn(2)), []memory.Turn{turn(1)}, true, c},
		{"more was shown", cut, []memory.Turn{turn(1), turn(2), turn(3)}, true, c},
		{"no beginning was shown, and none is known", cut, []memory.Turn{turn(2), turn(3)}, false, c},
		{"no beginning was shown", document(turn(1), turn(2)), []memory.Turn{turn(1)}, false, memory.Count{}},
		{"a turn came in between", cut, []memory.Turn{turn(1), turn(2)}, true, memory.Count{}},
		{"nothing was shown", cut, nil, false, memory.Count{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := tt.doc.Counted(c, tt.shown, tt.whole)
			newest := d.Turns[len(d.Turns)-1]
			if newest.Prompt != tt.want {
				t.Errorf("the count is %+v, want %+v", newest.Prompt, tt.want)
			}
			d = d.Append(turn(9), limits, now, 0)
			for _, o := range d.Turns {
				if o.Prompt.Tokens > 0 {
					t.Errorf("turn %s has a count after another one came", o.Question)
				}
			}
		})
	}
	forgotten := document(turn(1)).Append(turn(2), limits, now, 2) // it is not added
	if d := forgotten.Counted(c, nil, true); len(d.Turns) != 0 {
		t.Errorf("%+v", d.Turns)
	}
}

func TestWhatWasAnsweredBeforeIsKnown(t *testing.T) {
	t.Parallel()
	d := document(turn(5), turn(7))
	for mark, want := range map[int]bool{4: true, 5: true, 7: true, 8: false} {
		if got := d.Knows(turn(mark).Question, turn(mark).Mark); got != want {
			t.Errorf("question %d is known: %v, want %v", mark, got, want)
		}
	}
	if forgotten, _ := d.Forget(9); !forgotten.Knows("5", 5) || (memory.Document{}).Knows("5", 5) {
		t.Error("a $forget changes what was answered, or nothing was ever asked")
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	d, n := document(turn(1), turn(2)).Forget(5)
	if n != 2 || len(d.Turns) != 0 || d.Last != "2" {
		t.Errorf("forgot %d, left %+v", n, d)
	}
	d = d.Append(turn(4), limits, now, 0) // it ran when everything was forgotten
	if len(d.Turns) != 0 || d.Last != "4" {
		t.Errorf("a turn from before is back: %+v", d)
	}
	d = d.Append(turn(6), limits, now, 0)
	if names(d.Turns) != "6" {
		t.Errorf("%q", names(d.Turns))
	}
	if again, n := d.Forget(1); n != 1 || again.Forgot != 5 {
		t.Errorf("an older $forget took the newer one back: %+v", again)
	}
}

func TestEndedKeepsTheTurns(t *testing.T) {
	t.Parallel()
	if d := document(turn(1)).Ended("9", 9); d.Last != "9" || d.Newest != 9 || names(d.Turns) != "1" {
		t.Errorf("%+v", d)
	}
}

// TestBounds: whatever is appended, what is recalled keeps every bound, and is the newest.
func TestBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := memory.Limits{
			Turns: rapid.IntRange(0, 5).Draw(t, "turns"), TTL: time.Hour, Tokens: rapid.IntRange(0, 200).Draw(t, "tokens"),
		}
		var d memory.Document
		for i := range rapid.IntRange(0, 12).Draw(t, "n") {
			x := turn(i + 1)
			x.User, x.Bot = rapid.StringN(0, 80, -1).Draw(t, "user"), rapid.StringN(0, 80, -1).Draw(t, "bot")
			d = d.Append(x, l, now, 0)
			if d.Last != x.Question {
				t.Fatalf("last is %s", d.Last)
			}
		}
		got, _ := d.Recall(l, now, 0)
		tokens := 0
		for i, x := range got {
			tokens += memory.Tokens(x.User) + memory.Tokens(x.Bot)
			if i > 0 && x.Mark != got[i-1].Mark+1 {
				t.Fatalf("a gap: %s", names(got))
			}
		}
		if len(got) > l.Turns || tokens > l.Tokens {
			t.Fatalf("%d turns with %d tokens pass %+v", len(got), tokens, l)
		}
	})
}
