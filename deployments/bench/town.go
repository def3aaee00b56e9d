package main

import (
	"context"
	"fmt"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// town is a world with people in it. Everybody stays in one channel, and asks again only when it is their turn.
type town struct {
	*stack.World
	name   string
	people []discordsim.ID
	rooms  []discordsim.ID
	next   int // whose turn it is
}

// usersPerRoom is how many people share a channel.
const usersPerRoom = 20

// settings that no town is without: bounds that a measurement would run into are lifted, everything else is as it comes.
// The budget has a limit, though one that is never reached, so that every call is reserved and settled in the ledger.
func settings(more map[string]string) (gateway, worker map[string]string) {
	gateway = map[string]string{"USER_RATE": "10000/1m"}
	worker = map[string]string{"BUDGET_LIMITS": "100000000req/1h,100000000000tok/month"}
	for k, v := range more {
		worker[k] = v
	}
	return gateway, worker
}

// newTown starts the simulators and lays out users in one server; no process runs yet.
func (b *bench) newTown(ctx context.Context, name string, users int, latency time.Duration, workerEnv map[string]string) (*town, error) {
	if err := b.build(ctx); err != nil {
		return nil, err
	}
	d := &discordsim.Server{KeepBodies: -1, KeepMessages: 200}
	h := &hfsim.Server{Reply: reply, Latency: hfsim.Fixed(latency), MaxCalls: 1000}
	gateway, worker := settings(workerEnv)
	w, err := stack.NewWorld(stack.Config{GatewayEnv: gateway, WorkerEnv: worker, Programs: b.programs, Profile: b.profile}, d, h)
	if err != nil {
		return nil, err
	}
	t := &town{World: w, name: name}
	place := d.DefaultWorld()
	for i := range users {
		if i%usersPerRoom == 0 {
			c, err := d.AddChannel(discordsim.Channel{Guild: place.Guild, Name: fmt.Sprint("room-", len(t.rooms))})
			if err != nil {
				return nil, err
			}
			t.rooms = append(t.rooms, c.ID)
		}
		u := d.AddUser(fmt.Sprint("user", i), false).ID
		if err := d.AddMember(place.Guild, u); err != nil {
			return nil, err
		}
		t.people = append(t.people, u)
	}
	return t, nil
}

// reply is what the simulated model says: a text of ordinary length that costs nothing to make.
func reply(hfsim.Request) string {
	return "A salamander is an amphibian, and in old stories an animal that lives in fire. I like the stories better, " +
		"but I have to admit that a damp forest floor is what my cousins out there prefer."
}

// say has the next person ask.
func (t *town) say() (discordsim.ID, error) {
	n := t.next
	t.next++
	user := n % len(t.people)
	m, err := t.Discord.Say(t.rooms[user/usersPerRoom], t.people[user],
		fmt.Sprintf("<@%s> what is a salamander, and why does it live in fire? (%d)", t.Discord.BotID(), n))
	return m.ID, err
}

// close ends everything; a process that does not end by itself is killed.
func (t *town) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	t.Close(ctx)
}

// up starts processes, each after those before it are ready.
func (t *town) up(ctx context.Context, roles ...start) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, s := range roles {
		p, err := t.Start(s.role, s.env)
		if err != nil {
			return err
		}
		if err := t.Ready(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

// start is a process to start, with settings of its own.
type start struct {
	role stack.Role
	env  map[string]string
}

// ours are the processes of the real system.
func ours(workers int) []start {
	all := []start{{role: stack.NATS}}
	for range workers {
		all = append(all, start{role: stack.Worker})
	}
	return append(all, start{role: stack.Gateway})
}

// bare are the processes of the floor.
func (t *town) bare() []start {
	env := map[string]string{"DISCORD_URL": t.Discord.URL(), "DISCORD_TOKEN": discordsim.DefaultToken, "HF_URL": t.Hugging.URL()}
	return []start{{role: stack.NATS}, {role: bareWorkerRole, env: env}, {role: bareGatewayRole, env: env}}
}

// single is the process of the usual bot.
func (t *town) single() []start {
	return []start{{role: botRole, env: map[string]string{
		"DISCORD_URL": t.Discord.URL(), "DISCORD_TOKEN": discordsim.DefaultToken, "HF_URL": t.Hugging.URL(),
	}}}
}

// cpu is the processor time of every role's processes so far.
func (t *town) cpu() map[stack.Role]time.Duration {
	all := map[stack.Role]time.Duration{}
	for _, role := range []stack.Role{stack.NATS, stack.Gateway, stack.Worker, bareGatewayRole, bareWorkerRole, botRole} {
		for _, p := range t.Running(role) {
			all[role] += p.CPU()
		}
	}
	return all
}
