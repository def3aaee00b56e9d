package main

import (
	"context"
	"fmt"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// open bounds the questions that are open at a time during a soak, and looks is how often the memory is looked at.
const (
	open  = 300
	looks = 10
)

// runSoak asks as fast as the system answers, without rate limits, and prints the memory of every process on the way.
// The simulators live in this process, whose memory is not judged.
func runSoak(ctx context.Context, c config, questions int) (ok bool, err error) {
	fmt.Printf("soak: %d questions, %d channels, %d gateways, %d workers, no rate limits\n", questions, c.channels, c.gateways, c.workers)
	s, err := start(ctx, c, &discordsim.Server{Seed: c.seed, KeepBodies: -1, KeepPosts: 2 * questions, KeepMessages: 1000},
		&hfsim.Server{Reply: hfsim.Echo, Seed: c.seed})
	if err != nil {
		return false, err
	}
	defer s.close()
	before := s.Discord.Counts().Posts - len(s.asked)
	begin := time.Now()
	fmt.Printf("%10s %8s", "questions", "seconds")
	for _, p := range s.processes() {
		fmt.Printf(" %12s", p.Name)
	}
	fmt.Println("   (RSS in MiB)")
	look := func(n int) {
		fmt.Printf("%10d %8.0f", n, time.Since(begin).Seconds())
		for _, p := range s.processes() {
			fmt.Printf(" %12.1f", float64(p.RSS())/(1<<20))
		}
		fmt.Println()
	}
	look(0)
	for n := range questions {
		room := func() bool { return len(s.asked)-(s.Discord.Counts().Posts-before) < open }
		if !room() {
			if err := s.Discord.WaitFor(ctx, room); err != nil {
				return false, fmt.Errorf("question %d: %w", n, err)
			}
		}
		if err := s.say(n%s.users, fmt.Sprint("question ", n)); err != nil {
			return false, err
		}
		if (n+1)%max(questions/looks, 1) == 0 {
			look(n + 1)
		}
	}
	v := s.settled(ctx)
	look(questions)
	fmt.Printf("%.0f questions/s\n%s\n", float64(questions)/time.Since(begin.Add(again)).Seconds(), v)
	return s.tell(v.faults), nil
}

// processes are all that run, in a fixed order.
func (s *suite) processes() []*stack.Process {
	return append(append(s.Running(stack.NATS), s.Running(stack.Gateway)...), s.Running(stack.Worker)...)
}
