package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What the throughput is measured with: a model that thinks 300 ms, four calls at once in each worker.
const (
	think       = 300 * time.Millisecond
	concurrency = 4
	warmUp      = 6 * time.Second
	measured    = 20 * time.Second
)

// throughput asks more than 1, 2, 4 and 8 workers can answer, and counts what they do answer.
func (s *suite) throughput(ctx context.Context) (err error) {
	p := s.newProject("throughput", nil, "SIM_LIMITS=off", "SIM_HF_LATENCY="+think.String(), fmt.Sprint("WORKER_CONCURRENCY=", concurrency))
	defer func() {
		if err != nil {
			p.logs()
		}
		err = errors.Join(err, p.down())
	}()
	if err := p.up(ctx, "--build", "--scale", "worker=1"); err != nil {
		return err
	}
	c, err := p.newCrowd(ctx, 480)
	if err != nil {
		return err
	}
	one := 0.0
	for _, n := range []int{1, 2, 4, 8} {
		if _, err := p.compose(ctx, "up", "--detach", "--no-recreate", "--scale", fmt.Sprint("worker=", n), "worker"); err != nil {
			return err
		}
		if err := p.healthy(ctx, n, "worker"); err != nil {
			return err
		}
		c.forget()
		ideal := float64(n*concurrency) / think.Seconds()
		var from, to time.Time
		err := c.during(ctx, 1.2*ideal, func() error {
			err := p.rest(ctx, warmUp)
			from = time.Now()
			err = errors.Join(err, p.rest(ctx, measured))
			to = time.Now()
			return err
		})
		if err != nil {
			return err
		}
		v, err := c.settle(ctx, 3*time.Minute)
		if err != nil {
			return err
		}
		in := 0
		for _, at := range v.times {
			if at.After(from) && at.Before(to) {
				in++
			}
		}
		rate := float64(in) / to.Sub(from).Seconds()
		if n == 1 {
			one = rate
		}
		p.found(fmt.Sprintf("%d workers", n), "%.1f answers/s, %.2f of linear, %.2f of what the model allows (%.1f/s); %d asked, %d lost, %d twice",
			rate, rate/(float64(n)*one), rate/ideal, ideal, v.asked, v.lost, v.twice)
	}
	return c.twice(ctx)
}
