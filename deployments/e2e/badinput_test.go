package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// operator reads what the processes write.
type operator struct {
	mu    sync.Mutex
	lines map[string][]line
}

type line struct {
	Level   string `json:"level"`
	Message string `json:"message"`
	raw     string
}

func (o *operator) hear(name, text string) {
	l := line{raw: text}
	if json.Unmarshal([]byte(text), &l) != nil {
		l.Level, l.Message = "error", text
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lines == nil {
		o.lines = map[string][]line{}
	}
	o.lines[name] = append(o.lines[name], l)
}

// alarms are the lines of a process that ask for a person: warnings and errors.
func (o *operator) alarms(p *stack.Process) (all []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.lines[p.Name] {
		if l.Level == "warn" || l.Level == "error" {
			all = append(all, l.raw)
		}
	}
	return all
}

// says waits until exactly one of the process's alarms holds every word.
func (o *operator) says(t *testing.T, ctx context.Context, p *stack.Process, words ...string) {
	t.Helper()
	count := func() (n int) {
		for _, l := range o.alarms(p) {
			has := true
			for _, w := range words {
				has = has && strings.Contains(l, w)
			}
			if has {
				n++
			}
		}
		return n
	}
	await(t, ctx, fmt.Sprintf("%s says %q", p.Name, words), func() bool { return count() > 0 })
	if n := count(); n != 1 {
		t.Errorf("%s says %q %d times", p.Name, words, n)
	}
}

// bare prepares a world in which nothing runs yet.
func bare(t *testing.T, cfg stack.Config, d *discordsim.Server) (context.Context, *stack.World, *operator) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	o := &operator{}
	cfg.Dir, cfg.Lines = t.TempDir(), o.hear
	w, err := stack.NewWorld(cfg, d, &hfsim.Server{Reply: hfsim.Echo})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		w.Close(end)
		for name, lines := range o.lines {
			for _, l := range lines {
				t.Log(name, l.raw)
			}
		}
	})
	return ctx, w, o
}

// run starts a process.
func run(t *testing.T, w *stack.World, role stack.Role, extra map[string]string) *stack.Process {
	t.Helper()
	p, err := w.Start(role, extra)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ready(t *testing.T, ctx context.Context, w *stack.World, all ...*stack.Process) {
	t.Helper()
	for _, p := range all {
		if err := w.Ready(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatDiscordRefusesForGoodEndsTheGatewayWithOneLine: wrong token and missing intent, at the start and later.
func TestWhatDiscordRefusesForGoodEndsTheGatewayWithOneLine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env  map[string]string
		deny discordsim.Intent
		cut  int // close code sent to a gateway that is ready
		says []string
	}{
		"wrong token":    {env: map[string]string{"DISCORD_TOKEN": "no.such.token"}, says: []string{"DISCORD_TOKEN", "Reset Token"}},
		"missing intent": {deny: discordsim.IntentMessageContent, env: map[string]string{"CHAT_CHANNEL_IDS": "1"}, says: []string{"4014", "Message Content Intent", "discord.com/developers"}},
		"token revoked":  {cut: 4004, says: []string{"4004", "DISCORD_TOKEN"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, w, o := bare(t, stack.Config{}, &discordsim.Server{Denied: tc.deny})
			w.Discord.DefaultWorld()
			ready(t, ctx, w, run(t, w, stack.NATS, nil))
			p := run(t, w, stack.Gateway, tc.env)
			if tc.cut != 0 {
				ready(t, ctx, w, p)
				w.Discord.CloseSockets(tc.cut)
			}
			await(t, ctx, "the gateway ends", func() bool {
				select {
				case <-p.Done():
					return true
				default:
					return false
				}
			})
			if code := p.ExitCode(); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			o.says(t, ctx, p, tc.says...)
			if all := o.alarms(p); len(all) != 1 {
				t.Errorf("%d alarms: %q", len(all), all)
			}
		})
	}
}

func TestANATSThatIsNotThereIsWaitedForWithOneLine(t *testing.T) {
	t.Parallel()
	ctx, w, o := bare(t, stack.Config{}, nil)
	place := w.Discord.DefaultWorld()
	gateway, worker := run(t, w, stack.Gateway, nil), run(t, w, stack.Worker, nil)
	for _, p := range []*stack.Process{gateway, worker} {
		o.says(t, ctx, p, "NATS does not answer", "NATS_URL")
	}
	ready(t, ctx, w, run(t, w, stack.NATS, nil), worker, gateway)
	m, err := w.Discord.Say(place.Channel, place.User, mention(w)+"still there?")
	if err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "an answer", func() bool { return w.Discord.ReplyCount(m.ID) == 1 })
	for _, p := range []*stack.Process{gateway, worker} {
		o.says(t, ctx, p, "NATS does not answer")
	}
}

// guarded runs a NATS with one user.
func guarded(t *testing.T) (url string, s *server.Server) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "salamander", Password: "right"}}})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS did not start")
	}
	return s.ClientURL(), s
}

func TestARefusedNATSUserIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	url, _ := guarded(t)
	ctx, w, o := bare(t, stack.Config{NATSURL: url, Env: map[string]string{"NATS_USER": "salamander", "NATS_PASSWORD": "wrong-and-secret"}}, nil)
	w.Discord.DefaultWorld()
	for _, p := range []*stack.Process{run(t, w, stack.Gateway, nil), run(t, w, stack.Worker, nil)} {
		o.says(t, ctx, p, "NATS refuses this user", "NATS_USER")
		await(t, ctx, "readyz says it too", func() bool { return strings.Contains(readyz(ctx, p), "NATS_USER") })
		if all := o.alarms(p); len(all) != 1 {
			t.Errorf("%d alarms: %q", len(all), all)
		}
		for _, l := range o.alarms(p) {
			if strings.Contains(l, "wrong-and-secret") {
				t.Errorf("the password is in the log: %s", l)
			}
		}
		if code := p.Stop(ctx); code != 0 {
			t.Errorf("%s ended with exit code %d after SIGTERM", p.Name, code)
		}
	}
	right := map[string]string{"NATS_PASSWORD": "right"}
	ready(t, ctx, w, run(t, w, stack.Worker, right), run(t, w, stack.Gateway, right))
}

func readyz(ctx context.Context, p *stack.Process) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Addr+"/readyz", nil)
	if err != nil {
		return err.Error()
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return string(body)
}

// TestMalformedMessagesOnTheBusStopNobody: what can't be read goes to the dead letters, or is thrown away with a line.
func TestMalformedMessagesOnTheBusStopNobody(t *testing.T) {
	t.Parallel()
	ctx, w, o := bare(t, stack.Config{}, nil)
	place := w.Discord.DefaultWorld()
	ready(t, ctx, w, run(t, w, stack.NATS, nil))
	worker, gateway := run(t, w, stack.Worker, nil), run(t, w, stack.Gateway, nil)
	ready(t, ctx, w, worker, gateway)
	nc, err := nats.Connect(w.NATSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	bodies := []string{"", "{", "null", "[]", `"text"`, "\xff\xfe", `{"id":"1"}`, strings.Repeat(`{"a":`, 20_000)}
	for i, body := range bodies {
		for _, subject := range []string{"chat.v1.question.10.20." + fmt.Sprint(i), "chat.v1.answer.10.20.30." + fmt.Sprint(i), "chat.v1.notice.10.20." + fmt.Sprint(i),
			"chat.v1.event.10.20.typing", "$KV.CONTROL.server.10", "$KV.POSTED." + fmt.Sprint(i)} {
			if err := nc.Publish(subject, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	m, err := w.Discord.Say(place.Channel, place.User, mention(w)+"are you well?")
	if err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "an answer", func() bool { return w.Discord.ReplyCount(m.ID) == 1 })
	await(t, ctx, "every question, answer and notice that can't be read is a dead letter", func() bool { return len(letters(t, ctx, w)) == 3*len(bodies) })
	for _, l := range letters(t, ctx, w) {
		if l.Letter.Reason != "malformed" || l.Letter.Cause == "" {
			t.Errorf("dead letter %+v", l)
		}
	}
	await(t, ctx, "every answer and notice that can't be read is told", func() bool {
		n := 0
		for _, l := range o.alarms(gateway) {
			if strings.Contains(l, "could not be read") {
				n++
			}
		}
		return n >= 2*len(bodies)
	})
}

// letter is a dead letter as `worker deadletters list --json` tells it.
type letter struct {
	Letter struct {
		Reason string `json:"reason"`
		Cause  string `json:"cause"`
	} `json:"letter"`
}

func letters(t *testing.T, ctx context.Context, w *stack.World) (all []letter) {
	t.Helper()
	out, err := w.Command(ctx, stack.Worker, "deadletters", "list", "--json")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, l := range strings.Split(strings.TrimSpace(out), "\n") {
		var one letter
		if json.Unmarshal([]byte(l), &one) == nil && one.Letter.Reason != "" {
			all = append(all, one)
		}
	}
	return all
}
