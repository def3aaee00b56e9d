package outbound

import (
	"sync"

	"salamander.dev/shared/chat"
)

// maxEnded bounds the questions that are remembered as ended; beyond it the records tell.
const maxEnded = 50_000

// ended remembers the newest questions that ended in this process.
type ended struct {
	mu   sync.Mutex
	has  map[chat.QuestionID]struct{}
	ring []chat.QuestionID // grows up to maxEnded, then goes round
	next int
	wait map[chat.QuestionID]chan struct{} // closed when it ended; somebody waits for it
}

func newEnded() *ended {
	return &ended{has: map[chat.QuestionID]struct{}{}, wait: map[chat.QuestionID]chan struct{}{}}
}

func (e *ended) add(q chat.QuestionID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.has[q]; known {
		return
	}
	if len(e.ring) < maxEnded {
		e.ring = append(e.ring, q)
	} else {
		delete(e.has, e.ring[e.next])
		e.ring[e.next] = q
		e.next = (e.next + 1) % maxEnded
	}
	e.has[q] = struct{}{}
	if w := e.wait[q]; w != nil {
		close(w)
		delete(e.wait, q)
	}
}

// came is closed when a question ends in this process. Whoever waits no longer calls leave; only one waits for a question.
func (e *ended) came(q chat.QuestionID) (came <-chan struct{}, leave func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.wait[q]
	if w == nil {
		w = make(chan struct{})
		e.wait[q] = w
	}
	if _, known := e.has[q]; known {
		close(w)
		delete(e.wait, q)
	}
	return w, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.wait[q] == w {
			delete(e.wait, q)
		}
	}
}

func (e *ended) is(q chat.QuestionID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, known := e.has[q]
	return known
}
