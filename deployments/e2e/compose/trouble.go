package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// scale goes to four workers by a flag, to two by the setting that lasts, and back to one.
func (p *project) scale(ctx context.Context) error {
	env := p.env
	defer func() { p.env = env }()
	for _, way := range []struct {
		workers int
		env     []string
		flags   []string
	}{{4, nil, []string{"--scale", "worker=4"}}, {2, []string{"WORKERS=2"}, nil}, {1, nil, []string{"--scale", "worker=1"}}} {
		if err := p.rest(ctx, 4*time.Second); err != nil {
			return err
		}
		p.env = slices.Concat(env, way.env)
		if _, err := p.compose(ctx, slices.Concat([]string{"up", "--detach", "--no-recreate"}, way.flags, []string{"worker"})...); err != nil {
			return err
		}
		if err := p.healthy(ctx, way.workers, "worker"); err != nil {
			return err
		}
	}
	return p.rest(ctx, 2*time.Second)
}

// killed kills a service's process; the restart policy must bring it back.
func (p *project) killed(ctx context.Context, service string) error {
	if err := p.rest(ctx, 4*time.Second); err != nil {
		return err
	}
	c, err := p.one(ctx, service)
	if err != nil {
		return err
	}
	if err := p.crash(ctx, c); err != nil {
		return err
	}
	err = p.await(ctx, service+" to be started again", time.Minute, func() (bool, error) {
		now, err := p.one(ctx, service)
		return err == nil && now.RestartCount > c.RestartCount && now.State.Pid != c.State.Pid && now.State.Health.Status == "healthy", nil
	})
	if err != nil {
		return err
	}
	return p.rest(ctx, 2*time.Second)
}

func (p *project) restarted(ctx context.Context) error {
	if err := p.rest(ctx, 4*time.Second); err != nil {
		return err
	}
	if _, err := p.compose(ctx, "restart", "nats"); err != nil {
		return err
	}
	if err := p.healthy(ctx, 1, "nats"); err != nil {
		return err
	}
	return p.rest(ctx, 2*time.Second)
}

// drained stops the services under load, which must end by themselves with what they had in hand, and starts them again.
func (p *project) drained(ctx context.Context, c *crowd) error {
	p.say("under load: docker compose stop, then start")
	c.forget()
	var took time.Duration
	err := c.during(ctx, p.rate, func() error {
		if err := p.rest(ctx, 4*time.Second); err != nil {
			return err
		}
		begin := time.Now()
		if _, err := p.compose(ctx, "stop", "gateway", "worker", "nats"); err != nil {
			return err
		}
		took = time.Since(begin)
		if err := p.endedWell(ctx); err != nil {
			return err
		}
		return p.up(ctx, "--no-recreate")
	})
	if err != nil {
		return err
	}
	if err := p.connect(ctx); err != nil {
		return err
	}
	v, err := c.settle(ctx, 2*time.Minute)
	if err != nil {
		return err
	}
	p.found("stopped and started", "exit 0 after %.1f s; %s", took.Seconds(), v)
	return nil
}

// endedWell fails if a service did not end with code 0.
func (p *project) endedWell(ctx context.Context) error {
	all, err := p.containers(ctx, "gateway", "worker", "nats")
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.State.Status != "exited" || c.State.ExitCode != 0 {
			return fmt.Errorf("%s is %s with code %d, want exited with 0", c.Name, c.State.Status, c.State.ExitCode)
		}
	}
	return nil
}

// quiet fails if a secret stands in what the services wrote, or the model was called beyond its budget.
func (p *project) quiet(ctx context.Context) error {
	out, err := p.compose(ctx, "logs", "--no-color")
	if err != nil {
		return err
	}
	for _, secret := range p.secrets {
		if strings.Contains(out, secret) {
			return errors.New("a secret stands in the services' logs")
		}
	}
	b, err := p.hugging.Books(ctx)
	if err != nil {
		return err
	}
	if b.Over > 0 {
		return fmt.Errorf("%d calls passed their key's limit", b.Over)
	}
	p.found("logs", "%d lines, no secret", strings.Count(out, "\n"))
	return nil
}

func (p *project) rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
