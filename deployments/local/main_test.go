package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/setting"
	"salamander.dev/shared/sim/discordsim"
)

func TestMain(m *testing.M) {
	stack.Main()
	os.Exit(m.Run())
}

// sides prepares a playground; no process of it runs.
func sides(t *testing.T, environ map[string]string) *playground {
	t.Helper()
	p, err := newPlayground(options{store: t.TempDir(), style: "reply", limits: "10req/30s", workers: 1, gateways: 1}, environ)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func simulated(t *testing.T) *playground { return sides(t, nil) }

// awake starts the processes of a playground, with limits as -limits spells them.
func awake(t *testing.T, workers int, limits string) *playground {
	t.Helper()
	p, err := newPlayground(options{store: t.TempDir(), style: "reply", limits: limits, workers: workers, gateways: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	if err := p.up(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, p.logs.tail(20))
	}
	return p
}

// await waits until something holds.
func await(t *testing.T, p *playground, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within a minute: %s\n%s", what, p.logs.tail(20))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"-workers 0", "-workers 9", "-gateways 3", "-style shout", "-limits x", "-limits 10req", "more", "-no-such-flag"} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s was taken", args)
		}
	}
	if o, err := parse(nil, io.Discard); err != nil || o.addr != "127.0.0.1:8080" || o.workers != 2 {
		t.Errorf("without flags: %+v, %v", o, err)
	}
}

// TestWhatCannotStartIsSaid runs the whole program with settings that the workers refuse.
func TestWhatCannotStartIsSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args    string
		environ map[string]string
		said    string
	}{
		"a window that is too long":   {"-limits 300req/99999h", nil, "BUDGET_LIMITS"},
		"a key without a model":       {"", map[string]string{"HF_API_KEYS": "primary=hf_x"}, "HF_MODEL"},
		"limits that nobody can read": {"-limits 10req", nil, "-limits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs strings.Builder
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it must not wait for its end
			defer cancel()
			args := append(strings.Fields(c.args), "-addr", "127.0.0.1:0", "-store", t.TempDir())
			if code := run(ctx, args, c.environ, &out, &errs); code != setting.ExitCode || ctx.Err() != nil {
				t.Errorf("exit code %d, %s", code, &out)
			}
			if said := errs.String(); !strings.Contains(said, c.said) || strings.Count(said, "\n") != 1 || strings.Contains(said, "gives") {
				t.Errorf("it said %q", said)
			}
		})
	}
}

// TestRealSidesAreLeftAlone sets what makes a side real, as a value and as a file, and orders every kind of trouble.
func TestRealSidesAreLeftAlone(t *testing.T) {
	t.Parallel()
	process, model, burn, net, crowd := `trouble {"what":"nats"}`, `trouble {"what":"model","kind":"402"}`, `trouble {"what":"exhaust","key":"primary"}`, `trouble {"what":"discord","kind":"cut"}`, `crowd {"on":true,"people":5,"rate":1}`
	story, say := `story {"on":true}`, `say {"channel":"1","user":"2","text":"hi"}`
	for name, c := range map[string]struct {
		environ       map[string]string
		discord, real bool // which sides are real; real: the model
		refused       []string
	}{
		"a token":        {map[string]string{"DISCORD_TOKEN": "x"}, true, false, []string{process, burn, net, crowd, story, say}},
		"a token's file": {map[string]string{"DISCORD_TOKEN_FILE": "/x"}, true, false, []string{process, burn, net, crowd, story, say}},
		"keys":           {map[string]string{"HF_API_KEYS": "a=b"}, false, true, []string{model, burn, crowd, story}},
		"a file of keys": {map[string]string{"HF_API_KEYS_FILE": "/x"}, false, true, []string{model, burn, crowd, story}},
		"both":           {map[string]string{"DISCORD_TOKEN": "x", "HF_API_KEYS": "a=b"}, true, true, []string{process, model, burn, net, crowd, story, say}},
		"an empty token": {map[string]string{"DISCORD_TOKEN": ""}, false, false, nil},
		"something else": {map[string]string{"HF_MODEL": "m"}, false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := sides(t, c.environ)
			h, ok := p.hello().(helloMessage)
			if !ok || h.Real.Discord != c.discord || h.Real.Model != c.real || (p.discord == nil) != c.discord || (p.hugging == nil) != c.real {
				t.Fatalf("the page is told %+v", h.Real)
			}
			for _, order := range c.refused {
				path, body, _ := strings.Cut(order, " ")
				w := serve(t, p, http.MethodPost, "127.0.0.1:8080", "/api/"+path, body)
				if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "real") {
					t.Errorf("%s: %d %s", order, w.Code, w.Body)
				}
			}
		})
	}
}

