package chat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"salamander.dev/shared/chat"
)

var update = flag.Bool("update", false, "write the golden files anew; read the difference before you commit it")

var at = time.Date(2026, 11, 22, 18, 4, 5, 123456789, time.UTC)

var asked = chat.Question{
	ID: "1309600000000000001-r1", Guild: "1309500000000000001", Channel: "1309500000000000002", User: "1309400000000000003",
	UserName: "Ann", Message: "1309600000000000001", Text: "What is fire?\nTell me.", InThread: true, Late: true,
	Mark: 1309600000000000009, Asked: at,
}

// TestGolden pins the JSON of every kind of message: a change of the treaty shows as a change of a file.
func TestGolden(t *testing.T) {
	t.Parallel()
	answer := chat.AnswerTo(asked, chat.Reply, at.Add(2*time.Second))
	answer.Text, answer.After, answer.Reason = "A friend.", "1309599999999999999", "model"
	answer.Attempt = 2
	answer.Receipt = &chat.Receipt{Key: "primary", Lease: "1309600000000000001-r1.1", Prompt: 40, Completion: 5, Known: true}
	for name, v := range map[string]any{
		"question": asked, "answer": answer,
		"notice":     chat.Notice{Question: asked.ID, Guild: asked.Guild, Channel: asked.Channel, User: asked.User, Message: asked.Message, Until: at, Text: "Back soon."},
		"change":     chat.Change{Question: asked.ID, Text: "What is ice?"},
		"deadletter": chat.DeadLetter{Question: asked, Raw: "{", Stage: "worker", Reason: "malformed", Cause: "unexpected end", Attempts: 3, Key: "primary", At: at},
		"typing":     chat.Typing{Question: asked.ID, Guild: asked.Guild, Channel: asked.Channel},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", name+".json")
			got, err := json.MarshalIndent(v, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the JSON of %s changed:\n%s", name, got)
			}
			back := reflect.New(reflect.TypeOf(v))
			if err := json.Unmarshal(want, back.Interface()); err != nil || !reflect.DeepEqual(back.Elem().Interface(), v) {
				t.Errorf("%s does not come back: %+v, %v", name, back.Elem().Interface(), err)
			}
		})
	}
}

func TestDecodeRefusesWhatIsIncomplete(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*chat.Question){
		"no id": func(q *chat.Question) { q.ID = "" }, "no guild": func(q *chat.Question) { q.Guild = "" },
		"an id that is two tokens": func(q *chat.Question) { q.Channel = "1.2" }, "a wildcard": func(q *chat.Question) { q.User = ">" },
		"no message": func(q *chat.Question) { q.Message = "" }, "blank text": func(q *chat.Question) { q.Text = " \n" },
		"no time": func(q *chat.Question) { q.Asked = time.Time{} }, "no mark": func(q *chat.Question) { q.Mark = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := asked
			spoil(&q)
			b, err := json.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := chat.DecodeQuestion(b); !errors.Is(err, chat.ErrIncomplete) {
				t.Errorf("decoded, or another error: %v", err)
			}
		})
	}
	for name, body := range map[string]string{"empty": "", "half": `{"question":`, "no kind": `{"question":"1","guild":"1","channel":"1","user":"1","message":"1","text":"x"}`} {
		if _, err := chat.DecodeAnswer([]byte(body)); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	b, err := json.Marshal(asked)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"id":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := chat.DecodeQuestion(b); err == nil {
			again, err := json.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := chat.DecodeQuestion(again); err != nil || back.ID != q.ID || !back.Asked.Equal(q.Asked) {
				t.Fatalf("%+v does not come back: %+v, %v", q, back, err)
			}
		}
		_, _ = chat.DecodeAnswer(b)
	})
}

func TestSnowflakesTellTheirTime(t *testing.T) {
	t.Parallel()
	// The example of Discord's reference, "Snowflake Format".
	s, err := chat.ParseSnowflake("175928847299117063")
	if err != nil || !s.Time().Equal(time.UnixMilli(1462015105796)) {
		t.Errorf("%v, %v", s.Time(), err)
	}
	if got := chat.SnowflakeAt(s.Time()); got > s || s-got >= 1<<22 {
		t.Errorf("SnowflakeAt(%v) = %d", s.Time(), got)
	}
	for _, bad := range []string{"", "0", "-1", "abc", "99999999999999999999"} {
		if _, err := chat.ParseSnowflake(bad); !errors.Is(err, chat.ErrSnowflake) {
			t.Errorf("ParseSnowflake(%q): %v", bad, err)
		}
	}
}
