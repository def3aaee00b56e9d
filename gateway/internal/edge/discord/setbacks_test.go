package discord

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/sim/discordsim"
)

func TestASessionEndsTheFailuresBefore(t *testing.T) {
	t.Parallel()
	const long = 5 * time.Second
	type try struct {
		came  bool
		lived time.Duration
		want  int
	}
	var p setbacks
	for i, x := range []try{
		{want: 0}, {want: 1}, {want: 2}, {want: 3}, // Discord is away
		{came: true, lived: time.Second, want: 0},                                            // it is back, and asks to reconnect
		{came: true, lived: time.Second, want: 1}, {came: true, lived: time.Second, want: 2}, // flapping
		{want: 3}, {want: 4},
		{came: true, lived: long, want: 0},
		{came: true, lived: time.Second, want: 0},
	} {
		if got := p.ended(x.came, x.lived, long); got != x.want {
			t.Errorf("try %d: %d failures, want %d", i+1, got, x.want)
		}
	}
}

// TestAReconnectAfterAnOutageIsNotHeldUpByIt: tries that failed while Discord was away say nothing about a session that
// came after them.
func TestAReconnectAfterAnOutageIsNotHeldUpByIt(t *testing.T) {
	t.Parallel()
	cfg := quick()
	b := newBot(t, &discordsim.Server{}, cfg).start()
	b.heard(b.say(b.w.Channel, b.w.User, "before"))
	tries := func() float64 { return testutil.ToFloat64(b.metrics.endings.WithLabelValues("network")) }
	b.sim.Refuse(time.Hour)
	b.sim.CloseSockets(0)
	for late := time.Now().Add(patience); tries() < 6; {
		if time.Now().After(late) {
			t.Fatalf("%v tries", tries())
		}
		runtime.Gosched()
	}
	b.sim.Refuse(0)
	expect(b, "a session again", func(inbound.Ready) bool { return len(got[inbound.Ready](b)) >= 2 })
	b.sim.AskReconnect()
	expect(b, "the session after it", func(inbound.Ready) bool { return len(got[inbound.Ready](b)) >= 3 })
	for _, line := range strings.Split(b.log.String(), "\n") {
		var said struct {
			Reason string  `json:"reason"`
			Wait   float64 `json:"wait"` // milliseconds
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Reason == "reconnect" {
			if longest := float64(cfg.backoffMin.Milliseconds()) / 2; said.Wait > longest {
				t.Errorf("a reconnect waits %v ms, want at most %v", said.Wait, longest)
			}
			return
		}
	}
	t.Error("no line tells of the reconnect")
}