// TestARealSideGetsItsSettings looks at which variables reach which process.
func TestARealSideGetsItsSettings(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"DISCORD_TOKEN": "t", "CHAT_CHANNEL_IDS": "1", "HF_API_KEYS": "a=b", "BUDGET_LIMITS_A": "1req/1h", "LOG_LEVEL": "debug", "HOME": "/root", "EMPTY": ""}
	gateway, worker := pick(environ, passedToGateway), pick(environ, passedToWorker)
	if gateway["DISCORD_TOKEN"] != "t" || gateway["CHAT_CHANNEL_IDS"] != "1" || gateway["HF_API_KEYS"] != "" {
		t.Errorf("the gateway gets %v", gateway)
	}
	if worker["HF_API_KEYS"] != "a=b" || worker["BUDGET_LIMITS_A"] != "1req/1h" || worker["DISCORD_TOKEN"] != "" {
		t.Errorf("the worker gets %v", worker)
	}
	if both := pick(environ, passedToBoth, passedAlways); both["LOG_LEVEL"] != "debug" || len(both) != 1 {
		t.Errorf("both get %v", both)
	}
}

func TestOneSpeaksForOneselfOnly(t *testing.T) {
	t.Parallel()
	p := simulated(t)
	ann, ben, tim := p.town.People[0], p.town.People[1], p.town.People[3]
	room := p.town.Guilds[0].Channels[0].ID
	id, err := discordsim.ParseID(room)
	if err != nil {
		t.Fatal(err)
	}
	post := func(path, body string) int {
		return serve(t, p, http.MethodPost, "127.0.0.1:8080", "/api/"+path, body).Code
	}
	if got := post("say", `{"channel":"`+room+`","user":"`+ann.ID+`","text":"hello"}`); got != http.StatusOK {
		t.Fatalf("Ann speaks: %d", got)
	}
	said := p.discord.Messages(id)[0].ID.String()
	for name, order := range map[string][2]string{
		"a stranger of the server": {"say", `{"channel":"` + room + `","user":"` + tim.ID + `","text":"hello"}`},
		"nobody":                   {"say", `{"channel":"` + room + `","user":"7","text":"hello"}`},
		"in another's messages":    {"say", `{"channel":"` + ann.DM + `","user":"` + ben.ID + `","text":"hello"}`},
		"nothing":                  {"say", `{"channel":"` + room + `","user":"` + ann.ID + `","text":" "}`},
		"too much":                 {"say", `{"channel":"` + room + `","user":"` + ann.ID + `","text":"` + strings.Repeat("a", 2001) + `"}`},
		"another's edit":           {"edit", `{"user":"` + ben.ID + `","message":"` + said + `","text":"mine"}`},
		"another's deletion":       {"delete", `{"user":"` + ben.ID + `","message":"` + said + `"}`},
	} {
		if got := post(order[0], order[1]); got != http.StatusConflict {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := post("say", `{"chanel":"misspelt"}`); got != http.StatusBadRequest {
		t.Errorf("an unknown field: %d", got)
	}
}

func TestTheTurnOfWindows(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 28, 23, 59, 45, 0, time.UTC)
	for window, want := range map[string]time.Time{
		"30s": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), "1h": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		"day": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), "month": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		"7m": time.UnixMilli((now.UnixMilli()/420000 + 1) * 420000),
	} {
		length, end := turn(window, now)
		if end != want.UnixMilli() {
			t.Errorf("%s turns at %s, want %s", window, time.UnixMilli(end).UTC(), want)
		}
		if window == "month" && length != 28*24*time.Hour.Milliseconds() {
			t.Errorf("February has %d ms", length)
		}
	}
	if length, end := turn("soon", now); length != 0 || end != 0 {
		t.Errorf("an unknown window: %d %d", length, end)
	}
}
