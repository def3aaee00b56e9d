package inbound

import (
	"context"
	"sync"

	"salamander.dev/shared/chat"
)

// Mark is how far a shard's messages, or those of one direct-message channel, were handled.
type Mark struct {
	// Upto is a snowflake up to which every message was handled.
	Upto chat.Snowflake `json:"upto,string"`
	// From is the bot's very first start: what was said before is nobody's question.
	From chat.Snowflake `json:"from,string,omitempty"`
}

// Book keeps marks over restarts. Safe for concurrent use.
type Book interface {
	// Mark reads a mark; false when there is none.
	Mark(ctx context.Context, key string) (Mark, bool, error)
	// SetMark stores a mark unless a higher one is there.
	SetMark(ctx context.Context, key string, m Mark) error
	// Directs lists the direct-message channels that have marks, the one that was heard last first.
	Directs(ctx context.Context) (map[chat.ChannelID]chat.Snowflake, error)
}

// marks follow what was handled. A shard's mark is just below the oldest message that is still on its way.
type marks struct {
	mu      sync.Mutex
	shards  map[int]*progress
	directs map[chat.ChannelID]chat.Snowflake // not stored yet
}

type progress struct {
	mark  Mark
	open  map[chat.Snowflake]int
	saved chat.Snowflake
}

// maxDirects bounds the direct-message channels whose marks wait to be stored.
const maxDirects = 10_000

func newMarks() *marks {
	return &marks{shards: map[int]*progress{}, directs: map[chat.ChannelID]chat.Snowflake{}}
}

func (k *marks) of(shard int) *progress {
	p := k.shards[shard]
	if p == nil {
		p = &progress{open: map[chat.Snowflake]int{}}
		k.shards[shard] = p
	}
	return p
}

// begin notes that a message is on its way; done, called once, that it was handled, or that another delivery of the same
// message is.
func (k *marks) begin(shard int, m Message) (done func(handled bool)) {
	id := m.ID.Snowflake()
	release := k.hold(shard, id)
	return func(handled bool) {
		if m.Guild == chat.DM && handled {
			k.direct(m.Channel, id)
		}
		release()
	}
}

// hold keeps a shard's mark below a snowflake until release.
func (k *marks) hold(shard int, id chat.Snowflake) (release func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if id == 0 {
		return func() {}
	}
	p := k.of(shard)
	p.open[id]++
	p.mark.Upto = max(p.mark.Upto, id)
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if p.open[id]--; p.open[id] <= 0 {
			delete(p.open, id)
		}
	}
}

func (k *marks) direct(c chat.ChannelID, id chat.Snowflake) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.directs[c]; known || len(k.directs) < maxDirects {
		k.directs[c] = max(k.directs[c], id)
	}
}

// start takes over what the book says, which another gateway may have brought forward.
func (k *marks) start(shard int, m Mark) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.of(shard)
	p.mark.Upto, p.mark.From, p.saved = max(p.mark.Upto, m.Upto), m.From, m.Upto
}

// now is a shard's mark.
func (k *marks) now(shard int) (Mark, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.of(shard)
	return p.now(), p.mark.From != 0
}

func (p *progress) now() Mark {
	m := p.mark
	for id := range p.open {
		m.Upto = min(m.Upto, id-1)
	}
	return m
}

// unsaved returns what differs from the book.
func (k *marks) unsaved() (shards map[int]Mark, directs map[chat.ChannelID]chat.Snowflake) {
	k.mu.Lock()
	defer k.mu.Unlock()
	shards = map[int]Mark{}
	for id, p := range k.shards {
		if m := p.now(); m.From != 0 && m.Upto > p.saved {
			shards[id] = m
		}
	}
	directs, k.directs = k.directs, map[chat.ChannelID]chat.Snowflake{}
	return shards, directs
}

func (k *marks) saved(shard int, m Mark) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.of(shard)
	p.saved = max(p.saved, m.Upto)
}
