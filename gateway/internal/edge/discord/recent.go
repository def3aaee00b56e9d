package discord

import "sync"

// maxRecent bounds the ids that are remembered of one kind.
const maxRecent = 8192

// recentIDs remember the newest ids of what the bot made, to know a reply to it or a message in it.
type recentIDs struct {
	mu   sync.Mutex
	byID map[id]struct{}
	ring []id
	next int
}

func newRecentIDs() *recentIDs { return &recentIDs{byID: map[id]struct{}{}} }

func (o *recentIDs) add(x id) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.byID[x]; known || x == 0 {
		return
	}
	if len(o.ring) < maxRecent {
		o.ring = append(o.ring, x)
	} else {
		delete(o.byID, o.ring[o.next])
		o.ring[o.next] = x
		o.next = (o.next + 1) % maxRecent
	}
	o.byID[x] = struct{}{}
}

func (o *recentIDs) has(x id) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, known := o.byID[x]
	return known
}
