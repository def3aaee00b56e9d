package bus

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// floor is a sequence up to which every question is known to be done. A NATS server that is killed may remember that a
// question was acknowledged, but forget that it was deleted for it: then it lies there as the oldest of its user, is
// never delivered again, and every younger one would wait for it for ever. What lies at or below the consumer's
// acknowledgement floor is such a ghost, so nothing there is looked at.
type floor struct {
	mu    sync.Mutex
	upto  uint64
	asked time.Time
}

// doubtAfter is how long the pause between two looks at an older question grows before it is taken for a ghost;
// floorEvery is the least time between two questions for the floor.
const (
	doubtAfter = 4 * firstLook
	floorEvery = 500 * time.Millisecond
)

func (f *floor) get() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.upto
}

// forget begins anew: behind a new connection may be a server that lost everything, and counts from one.
func (f *floor) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.upto, f.asked = 0, time.Time{}
}

// due says whether the floor may be asked for.
func (f *floor) due(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.asked) < floorEvery {
		return false
	}
	f.asked = now
	return true
}

// turn begins to read the oldest open question on a delivery's subject. A question that was delivered is open, whatever
// the floor.
func (c *QuestionConsumer) turn(d *delivery) *reading {
	return c.bus.beginOldest(streamQuestions, d.subject, min(c.floor.get()+1, d.seq))
}

// first waits for it.
func (c *QuestionConsumer) first(ctx context.Context, d *delivery) (uint64, error) {
	m, _, err := c.turn(d).end(ctx)
	return m.seq, err
}

// learnFloor asks the consumer how far everything is acknowledged; true when that is known anew. A floor that can't be
// had is no error: the next look asks again.
func (c *QuestionConsumer) learnFloor(ctx context.Context) bool {
	if !c.floor.due(time.Now()) {
		return false
	}
	ctx, cancel := bound(ctx)
	defer cancel()
	m, err := c.bus.nc.RequestWithContext(ctx, "$JS.API.CONSUMER.INFO."+streamQuestions+"."+consumerWorkers, nil)
	if err != nil {
		return false
	}
	var r struct {
		Floor struct {
			Stream uint64 `json:"stream_seq"`
		} `json:"ack_floor"`
	}
	if json.Unmarshal(m.Data, &r) != nil {
		return false
	}
	c.floor.mu.Lock()
	defer c.floor.mu.Unlock()
	c.floor.upto = max(c.floor.upto, r.Floor.Stream)
	return true
}
