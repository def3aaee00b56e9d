package main

import (
	"context"
	"fmt"
	"time"

	"salamander.dev/deployments/stack"
)

// scaling adds workers to a model that thinks 300 ms; there is always more to do than they can. Each has few calls, so that
// sixteen of them, the gateway and the simulators together don't need more than two processors have.
func (b *bench) scaling(ctx context.Context) error {
	const think, calls = 300 * time.Millisecond, 2
	t, err := b.newTown(ctx, "salamander", 4000, think, map[string]string{"WORKER_CONCURRENCY": fmt.Sprint(calls)})
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.up(ctx, start{role: stack.NATS}, start{role: stack.Worker}, start{role: stack.Gateway}); err != nil {
		return err
	}
	var rows [][]string
	var got, ideal [][2]float64
	var one float64
	for n := 1; n <= 16; n *= 2 {
		for len(t.Running(stack.Worker)) < n {
			if err := t.up(ctx, start{role: stack.Worker}); err != nil {
				return err
			}
		}
		most := float64(n*calls) / think.Seconds()
		rate, cpu, err := t.saturated(ctx, most, pick(b, 20*time.Second, 6*time.Second))
		if err != nil {
			return err
		}
		if n == 1 {
			one = rate
		}
		rows = append(rows, []string{fmt.Sprint(n), fmt.Sprintf("%.1f", rate), fmt.Sprintf("%.3f", rate/(one*float64(n))),
			fmt.Sprintf("%.3f", rate/most), us(cpu)})
		got, ideal = append(got, [2]float64{float64(n), rate}), append(ideal, [2]float64{float64(n), one * float64(n)})
	}
	b.say("## Scaling\n\nWorkers with %d calls in flight each, a model that thinks %s ms, always more questions than they can answer.\n\n%s\n", calls, ms(think),
		table([]string{"workers", "answers/s", "of linear", "of the model's most", "CPU µs/question"}, rows))
	return b.write("scaling.svg", plot{title: "Scaling with a model that thinks 300 ms", x: "workers", y: "answers per second",
		lines: []line{{"salamander", false, got}, {"linear", true, ideal}}}.svg())
}

// saturated measures answers per second in the middle of a load that is a little more than can be done.
func (t *town) saturated(ctx context.Context, most float64, length time.Duration) (rate float64, cpu time.Duration, err error) {
	type end struct {
		r   result
		err error
	}
	ended := make(chan end, 1)
	const lead = 2 * time.Second // until every worker is busy
	go func() {
		r, err := t.offer(ctx, 1.2*most, lead+length+time.Second, 2*time.Minute)
		ended <- end{r, err}
	}()
	time.Sleep(lead)
	n, at := t.Discord.Counts().Posts, time.Now()
	time.Sleep(length)
	rate = float64(t.Discord.Counts().Posts-n) / time.Since(at).Seconds()
	e := <-ended
	if e.err == nil && e.r.answered < e.r.asked {
		e.err = fmt.Errorf("%d of %d questions were answered", e.r.answered, e.r.asked)
	}
	return rate, e.r.perQuestion(stack.NATS, stack.Gateway, stack.Worker), e.err
}
