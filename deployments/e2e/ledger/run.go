package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/hfsim"
)

// stage is one run while it goes on.
type stage struct {
	plan
	*stack.Stack
	hf    *hfsim.Server
	feed  *feeder
	began time.Time

	mu        sync.Mutex
	disturbed []span // when the ledger or all workers were away, or the machine stood still
	errs      []error
}

// span is a stretch of time.
type span struct{ from, to time.Time }

// settle is how long after NATS or the only worker is back all are given to be at work again.
const settle = 2 * time.Second

func (p plan) run(ctx context.Context, verbose bool) (result, error) {
	dir, err := os.MkdirTemp("", "salamander-ledger-")
	if err != nil {
		return result{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := &stage{plan: p, hf: p.provider()}
	if err := s.hf.Start(""); err != nil {
		return result{}, err
	}
	defer s.hf.Close()
	if err := os.WriteFile(filepath.Join(dir, "persona.yaml"), []byte(persona), 0o600); err != nil {
		return result{}, err
	}
	if s.Stack, err = stack.New(p.stack(dir, s.hf, verbose)); err != nil {
		return result{}, err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		s.Close(end)
	}()
	if err := s.up(ctx); err != nil {
		return result{}, err
	}
	if s.feed, err = newFeeder(ctx, s.NATSURL(), s.askers); err != nil {
		return result{}, err
	}
	defer s.feed.close()
	s.act(ctx)
	if err := ctx.Err(); err != nil {
		return result{}, err
	}
	if len(s.errs) > 0 {
		return result{}, s.errs[0]
	}
	return s.judge(), nil
}

// persona is a short one, for users that are remembered.
const persona = "name: Sal\nsystem: You are Sal, a salamander. Be short.\nfallback: I can not answer now.\n"

// provider is the judge: a simulated Hugging Face with the limits that the workers are told.
func (p plan) provider() *hfsim.Server {
	h := &hfsim.Server{Reply: hfsim.Echo, Latency: hfsim.LogNormal(60*time.Millisecond, 0.5, time.Second, p.seed), Seed: p.seed}
	for i := range p.keys {
		h.Keys = append(h.Keys, hfsim.Key{
			Name: fmt.Sprintf("key%d", i), Token: fmt.Sprintf("hf_ledger_%d", i), Limits: hfsim.MustLimits(strings.Join(p.kind.limits, ",")),
		})
	}
	return h
}

func (p plan) stack(dir string, h *hfsim.Server, verbose bool) stack.Config {
	var keys []string
	for _, k := range h.Keys {
		keys = append(keys, k.Name+"="+k.Token)
	}
	cfg := stack.Config{Dir: dir, WorkerEnv: map[string]string{
		"HF_BASE_URL": h.URL(), "HF_MODEL": "salamander/simulated", "HF_API_KEYS": strings.Join(keys, ","), "HF_PRICE": "auto",
		"BUDGET_LIMITS": strings.Join(p.kind.limits, ","), "HF_MAX_TOKENS": "64", "HF_TIMEOUT": "5s", "MEMORY_TURNS": "0",
		"WORKER_CONCURRENCY": "4", "DRAIN_TIMEOUT": "5s", "LOG_LEVEL": "warn",
	}}
	if p.memory {
		cfg.WorkerEnv["MEMORY_TURNS"], cfg.WorkerEnv["PERSONA_FILE"] = "8", filepath.Join(dir, "persona.yaml")
	}
	if verbose {
		cfg.Lines = func(name, line string) { fmt.Println(name, line) }
	}
	return cfg
}

// up starts NATS and the workers, and returns when all are ready.
func (s *stage) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	nats, err := s.Start(stack.NATS, nil)
	if err != nil {
		return err
	}
	if err := s.Ready(ctx, nats); err != nil {
		return err
	}
	var all []*stack.Process
	for range s.workers {
		p, err := s.Start(stack.Worker, nil)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	for _, p := range all {
		if err := s.Ready(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// act lets users ask and things die until the time is over.
func (s *stage) act(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.length)
	defer cancel()
	s.began = time.Now()
	r := rand.New(rand.NewPCG(s.seed, 12))
	var all sync.WaitGroup
	all.Go(func() { s.feed.run(ctx) })
	all.Go(func() { s.watchMachine(ctx) })
	all.Go(func() { s.at(ctx, s.workerKills, func() { s.killWorker(ctx, r) }) })
	all.Go(func() { s.at(ctx, s.natsKills, func() { s.killNATS(ctx) }) })
	all.Wait()
}

// at does something at moments after the beginning.
func (s *stage) at(ctx context.Context, moments []time.Duration, do func()) {
	slices.Sort(moments)
	for _, m := range moments {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(s.began.Add(m))):
		}
		do()
	}
}

// killWorker kills one and starts another at once.
func (s *stage) killWorker(ctx context.Context, r *rand.Rand) {
	running := s.Running(stack.Worker)
	if len(running) == 0 {
		return
	}
	from := time.Now()
	running[r.IntN(len(running))].Kill()
	p, err := s.Start(stack.Worker, nil)
	if err != nil {
		s.fail(err)
		return
	}
	if len(running) == 1 { // nobody was left to use the budget
		_ = s.Ready(ctx, p)
		s.disturb(from, time.Now().Add(settle))
	}
}

// killNATS kills the server and starts it again on its store.
func (s *stage) killNATS(ctx context.Context) {
	from := time.Now()
	for _, p := range s.Running(stack.NATS) {
		p.Kill()
	}
	p, err := s.Start(stack.NATS, nil)
	if err != nil {
		s.fail(err)
		return
	}
	_ = s.Ready(ctx, p)
	s.disturb(from, time.Now().Add(settle))
}

// stall is how long a machine may not run this process before a window counts as disturbed.
const stall = 75 * time.Millisecond

// watchMachine notes when the machine had no time for this process, and so for none of the others either.
func (s *stage) watchMachine(ctx context.Context) {
	last := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		now := time.Now()
		if now.Sub(last) > stall {
			s.disturb(last, now)
		}
		last = now
	}
}

func (s *stage) disturb(from, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disturbed = append(s.disturbed, span{from, to})
}

func (s *stage) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}
