package strange

import (
	"context"
	"net/http"
	"testing"
	"time"

	"salamander.dev/deployments/stack"
)

// Every program ends with exit code 0 within DRAIN_TIMEOUT, whatever it waits for.
func TestSIGTERMEndsWhateverHangs(t *testing.T) {
	t.Parallel()
	const drain = 4 * time.Second
	for name, c := range map[string]struct {
		o    oddity
		text string
		role stack.Role
		nats bool // is away meanwhile
	}{
		"model call":               {oddity{firstID: 1000, optional: http.StatusNotFound, beat: 500}, "never", stack.Worker, false},
		"post":                     {oddity{firstID: 1000, optional: http.StatusNotFound, beat: 500, mute: true}, "hello", stack.Gateway, false},
		"Discord's silence":        {oddity{firstID: 1000, optional: -1, beat: 500}, "hello", stack.Gateway, false},
		"NATS, gateway":            {oddity{firstID: 1000, optional: http.StatusNotFound, beat: 500}, "hello", stack.Gateway, true},
		"NATS, worker":             {oddity{firstID: 1000, optional: http.StatusNotFound, beat: 500}, "never", stack.Worker, true},
		"a post, and NATS is away": {oddity{firstID: 1000, optional: -1, beat: 500, mute: true}, "hello", stack.Gateway, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDiscord(t, c.o)
			s := programs(t, d, map[string]string{"DRAIN_TIMEOUT": drain.String()})
			d.say(otherRoom, userID, mention+c.text)
			d.await("typing", func(p post) bool { return p.kind == "typing" })
			if c.o.mute {
				d.await("a post", func(p post) bool { return p.kind == "message" })
			}
			if c.nats {
				s.Running(stack.NATS)[0].Kill()
				d.say(otherRoom, userID, mention+"and this?")
			}
			ctx, cancel := context.WithTimeout(t.Context(), drain)
			defer cancel()
			begin := time.Now()
			if code := s.Running(c.role)[0].Stop(ctx); code != 0 {
				t.Errorf("exit code %d after %s", code, time.Since(begin))
			}
			t.Logf("ended after %s", time.Since(begin).Round(time.Millisecond))
		})
	}
}

// A program that is still starting ends at once.
func TestSIGTERMEndsAStart(t *testing.T) {
	t.Parallel()
	d := newDiscord(t, oddity{firstID: 1000, optional: http.StatusNotFound, beat: 500})
	s := programs(t, d, map[string]string{"DRAIN_TIMEOUT": "4s"})
	for name, c := range map[string]struct {
		role  stack.Role
		extra map[string]string
	}{
		"a gateway without NATS":    {stack.Gateway, map[string]string{"NATS_URL": "nats://127.0.0.1:1"}},
		"a worker without NATS":     {stack.Worker, map[string]string{"NATS_URL": "nats://127.0.0.1:1"}},
		"a gateway without Discord": {stack.Gateway, map[string]string{"DISCORD_BASE_URL": "http://127.0.0.1:1"}},
	} {
		p, err := s.Start(c.role, c.extra)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" serves /livez", func() bool { return get(p.Addr, "/livez") == http.StatusOK })
		if got := get(p.Addr, "/readyz"); got != http.StatusServiceUnavailable {
			t.Errorf("%s: /readyz answers %d", name, got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if code := p.Stop(ctx); code != 0 {
			t.Errorf("%s: exit code %d", name, code)
		}
		cancel()
	}
}

// get returns the status of a GET, 0 for none.
func get(addr, path string) int {
	res, err := http.Get("http://" + addr + path)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}
