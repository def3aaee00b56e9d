package inbound

import (
	"sync"

	"salamander.dev/shared/chat"
)

// maxPrevious bounds the lanes of which the last question is remembered; one that is forgotten costs a worker a round trip.
const maxPrevious = 20_000

// previous is the question that was taken last in each lane.
type previous struct {
	mu sync.Mutex
	by map[laneKey]chat.QuestionID
}

func (p *previous) get(k laneKey) chat.QuestionID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.by[k]
}

func (p *previous) set(k laneKey, q chat.QuestionID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil || len(p.by) >= maxPrevious {
		p.by = map[laneKey]chat.QuestionID{}
	}
	p.by[k] = q
}
