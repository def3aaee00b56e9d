package store

import (
	"context"
	"sync"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

// crowdEvery is how old the knowledge of who waits may be.
const crowdEvery = time.Second

// crowdWatch keeps who waits, about a second old, for fair shares. It asks only while somebody reserves.
type crowdWatch struct {
	waiting func(ctx context.Context) (map[string]int, error) // nil: no fair shares
	wanted  chan struct{}

	mu    sync.Mutex
	crowd *budget.Crowd
	asked time.Time
}

func newCrowdWatch(waiting func(ctx context.Context) (map[string]int, error)) *crowdWatch {
	return &crowdWatch{waiting: waiting, wanted: make(chan struct{}, 1)}
}

// get returns who waits, and has it asked for anew if that is old. Nil: not known, so no fair shares.
func (c *crowdWatch) get() *budget.Crowd {
	if c.waiting == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.asked) >= crowdEvery {
		select {
		case c.wanted <- struct{}{}:
		default:
		}
	}
	return c.crowd
}

// run asks when it is wanted, until stop is closed.
func (c *crowdWatch) run(stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends a question that is on its way
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		select {
		case <-stop:
			return
		case <-c.wanted:
		}
		if !c.due() {
			continue
		}
		asking, done := context.WithTimeout(ctx, storeTimeout)
		waiting, err := c.waiting(asking)
		done()
		c.put(waiting, err)
	}
}

func (c *crowdWatch) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.asked) >= crowdEvery
}

func (c *crowdWatch) put(waiting map[string]int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.crowd = time.Now(), nil // shares rest on what is true now, or there are none
	if err == nil {
		c.crowd = budget.NewCrowd(waiting)
	}
}
