package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// playground is everything that runs. A side that is real has no simulator.
type playground struct {
	o    options
	dir  string
	temp bool
	lock *os.File // nil: not had

	discord *discordsim.Server // nil: real
	town    *town
	hugging *hfsim.Server // nil: real
	mind    *mind
	slow    slowness

	logs  *logbook
	keep  *keeper
	bus   *bus.Bus
	road  *road
	feed  feed
	crowd crowd
	story story
	state stateBoard

	mu      sync.Mutex
	style   string
	starts  time.Time
	upSince time.Time

	tasks sync.WaitGroup
	end   context.CancelFunc
	begun context.Context
}

// The model's simulated thinking time: half the calls take less than median.
const (
	thinkMedian = 700 * time.Millisecond
	thinkSigma  = 0.45
	thinkMost   = 4 * time.Second
	slowMedian  = 8 * time.Second
)

// newPlayground prepares everything in this process; no other process runs yet.
func newPlayground(o options, environ map[string]string) (*playground, error) {
	p := &playground{o: o, style: o.style, starts: time.Now()}
	p.begun, p.end = context.WithCancel(context.Background())
	fail := func(err error) (*playground, error) {
		p.close()
		return nil, err
	}
	realDiscord, realModel := set(environ, "DISCORD_TOKEN"), set(environ, "HF_API_KEYS")
	if err := p.folder(realDiscord); err != nil {
		return fail(err)
	}
	var err error
	if p.logs, err = newLogbook(p.dir); err != nil {
		return fail(err)
	}
	both := pick(environ, passedToBoth, passedAlways)
	gateway, worker := map[string]string{"LOG_FORMAT": "json"}, map[string]string{"LOG_FORMAT": "json"}
	p.road = newRoad(func(s step) { p.feed.send("step", s) }, p.state.spentUntil)
	if realDiscord {
		merge(gateway, pick(environ, passedToGateway))
	} else if err := p.simulateDiscord(gateway); err != nil {
		return fail(err)
	}
	if realModel {
		merge(worker, pick(environ, passedToWorker))
	} else if err := p.simulateModel(worker); err != nil {
		return fail(err)
	}
	s, err := stack.New(stack.Config{Dir: p.dir, Env: both, GatewayEnv: gateway, WorkerEnv: worker, Lines: p.line})
	if err != nil {
		return fail(err)
	}
	p.keep = newKeeper(s, p.envOf, func() { p.state.poke() }, p.logs.add)
	p.state.init()
	return p, nil
}

func merge(into, from map[string]string) {
	for k, v := range from {
		into[k] = v
	}
}

// folder chooses where the store lies: a simulated Discord's ids are new every time, so its store is not kept.
func (p *playground) folder(realDiscord bool) (err error) {
	switch {
	case p.o.store != "":
		p.dir = p.o.store
	case realDiscord:
		p.dir = ".salamander"
	default:
		p.temp = true
		p.dir, err = os.MkdirTemp("", "salamander-")
	}
	if err == nil {
		err = os.MkdirAll(p.dir, 0o700)
	}
	if err != nil {
		return fmt.Errorf("make a folder for the store: %w", err)
	}
	p.lock, err = lockFolder(p.dir)
	return err
}

func (p *playground) simulateDiscord(gateway map[string]string) error {
	p.discord = newDiscord()
	if err := p.discord.Start(""); err != nil {
		return fmt.Errorf("start the simulated Discord: %w", err)
	}
	var err error
	if p.town, err = newTown(p.discord); err != nil {
		return err
	}
	gateway["DISCORD_TOKEN"], gateway["DISCORD_BASE_URL"] = discordsim.DefaultToken, p.discord.URL()
	merge(gateway, p.town.settings())
	return nil
}

func (p *playground) simulateModel(worker map[string]string) error {
	limits, err := hfsim.ParseLimits(p.o.limits)
	if err != nil {
		return fmt.Errorf("-limits: %w", err)
	}
	p.hugging = &hfsim.Server{
		Keys:   []hfsim.Key{{Name: "primary", Token: "hf_simulated_primary"}, {Name: "second", Token: "hf_simulated_second"}},
		Limits: limits, MaxCalls: 2000, Latency: p.slow.latency(),
	}
	if err := p.hugging.Start(""); err != nil {
		return fmt.Errorf("start the simulated Hugging Face: %w", err)
	}
	if p.mind, err = newMind(p.hugging, p.road.call); err != nil {
		return fmt.Errorf("start the simulated Hugging Face: %w", err)
	}
	merge(worker, map[string]string{
		"HF_MODEL": "salamander/simulated", "HF_API_KEYS": "primary=hf_simulated_primary,second=hf_simulated_second",
		"HF_TIMEOUT": "20s", "HF_PRICE": "auto", "BUDGET_LIMITS": p.o.limits, "ANSWER_WITHIN": "5m", "HF_BASE_URL": p.hugging.URL(),
	})
	return nil
}

// envOf are the settings of one process alone.
func (p *playground) envOf(role stack.Role, name string) map[string]string {
	switch {
	case role == stack.Gateway && p.discord != nil:
		p.mu.Lock()
		defer p.mu.Unlock()
		return map[string]string{"REPLY_STYLE": p.style}
	case role == stack.Worker && p.mind != nil:
		return map[string]string{"HF_BASE_URL": p.mind.url(name)}
	}
	return nil
}

// line takes a line that a process wrote.
func (p *playground) line(who, text string) { p.logs.add(who, text) }

// kind says which sides are real.
func (p *playground) kind() string {
	switch {
	case p.discord == nil && p.hugging == nil:
		return "real Discord, real Hugging Face"
	case p.discord == nil:
		return "real Discord, simulated model"
	case p.hugging == nil:
		return "simulated Discord, real Hugging Face"
	}
	return "Discord and the model are simulated, the rest is real"
}

// up starts the processes and returns when all are ready.
func (p *playground) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	p.tasks.Go(p.watch)
	if _, err := p.keep.add(stack.NATS); err != nil {
		return err
	}
	if err := p.keep.allReady(ctx); err != nil {
		return err
	}
	var err error
	p.bus, err = bus.Connect(bus.Config{URLs: []string{p.keep.stack.NATSURL()}, Service: "playground"}, zerolog.Nop())
	if err != nil {
		return err
	}
	if err := p.bus.AwaitConnected(ctx); err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	if _, err := p.bus.Tap(p.road.sight); err != nil { // ends with the connection
		return err
	}
	for range p.o.workers {
		if _, err := p.keep.add(stack.Worker); err != nil {
			return err
		}
	}
	for range p.o.gateways {
		if _, err := p.keep.add(stack.Gateway); err != nil {
			return err
		}
	}
	p.tasks.Go(p.measure)
	if err := p.keep.allReady(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	p.upSince = time.Now()
	p.mu.Unlock()
	p.state.poke()
	return nil
}

// close ends everything, in the order in which nothing is lost. Twice is fine.
func (p *playground) close() {
	p.end()
	p.crowd.halt()
	if p.keep != nil {
		ctx, cancel := context.WithTimeout(context.Background(), drainWithin)
		defer cancel()
		p.keep.close(ctx)
	}
	if p.discord != nil {
		p.discord.Close()
	}
	p.tasks.Wait()
	if p.bus != nil {
		p.bus.Close()
	}
	if p.mind != nil {
		p.mind.close()
	}
	if p.hugging != nil {
		p.hugging.Close()
	}
	if p.logs != nil {
		p.logs.close()
	}
	if p.lock != nil {
		_ = p.lock.Close()
	}
	if p.temp {
		_ = os.RemoveAll(p.dir) // the system's own folder for such things
	}
}
