package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"salamander.dev/deployments/stack"
)

// block is a rate in questions per second, and for how long it is offered at a time: enough for a percentile.
type block struct {
	rate        float64
	long, quick time.Duration
}

var rates = []block{{10, 12 * time.Second, 2 * time.Second}, {100, 8 * time.Second, 3 * time.Second}, {1000, 4 * time.Second, 2 * time.Second}}

// floorAndOurs start both worlds, which are then loaded by turns.
func (b *bench) floorAndOurs(ctx context.Context, users, workers int) (floor, real *town, err error) {
	if floor, err = b.newTown(ctx, "floor", users, 0, nil); err != nil {
		return nil, nil, err
	}
	if err = floor.up(ctx, floor.bare()...); err != nil {
		floor.close()
		return nil, nil, err
	}
	if real, err = b.newTown(ctx, "salamander", users, 0, nil); err == nil {
		err = real.up(ctx, ours(workers)...)
	}
	if err != nil {
		floor.close()
		if real != nil {
			real.close()
		}
		return nil, nil, err
	}
	return floor, real, nil
}

// latency is what we add to a model that answers at once, beside what the platform itself costs.
func (b *bench) latency(ctx context.Context) error {
	floor, real, err := b.floorAndOurs(ctx, 2000, b.workers)
	if err != nil {
		return err
	}
	defer floor.close()
	defer real.close()
	for _, t := range []*town{floor, real} {
		for _, rate := range []float64{50, 300} {
			if err := t.warm(ctx, rate); err != nil {
				return err
			}
		}
	}
	rates := rates
	if b.rate != 0 {
		rates = []block{{b.rate, 8 * time.Second, 8 * time.Second}}
	}
	var rows, costs [][]string
	curves := map[string][][2]float64{}
	for _, r := range rates {
		blocks := map[*town][]result{}
		for range pick(b, 5, 1) {
			for _, t := range []*town{floor, real} {
				got, err := t.offer(ctx, r.rate, pick(b, r.long, r.quick), 20*time.Second)
				if err != nil {
					return err
				}
				if got.answered < got.asked {
					return fmt.Errorf("%s answered %d of %d questions", t.name, got.answered, got.asked)
				}
				blocks[t] = append(blocks[t], got)
			}
		}
		f, o := sum(blocks[floor]), sum(blocks[real])
		row := []string{fmt.Sprint(r.rate)}
		for _, p := range []float64{0.5, 0.99, 0.999} {
			a, z := median(blocks[floor], p), median(blocks[real], p)
			if p == 0.999 { // too few in one block: over all
				a, z = f.at(p), o.at(p)
			}
			row = append(row, ms(a), ms(z), times(z, a))
			for name, v := range map[string]time.Duration{"floor": a, "salamander": z} {
				if p < 0.999 {
					k := fmt.Sprintf("%s p%g", name, p*100)
					curves[k] = append(curves[k], [2]float64{r.rate, float64(v) / 1e6})
				}
			}
		}
		rows = append(rows, append(row, ms(max(f.late, o.late))))
		fc := f.perQuestion(stack.NATS, bareGatewayRole, bareWorkerRole)
		oc := o.perQuestion(stack.NATS, stack.Gateway, stack.Worker)
		costs = append(costs, []string{fmt.Sprint(r.rate),
			us(f.perQuestion(bareGatewayRole)), us(f.perQuestion(stack.NATS)), us(f.perQuestion(bareWorkerRole)), us(fc),
			us(o.perQuestion(stack.Gateway)), us(o.perQuestion(stack.NATS)), us(o.perQuestion(stack.Worker)), us(oc), times(oc, fc)})
	}
	b.say("## Added latency\n\nMESSAGE_CREATE sent → POST received, with a model that answers at once; 1 gateway, %d worker(s); milliseconds.\n"+
		"p50 and p99 are medians of the blocks, p99.9 is over all of them.\n\n%s\n", b.workers,
		table([]string{"messages/s", "floor p50", "ours", "", "floor p99", "ours", "", "floor p99.9", "ours", "", "load late by"}, rows))
	b.say("Processor time per question, microseconds:\n\n%s\n",
		table([]string{"messages/s", "floor: gateway", "nats", "worker", "all", "ours: gateway", "nats", "worker", "all", ""}, costs))
	return b.write("latency.svg", plot{
		title: "Added latency", x: "messages per second", y: "ms", logX: true, logY: true, lines: []line{
			{"salamander p50", false, curves["salamander p50"]}, {"floor p50", true, curves["floor p50"]},
			{"salamander p99", false, curves["salamander p99"]}, {"floor p99", true, curves["floor p99"]},
		},
	}.svg())
}

func sum(blocks []result) (all result) {
	for _, r := range blocks {
		all.add(r)
	}
	return all
}

// median is the middle of the blocks' percentiles.
func median(blocks []result, p float64) time.Duration {
	var all []time.Duration
	for _, r := range blocks {
		all = append(all, r.at(p))
	}
	slices.Sort(all)
	return percentile(all, 0.5)
}
