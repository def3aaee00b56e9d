package main

import (
	"context"
	"fmt"
	"time"

	"salamander.dev/deployments/stack"
)

// broken is the p99 above which latency counts as broken.
const broken = 250 * time.Millisecond

// throughput raises the rate until latency breaks, for the real system and for the usual bot.
func (b *bench) throughput(ctx context.Context) error {
	contestants := []struct {
		name  string
		roles func(*town) []start
		count []stack.Role
	}{
		{"salamander", func(*town) []start { return ours(2) }, []stack.Role{stack.Gateway, stack.NATS, stack.Worker}},
		{"floor", (*town).bare, []stack.Role{bareGatewayRole, stack.NATS, bareWorkerRole}},
		{"one process", (*town).single, []stack.Role{botRole}},
	}
	var rows [][]string
	p := plot{title: "Latency under load, until it breaks", x: "messages per second offered", y: "p99, ms", logY: true}
	for _, c := range contestants {
		curve, most, err := b.climb(ctx, c.name, c.roles)
		if err != nil {
			return err
		}
		points := [][2]float64{}
		for _, r := range curve {
			points = append(points, [2]float64{r.rate, float64(r.at(0.99)) / 1e6})
		}
		p.lines = append(p.lines, line{c.name, c.name != "salamander", points})
		row := []string{c.name, fmt.Sprintf("%.0f", most.rate), ms(most.at(0.5)), ms(most.at(0.99))}
		for _, role := range c.count {
			row = append(row, us(most.perQuestion(role)))
		}
		for len(row) < 7 {
			row = append(row, "")
		}
		rows = append(rows, append(row, us(most.perQuestion(c.count...))))
	}
	b.say("## Throughput\n\n1 gateway, 2 workers, rate limits off, a model that answers at once: the highest rate at which p99 stays under %s ms.\n"+
		"Processor time per question in microseconds at that rate; the simulators share the machine.\n\n%s\n", ms(broken),
		table([]string{"", "messages/s", "p50 ms", "p99 ms", "gateway µs", "nats µs", "worker µs", "all µs"}, rows))
	return b.write("throughput.svg", p.svg())
}

// step is the result at one rate.
type step struct {
	rate float64
	result
}

// climb offers more and more until latency breaks; most is the last step that held.
func (b *bench) climb(ctx context.Context, name string, roles func(*town) []start) (steps []step, most step, err error) {
	t, err := b.newTown(ctx, name, 4000, 0, nil)
	if err != nil {
		return nil, step{}, err
	}
	defer t.close()
	if err := t.up(ctx, roles(t)...); err != nil {
		return nil, step{}, err
	}
	if err := t.warm(ctx, 100); err != nil {
		return nil, step{}, err
	}
	for rate := 200.0; rate <= 20_000; rate *= pick(b, 1.25, 1.6) {
		r, err := t.offer(ctx, rate, pick(b, 5*time.Second, 2*time.Second), time.Minute)
		if err != nil {
			return nil, step{}, err
		}
		if r.answered < r.asked {
			return nil, step{}, fmt.Errorf("%s answered %d of %d questions at %.0f/s", name, r.answered, r.asked, rate)
		}
		s := step{rate, r}
		steps = append(steps, s)
		if r.at(0.99) > broken {
			break
		}
		most = s
	}
	return steps, most, nil
}

// overload offers twice what two workers can do, for a while, and then what they can do easily.
func (b *bench) overload(ctx context.Context) error {
	const think, calls, workers = 100 * time.Millisecond, 8, 2
	capacity := float64(workers*calls) / think.Seconds()
	t, err := b.newTown(ctx, "salamander", 4000, think, map[string]string{"WORKER_CONCURRENCY": fmt.Sprint(calls)})
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.up(ctx, ours(workers)...); err != nil {
		return err
	}
	if err := t.warm(ctx, 50); err != nil {
		return err
	}
	var rows [][]string
	for _, phase := range []struct {
		name   string
		part   float64
		length time.Duration
	}{{"before", 0.5, 5 * time.Second}, {"overload", 2, pick(b, 20*time.Second, 5*time.Second)}, {"after", 0.5, 5 * time.Second}} {
		r, err := t.offer(ctx, phase.part*capacity, phase.length, 2*time.Minute)
		if err != nil {
			return err
		}
		rows = append(rows, []string{phase.name, fmt.Sprintf("%.0f", phase.part*capacity), fmt.Sprint(r.asked), fmt.Sprint(r.answered),
			fmt.Sprint(r.asked - r.answered), ms(r.at(0.5)), ms(r.at(0.99)), fmt.Sprintf("%.1f", (r.took - phase.length).Seconds()),
			fmt.Sprintf("%.0f", float64(r.answered)/r.took.Seconds())})
	}
	b.say("## Twice the load\n\n%d workers with %d calls each and a model that thinks %s ms: at most %.0f questions/s. Latency in milliseconds.\n\n%s\n", workers, calls, ms(think), capacity,
		table([]string{"", "offered/s", "asked", "answered", "lost", "p50", "p99", "last answer after, s", "answered/s"}, rows))
	return nil
}
