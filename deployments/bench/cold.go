package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"salamander.dev/deployments/stack"
)

// start measures how long processes take from exec to ready, and how large their programs are.
func (b *bench) start(ctx context.Context) error {
	times := map[string][]time.Duration{}
	for range pick(b, 7, 3) {
		if err := b.coldStart(ctx, times); err != nil {
			return err
		}
	}
	var rows [][]string
	for _, name := range []string{"nats", "worker, which makes the streams", "gateway", "worker, second", "gateway, second"} {
		all := times[name]
		slices.Sort(all)
		rows = append(rows, []string{name, ms(percentile(all, 0.5)), ms(all[0]), ms(all[len(all)-1])})
	}
	b.say("## Start\n\nFrom exec to ready (a gateway: with Discord's READY), milliseconds.\n\n%s\n", table([]string{"", "median", "least", "most"}, rows))
	rows = nil
	for _, role := range []stack.Role{stack.Gateway, stack.Worker} {
		info, err := os.Stat(b.programs[role])
		if err != nil {
			return err
		}
		rows = append(rows, []string{string(role), mb(info.Size())})
	}
	b.say("Programs, built as the images build them (an image is FROM scratch: the program, certificates, a user's name), MB:\n\n%s\n", table([]string{"", "MB"}, rows))
	return nil
}

func (b *bench) coldStart(ctx context.Context, times map[string][]time.Duration) error {
	t, err := b.newTown(ctx, "salamander", 1, 0, nil)
	if err != nil {
		return err
	}
	defer t.close()
	for _, s := range []struct {
		name string
		role stack.Role
	}{
		{"nats", stack.NATS}, {"worker, which makes the streams", stack.Worker}, {"gateway", stack.Gateway},
		{"worker, second", stack.Worker}, {"gateway, second", stack.Gateway},
	} {
		began := time.Now()
		p, err := t.Start(s.role, nil)
		if err != nil {
			return err
		}
		if err := t.awaitReady(ctx, p); err != nil {
			return err
		}
		times[s.name] = append(times[s.name], time.Since(began))
	}
	return nil
}

// awaitReady is like stack.Ready, but looks every millisecond.
func (t *town) awaitReady(ctx context.Context, p *stack.Process) error {
	client := &http.Client{Timeout: time.Second}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		if p.Role == stack.NATS {
			if c, err := net.Dial("tcp", strings.TrimPrefix(t.NATSURL(), "nats://")); err == nil {
				return c.Close()
			}
			continue
		}
		res, err := client.Get("http://" + p.Addr + "/readyz")
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("%s did not become ready", p.Name)
}
