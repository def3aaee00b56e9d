package inbound

import (
	"hash/maphash"
	"sync"

	"salamander.dev/shared/chat"
)

// maxRecent bounds the messages that are remembered as questions: at 16 bytes of text hash and four ids each, some 10 MB.
const maxRecent = 50_000

// pending is a question on its way to the queue.
type pending struct {
	m        Message
	question chat.Question
	refusing bool // this gateway is the one to say that there is no room; its job's only

	mu        sync.Mutex
	text      string
	sent      bool // a publish was tried: the queue may have the text as it was
	withdrawn bool
}

// amend changes the text of what was not sent yet, also of what an edit to nothing had taken back.
func (p *pending) amend(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text, p.withdrawn = text, false
}

// withdraw takes a question back; false means that it may be in the queue already.
func (p *pending) withdraw() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.withdrawn = true
	return !p.sent
}

// send returns the question as it is to be published, or false if it was withdrawn before it was ever sent.
func (p *pending) send() (chat.Question, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.withdrawn && !p.sent {
		return chat.Question{}, false
	}
	p.sent = true
	q := p.question
	q.Text = p.text
	return q, true
}

// trace is what is remembered of a question after it was taken.
type trace struct {
	lane    laneKey
	hash    uint64
	pending *pending // nil once it was published
	deleted bool     // no edit brings it back
}

// recent remembers the newest questions, so that an edit or a deletion finds its lane, and an edit that changed
// nothing (Discord tells of link previews as edits) is seen as such.
type recent struct {
	seed maphash.Seed
	mu   sync.Mutex
	byID map[chat.MessageID]trace
	ring []chat.MessageID // grows up to size, then goes round
	size int
	next int
}

func newRecent(size int) *recent {
	return &recent{seed: maphash.MakeSeed(), byID: map[chat.MessageID]trace{}, size: size}
}

func (r *recent) hash(text string) uint64 { return maphash.String(r.seed, text) }

// add remembers a question; false says that it was known already.
func (r *recent) add(id chat.MessageID, key laneKey, p *pending) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.byID[id]; known {
		return false
	}
	if len(r.ring) < r.size {
		r.ring = append(r.ring, id)
	} else {
		delete(r.byID, r.ring[r.next])
		r.ring[r.next] = id
		r.next = (r.next + 1) % r.size
	}
	r.byID[id] = trace{lane: key, hash: r.hash(p.text), pending: p}
	return true
}

// forget lets a question that was given up before it was taken come once more.
func (r *recent) forget(id chat.MessageID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
}

// published forgets the text of a question that is in the queue.
func (r *recent) published(id chat.MessageID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t, ok := r.byID[id]; ok {
		t.pending = nil
		r.byID[id] = t
	}
}

func (r *recent) find(id chat.MessageID) (trace, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.byID[id]
	return t, ok
}

// deleted notes that a message is gone and returns what is remembered of it.
func (r *recent) deleted(id chat.MessageID) (trace, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.byID[id]
	if ok {
		t.deleted = true
		r.byID[id] = t
	}
	return t, ok
}

// edited notes a new text; same says that it is the old one.
func (r *recent) edited(id chat.MessageID, text string) (same bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.byID[id]
	if !ok {
		return false
	}
	h := r.hash(text)
	same = h == t.hash
	t.hash = h
	r.byID[id] = t
	return same
}
