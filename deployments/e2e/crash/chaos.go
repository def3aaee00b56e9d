package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
)

// drainLimit is what a process may take to end after SIGTERM: DRAIN_TIMEOUT of the suite (20 s), and a little for a loaded
// machine to notice.
const drainLimit = drainTimeout + 2*time.Second

// chaos makes the trouble of a schedule.
type chaos struct {
	s *suite

	mu     sync.Mutex
	counts map[string]int
	drains []time.Duration // how long ends after SIGTERM took
	errs   []string
	busy   sync.WaitGroup
}

func newChaos(s *suite) *chaos { return &chaos{s: s, counts: map[string]int{}} }

// run makes every trouble at its time, and returns when the last one is over.
func (c *chaos) run(ctx context.Context, all []trouble) {
	defer c.busy.Wait()
	begin := time.Now()
	for _, t := range all {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(begin.Add(t.at))):
		}
		c.mu.Lock()
		c.counts[t.kind]++
		c.mu.Unlock()
		c.s.log.add("chaos", fmt.Sprintf("%s for %s", t.kind, t.lasts))
		c.busy.Go(func() { c.make(context.WithoutCancel(ctx), t) })
	}
}

func (c *chaos) make(ctx context.Context, t trouble) {
	d := c.s.Discord
	switch t.kind {
	case "kill-worker":
		c.kill(c.victims(stack.Worker, t), t.lasts)
	case "kill-gateway":
		c.kill(c.victims(stack.Gateway, t), t.lasts)
	case "kill-nats", "nats-away":
		c.kill(c.victims(stack.NATS, t), t.lasts)
	case "kill-workers":
		c.kill(c.s.Running(stack.Worker), t.lasts)
	case "kill-gateways":
		c.kill(c.s.Running(stack.Gateway), t.lasts)
	case "kill-all":
		c.kill(append(append(c.s.Running(stack.Worker), c.s.Running(stack.Gateway)...), c.s.Running(stack.NATS)...), t.lasts)
	case "term-worker":
		c.term(ctx, c.victims(stack.Worker, t), t.lasts)
	case "term-gateway":
		c.term(ctx, c.victims(stack.Gateway, t), t.lasts)
	case "term-nats":
		c.term(ctx, c.victims(stack.NATS, t), t.lasts)
	case "freeze-worker":
		freeze(c.victims(stack.Worker, t), t.lasts)
	case "freeze-gateway":
		freeze(c.victims(stack.Gateway, t), t.lasts)
	case "freeze-nats":
		freeze(c.victims(stack.NATS, t), t.lasts)
	case "refuse":
		d.Refuse(t.lasts)
	case "close":
		d.CloseSockets(0)
	case "close-4000":
		d.CloseSockets(4000)
	case "op7":
		d.AskReconnect()
	case "op7-first":
		d.InjectGateway(discordsim.GatewayFault{ReconnectOnResume: 2})
		d.CloseSockets(0)
	case "op9":
		d.InvalidateSessions(false)
	case "op9-resumable":
		d.InvalidateSessions(true)
	case "half-open":
		d.HalfOpen()
	case "hello-lost":
		d.InjectGateway(discordsim.GatewayFault{HelloLost: 1})
		d.CloseSockets(4000)
	case "no-ack":
		d.InjectGateway(discordsim.GatewayFault{NoACK: true})
		time.Sleep(t.lasts)
		d.InjectGateway(discordsim.GatewayFault{})
	}
}

// victims is one process of a role, or none while another trouble has them all down.
func (c *chaos) victims(role stack.Role, t trouble) []*stack.Process {
	running := c.s.Running(role)
	if len(running) == 0 {
		return nil
	}
	return running[int(t.pick*float64(len(running))):][:1]
}

// kill ends processes by SIGKILL, and starts as many anew after a while.
func (c *chaos) kill(victims []*stack.Process, away time.Duration) {
	for _, p := range victims {
		p.Kill()
	}
	time.Sleep(away)
	for _, p := range victims {
		c.start(p.Role)
	}
}

// term ends processes by SIGTERM, after which they must end by themselves with exit code 0.
func (c *chaos) term(ctx context.Context, victims []*stack.Process, away time.Duration) {
	for _, p := range victims {
		c.drain(ctx, p)
	}
	time.Sleep(away)
	for _, p := range victims {
		c.start(p.Role)
	}
}

// drain ends one process by SIGTERM; who is killed by another trouble meanwhile is not judged.
func (c *chaos) drain(ctx context.Context, p *stack.Process) {
	limit, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	begin := time.Now()
	code := p.Stop(limit)
	if p.Role == stack.NATS {
		return
	}
	c.mu.Lock()
	c.drains = append(c.drains, time.Since(begin))
	c.mu.Unlock()
	if limit.Err() != nil {
		c.fail("%s did not end within %s of SIGTERM", p.Name, drainLimit)
	} else if code > 0 {
		c.fail("%s ended with exit code %d after SIGTERM, want 0", p.Name, code)
	}
}

func (c *chaos) start(role stack.Role) {
	if _, err := c.s.Start(role, nil); err != nil {
		c.fail("start %s: %v", role, err)
	}
}

func (c *chaos) fail(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, fmt.Sprintf(format, args...))
}

// heal ends all trouble, brings every process back that is missing and waits until all are ready.
func (c *chaos) heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c.s.Discord.Refuse(0)
	c.s.Discord.ClearFaults()
	c.s.Hugging.ClearFaults()
	c.s.Hugging.SetRates(nil, 0)
	for _, want := range []struct {
		role stack.Role
		n    int
	}{{stack.NATS, 1}, {stack.Worker, c.s.workers}, {stack.Gateway, c.s.gateways}} {
		for len(c.s.Running(want.role)) < want.n {
			if _, err := c.s.Start(want.role, nil); err != nil {
				return err
			}
		}
		for _, p := range c.s.Running(want.role) {
			if err := c.s.Ready(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}
