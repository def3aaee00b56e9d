package chat_test

import (
	"encoding/json"
	"os"
	"testing"

	"salamander.dev/shared/chat"
)

// BenchmarkJSON encodes and decodes what goes over the two hops.
func BenchmarkJSON(b *testing.B) {
	read := func(name string) []byte {
		raw, err := os.ReadFile("testdata/" + name)
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	question, answer := read("question.json"), read("answer.json")
	q, err := chat.DecodeQuestion(question)
	if err != nil {
		b.Fatal(err)
	}
	a, err := chat.DecodeAnswer(answer)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		f    func() error
	}{
		{"encode question", func() error { _, err := json.Marshal(q); return err }},
		{"decode question", func() error { _, err := chat.DecodeQuestion(question); return err }},
		{"encode answer", func() error { _, err := json.Marshal(a); return err }},
		{"decode answer", func() error { _, err := chat.DecodeAnswer(answer); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
