// Package lane keeps things in order where order matters and apart where it does not: jobs of one key run one after
// another, in the order in which they came; jobs of different keys run at the same time.
//
// The number of jobs that wait or run is bounded. A key costs nothing while it has no job.
package lane

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed says that the group takes no more jobs.
var ErrClosed = errors.New("closed")

// Group is a set of lanes. It is safe for concurrent use.
type Group[K comparable] struct {
	room chan struct{} // one token for each job that waits or runs
	done chan struct{} // closed by Close

	mu     sync.Mutex
	lanes  map[K][]func() // the jobs behind the one that runs
	closed bool
	wg     sync.WaitGroup
}

// New makes a group for at most bound jobs.
func New[K comparable](bound int) *Group[K] {
	return &Group[K]{room: make(chan struct{}, max(bound, 1)), done: make(chan struct{}), lanes: map[K][]func(){}}
}

// Try adds a job to a key's lane; false means that the group is full or closed.
func (g *Group[K]) Try(key K, job func()) bool {
	select {
	case g.room <- struct{}{}:
		return g.add(key, job)
	default:
		return false
	}
}

// Go adds a job to a key's lane and waits for room until ctx ends; then it returns ctx's error, or [ErrClosed].
func (g *Group[K]) Go(ctx context.Context, key K, job func()) error {
	select {
	case g.room <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.done:
		return ErrClosed
	}
	if !g.add(key, job) {
		return ErrClosed
	}
	return nil
}

// add gives a job its place; its token is taken already.
func (g *Group[K]) add(key K, job func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		<-g.room
		return false
	}
	waiting, running := g.lanes[key]
	if running {
		g.lanes[key] = append(waiting, job)
		return true
	}
	g.lanes[key] = nil
	g.wg.Add(1)
	go g.run(key, job)
	return true
}

func (g *Group[K]) run(key K, job func()) {
	defer g.wg.Done()
	for job != nil {
		job()
		<-g.room
		job = g.next(key)
	}
}

func (g *Group[K]) next(key K) func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	waiting := g.lanes[key]
	if len(waiting) == 0 {
		delete(g.lanes, key)
		return nil
	}
	job := waiting[0]
	waiting[0] = nil // the array may live on
	g.lanes[key] = waiting[1:]
	return job
}

// Len tells how many jobs wait or run.
func (g *Group[K]) Len() int { return len(g.room) }

// Close refuses new jobs; those that were taken still run. Twice is fine.
func (g *Group[K]) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		close(g.done)
	}
}

// Wait returns when every job has ended. Close the group first.
func (g *Group[K]) Wait() { g.wg.Wait() }
