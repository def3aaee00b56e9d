package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
)

// outlive stops a server, kills every process with SIGKILL and starts all again.
func (s *suite) outlive(ctx context.Context) error {
	r := rand.New(rand.NewPCG(s.seed, 3))
	t := s.towns[0]
	if _, _, _, err := s.command(ctx, t.rooms[0], t.owner, "$stop"); err != nil {
		return err
	}
	var deaths sync.WaitGroup
	for _, role := range []stack.Role{stack.Gateway, stack.Worker, stack.NATS} {
		for _, p := range s.Running(role) {
			deaths.Go(p.Kill)
		}
	}
	deaths.Wait()
	begin, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := s.Up(begin, s.gateways, s.workers); err != nil {
		return err
	}
	silent, err := s.ask(r, 0)
	if err != nil {
		return err
	}
	other, err := s.ask(r, 1)
	if err != nil {
		return err
	}
	s.answered(ctx, []question{other})
	status, _, _, err := s.command(ctx, t.rooms[0], t.owner, "$status")
	if err != nil {
		return err
	}
	if !strings.Contains(status.Content, "Stopped") {
		s.broken("after the death of all, $status says %q", status.Content)
	}
	if _, _, _, err := s.command(ctx, t.rooms[0], t.owner, "$start"); err != nil {
		return err
	}
	again, err := s.ask(r, 0)
	if err != nil {
		return err
	}
	s.answered(ctx, []question{again})
	if n := s.Discord.ReplyCount(silent.id); n != 0 {
		s.broken("a stopped server was answered after the death of all")
	}
	fmt.Println("death of all: the stop held")
	return nil
}

// rebootRate is the load under which the reboot is measured, in questions per second.
const rebootRate = 20

// reboot starts every worker anew under load.
func (s *suite) reboot(ctx context.Context) error {
	crowd := s.crowd(rebootRate, upto(servers))
	if !sleep(ctx, time.Second) {
		return ctx.Err()
	}
	t := s.towns[0]
	typed := time.Now()
	m, err := s.Discord.Say(t.rooms[0], operator, "$reboot all")
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	final := ""
	err = s.Discord.WaitFor(within, func() bool {
		for _, p := range s.Discord.Replies(m.ID) {
			if strings.HasPrefix(p.Content, "Rebooted: ") {
				final = p.Content
			}
		}
		return final != ""
	})
	took := time.Since(typed)
	asked := crowd()
	if err != nil {
		return fmt.Errorf("$reboot all has no final answer: %w", err)
	}
	if want := fmt.Sprintf("%d workers", s.workers); !strings.Contains(final, want) {
		s.broken("$reboot all says %q, want %s", final, want)
	}
	lost, twice, waits := s.answered(ctx, asked)
	fmt.Printf("reboot of %d workers under %d questions/s: %s; %d questions, lost %d, twice %d; answered in p50 %s p99 %s\n  it says: %s\n",
		s.workers, rebootRate, took.Round(10*time.Millisecond), len(asked), lost, twice, at(waits, .5), at(waits, .99), final)
	return nil
}
