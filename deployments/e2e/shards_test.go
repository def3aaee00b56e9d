package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// shardsOf is how many live sessions a gateway says it keeps; -1 when it does not answer.
func shardsOf(ctx context.Context, p *stack.Process) (n int) {
	n = -1
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Addr+"/metrics", nil)
	if err != nil {
		return n
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return n
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return n
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "salamander_shards ") {
			_, _ = fmt.Sscanf(line, "salamander_shards %d", &n)
		}
	}
	return n
}

// TestShardsOfAKilledGatewayAreTakenOver: four shards on two gateways. One gateway is killed; what is asked meanwhile in
// the servers of its shards is caught up, everything is answered once, and no IDENTIFY comes too early for Discord.
func TestShardsOfAKilledGatewayAreTakenOver(t *testing.T) {
	t.Parallel()
	d := &discordsim.Server{Shards: 4, MaxConcurrency: 2, IdentifyEvery: 5 * time.Second}
	ctx, w, place := up(t, stack.Config{GatewayEnv: map[string]string{"USER_RATE": "1000/1m"}}, 2, 1, d, &hfsim.Server{Reply: hfsim.Echo})
	var rooms []discordsim.ID
	covered := map[uint64]bool{}
	for i := 0; i < 8 || len(covered) < 4; i++ {
		g := d.AddGuild(discordsim.Guild{Name: fmt.Sprint("server ", i)})
		c, err := d.AddChannel(discordsim.Channel{Guild: g.ID, Name: "chat"})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.AddMember(g.ID, place.User); err != nil {
			t.Fatal(err)
		}
		rooms, covered[uint64(g.ID)>>22%4] = append(rooms, c.ID), true
	}
	var asked []discordsim.ID
	ask := func(text string) {
		for _, room := range rooms {
			m, err := d.Say(room, place.User, mention(w)+text)
			if err != nil {
				t.Fatal(err)
			}
			asked = append(asked, m.ID)
		}
	}
	answered := func() bool {
		for _, n := range d.ReplyCounts(asked) {
			if n == 0 {
				return false
			}
		}
		return len(d.ReplyCounts(asked)) == len(asked)
	}
	gateways := w.Running(stack.Gateway)
	await(t, ctx, "two shards on each gateway", func() bool {
		return d.Counts().Connected == 4 && shardsOf(ctx, gateways[0]) == 2 && shardsOf(ctx, gateways[1]) == 2
	})
	ask("before")
	await(t, ctx, "all are answered", answered)

	killed := time.Now()
	gateways[0].Kill()
	ask("while nobody hears half of the shards")
	await(t, ctx, "the other gateway has all shards", func() bool { return shardsOf(ctx, gateways[1]) == 4 })
	taken := time.Since(killed)
	await(t, ctx, "what was missed is answered", answered)
	t.Logf("taken over %s after the kill, everything answered after %s", taken.Round(100*time.Millisecond), time.Since(killed).Round(100*time.Millisecond))

	back, err := w.Start(stack.Gateway, nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "shared out again", func() bool {
		return shardsOf(ctx, gateways[1]) == 2 && shardsOf(ctx, back) == 2
	})
	ask("after")
	await(t, ctx, "all are answered", answered)
	for _, n := range d.ReplyCounts(asked) {
		if n != 1 {
			t.Errorf("a question has %d answers", n)
		}
	}
	for _, c := range d.Connections() {
		if c.Invalidated > 0 {
			t.Error("an IDENTIFY came too early for Discord")
		}
	}
}
