package outbound

import (
	"strings"
	"sync"
	"unicode/utf8"

	"salamander.dev/shared/chat"
)

// Bounds of thread names and of how many are remembered.
const (
	maxTitleRunes = 80 // Discord takes 100 characters
	maxTitles     = 10_000
)

// Title makes the name of a thread of a question's first words.
func Title(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= maxTitleRunes {
		return text
	}
	n, cut, space := 0, 0, 0
	for i, r := range text {
		if n == maxTitleRunes-1 {
			cut = i
			break
		}
		if r == ' ' {
			space = i
		}
		n++
	}
	if space > cut/2 {
		cut = space
	}
	return strings.TrimRight(text[:cut], " ,;:.-") + "…"
}

// Titles remembers how the newest questions began, so that a thread is named after its question. After a restart, or
// where another gateway took the question, the answer's first words have to do.
type Titles struct {
	mu   sync.Mutex
	by   map[chat.QuestionID]string
	ring []chat.QuestionID // grows up to maxTitles, then goes round
	next int
}

// NewTitles makes an empty memory.
func NewTitles() *Titles {
	return &Titles{by: map[chat.QuestionID]string{}}
}

// Note remembers how a question begins.
func (t *Titles) Note(q chat.QuestionID, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.by[q]; known {
		return
	}
	if len(t.ring) < maxTitles {
		t.ring = append(t.ring, q)
	} else {
		delete(t.by, t.ring[t.next])
		t.ring[t.next] = q
		t.next = (t.next + 1) % maxTitles
	}
	t.by[q] = Title(text)
}

func (t *Titles) of(a chat.Answer) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name := t.by[a.Question]; name != "" {
		return name
	}
	return Title(a.Text)
}
