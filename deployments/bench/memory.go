package main

import (
	"context"
	"fmt"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// memory is what the services hold resident.
func (b *bench) memory(ctx context.Context) error {
	if err := b.build(ctx); err != nil {
		return err
	}
	var rows [][]string
	for _, n := range []int{1, 100, 2500} {
		row, err := b.gatewayMemory(ctx, n)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	b.say("## Memory\n\nA gateway in servers of 20 channels, ten seconds after it was ready, and after 500 questions; MB of 10⁶ bytes resident (Linux).\n\n%s\n",
		table([]string{"servers", "idle", "after questions", "peak"}, rows))
	rows = nil
	for _, n := range []int{1, 64, 512} {
		row, err := b.workerMemory(ctx, n)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	b.say("A worker with calls in flight:\n\n%s\n", table([]string{"calls in flight", "idle", "in flight", "after", "peak"}, rows))
	return nil
}

// settle is how long a process may calm down before its memory is read.
const settle = 10 * time.Second

func (b *bench) gatewayMemory(ctx context.Context, servers int) ([]string, error) {
	const channels = 20
	d, h := &discordsim.Server{KeepBodies: -1}, &hfsim.Server{Reply: reply}
	gateway, worker := settings(nil)
	w, err := stack.NewWorld(stack.Config{GatewayEnv: gateway, WorkerEnv: worker, Programs: b.programs}, d, h)
	if err != nil {
		return nil, err
	}
	t := &town{World: w, name: "salamander"}
	defer t.close()
	for i := range servers {
		g := d.AddGuild(discordsim.Guild{Name: fmt.Sprint("server ", i)})
		u := d.AddUser(fmt.Sprint("user", i), false).ID
		if err := d.AddMember(g.ID, u); err != nil {
			return nil, err
		}
		for j := range channels {
			c, err := d.AddChannel(discordsim.Channel{Guild: g.ID, Name: fmt.Sprint("channel-", j)})
			if err != nil {
				return nil, err
			}
			if j == 0 && i%usersPerRoom == 0 {
				t.rooms = append(t.rooms, c.ID)
			}
		}
		if i%usersPerRoom == 0 { // one server of twenty asks
			for range usersPerRoom {
				t.people = append(t.people, u)
			}
		}
	}
	if err := t.up(ctx, ours(1)...); err != nil {
		return nil, err
	}
	p := t.Running(stack.Gateway)[0]
	time.Sleep(settle)
	idle := p.RSS()
	if _, err := t.offer(ctx, 100, 5*time.Second, time.Minute); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	return []string{fmt.Sprint(servers), mb(idle), mb(p.RSS()), mb(p.PeakRSS())}, nil
}

func (b *bench) workerMemory(ctx context.Context, calls int) ([]string, error) {
	t, err := b.newTown(ctx, "salamander", 600, 8*time.Second, map[string]string{"WORKER_CONCURRENCY": fmt.Sprint(calls)})
	if err != nil {
		return nil, err
	}
	defer t.close()
	if err := t.up(ctx, ours(1)...); err != nil {
		return nil, err
	}
	p := t.Running(stack.Worker)[0]
	time.Sleep(settle)
	idle := p.RSS()
	for range calls {
		if _, err := t.say(); err != nil {
			return nil, err
		}
	}
	for deadline := time.Now().Add(30 * time.Second); t.Hugging.Books().InFlight < calls; time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return nil, fmt.Errorf("%d of %d calls are in flight", t.Hugging.Books().InFlight, calls)
		}
	}
	busy := p.RSS()
	for deadline := time.Now().Add(time.Minute); t.Discord.Counts().Posts < calls; time.Sleep(50 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return nil, fmt.Errorf("%d of %d questions were answered", t.Discord.Counts().Posts, calls)
		}
	}
	return []string{fmt.Sprint(calls), mb(idle), mb(busy), mb(p.RSS()), mb(p.PeakRSS())}, nil
}
