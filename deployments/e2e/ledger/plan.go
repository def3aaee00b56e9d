package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// kind is which limit binds, and how much of it must be used: without crashes, and with them.
type kind struct {
	unit           string
	limits         []string // of each key; the first one binds
	calm, crashing float64
}

// kinds are chosen so that a machine of two cores can use them up: at most about 30 calls a second and key.
var kinds = []kind{
	{"req", []string{"40req/2s", "10000000tok/1h"}, 0.99, 0.99},
	{"tok", []string{"40000tok/3s", "100000req/1h"}, 0.98, 0.97},
	{"usd", []string{"0.10usd/4s", "100000req/day"}, 0.98, 0.97},
	{"req", []string{"20req/1s", "600req/1m", "1usd/month"}, 0.99, 0.99},
}

// conversing is the kind of runs whose users are remembered: a window holds 50 to 80 calls.
var conversing = kind{"tok", []string{"10000tok/5s", "100000req/1h"}, 0.98, 0.97}

// plan is one random run; all of it follows from the seed.
type plan struct {
	seed    uint64
	length  time.Duration
	kind    kind
	workers int
	keys    int
	askers  int  // how many users there are; each has at most one question open most of the time
	memory  bool // what they said before is remembered
	// kills of workers and of NATS, as times from the beginning of the demand.
	workerKills, natsKills []time.Duration
}

func newPlan(seed uint64, length time.Duration) plan {
	r := rand.New(rand.NewPCG(seed, 11))
	p := plan{seed: seed, length: length, kind: kinds[seed%uint64(len(kinds))], workers: 1 + r.IntN(8), keys: 1 + r.IntN(2), askers: 5000}
	p.workers = max(p.workers, p.keys) // one worker's eight calls at a time can't use up two keys
	moments := func(n int) (all []time.Duration) {
		for range n {
			all = append(all, time.Duration(r.Int64N(int64(length*9/10))))
		}
		return all
	}
	if r.IntN(3) > 0 {
		p.workerKills = moments(p.keys) // a hundredth of the calls are in the hands of those who die
	}
	if r.IntN(3) == 0 {
		p.natsKills = moments(1 + r.IntN(2))
	}
	return p
}

// withMemory has few users ask again and again and be remembered, so that most of every prompt is what was said before.
// Nothing dies: one killed worker would take more of a window with it than all that is asked about.
func (p plan) withMemory() plan {
	p.kind, p.memory, p.askers, p.workerKills, p.natsKills = conversing, true, 60, nil, nil
	return p
}

// crashes says whether anything dies.
func (p plan) crashes() bool { return len(p.workerKills)+len(p.natsKills) > 0 }

// want is the share of the binding limit that must be used.
func (p plan) want() float64 {
	if p.crashes() {
		return p.kind.crashing
	}
	return p.kind.calm
}

func (p plan) String() string {
	return fmt.Sprintf("seed %6d: %d workers, %d keys of %-35s kills: %d workers, %d NATS", p.seed, p.workers, p.keys,
		strings.Join(p.kind.limits, ","), len(p.workerKills), len(p.natsKills))
}
