package discord

import (
	"bytes"
	"context"
	"flag"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/secret"
	"salamander.dev/shared/sim/discordsim"
)

// The watchdog's test leaves one goroutine in discordgo's Open for ever, which is what it shows; every other test
// checks that no session was abandoned, so that this exception hides nothing.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() == "" {
		_ = flag.Set("test.parallel", "12") // they mostly wait
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/bwmarrin/discordgo.(*Session).Open"))
}

// patience bounds every wait of these tests; no result depends on it.
const patience = 30 * time.Second

// bot is a Client that runs against a simulated Discord, with what it delivered.
type bot struct {
	*Client
	t   *testing.T
	sim *discordsim.Server
	w   discordsim.World
	log *logs
	reg *prometheus.Registry

	mu     sync.Mutex
	events []inbound.Event
	more   chan struct{} // closed and made anew with each event
	hold   chan struct{} // if not nil, delivering waits until it is closed

	begin func(context.Context) error // starts the first shards; nil: as the settings say
	stuck int                         // sessions that are expected to be abandoned
	stop  context.CancelFunc
	ended chan error
}

// logs collects log lines.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var _ io.Writer = (*logs)(nil)

// quick are settings with which tests don't wait for people's sake.
func quick() Config {
	return Config{
		IdentifyEvery: time.Millisecond, DeadGrace: time.Millisecond, HandshakeTimeout: 5 * time.Second, Content: ContentNeeded,
		invalidWaitMin: time.Millisecond, invalidWaitMax: 2 * time.Millisecond,
		backoffMin: 10 * time.Millisecond, backoffMax: 100 * time.Millisecond, retryMin: 5 * time.Millisecond, retryMax: 50 * time.Millisecond,
	}
}

// newBot starts the simulator with its default world and makes a bot that does not run yet.
func newBot(t *testing.T, sim *discordsim.Server, cfg Config, deps ...func(*Deps)) *bot {
	t.Helper()
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	b := &bot{t: t, sim: sim, w: sim.DefaultWorld(), log: &logs{}, reg: prometheus.NewRegistry(), more: make(chan struct{}), ended: make(chan error, 1)}
	cfg.BaseURL, cfg.Token = sim.URL(), secret.New(orDefault(sim.Token, discordsim.DefaultToken))
	d := Deps{Log: zerolog.New(b.log), Metrics: b.reg}
	for _, change := range deps {
		change(&d)
	}
	c, err := New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	b.Client = c
	t.Cleanup(c.rest.Client.CloseIdleConnections)
	t.Cleanup(func() {
		if strings.Contains(b.log.String(), cfg.Token.Reveal()) {
			t.Error("the log holds the token")
		}
		if t.Failed() {
			t.Log(b.log.String())
		}
	})
	return b
}

// twin is a second gateway with the same token at the same Discord.
func (b *bot) twin() *bot {
	b.t.Helper()
	reg := prometheus.NewRegistry()
	c, err := New(b.cfg, Deps{Log: zerolog.New(b.log), Metrics: reg})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.rest.Client.CloseIdleConnections)
	return &bot{Client: c, t: b.t, sim: b.sim, w: b.w, log: b.log, reg: reg, more: make(chan struct{}), ended: make(chan error, 1)}
}

// start runs the bot until the test's end and waits until it is connected.
func (b *bot) start() *bot {
	b.t.Helper()
	b.launch()
	b.wait("connected", func() bool { ok, _ := b.Connected(); return ok })
	return b
}

func (b *bot) launch() {
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	go func() {
		if b.begin == nil {
			b.ended <- b.Run(ctx, b.deliver)
		} else {
			b.ended <- b.RunShards(ctx, b.deliver, b.begin)
		}
	}()
	b.t.Cleanup(func() {
		cancel()
		select {
		case err := <-b.ended:
			if err != nil {
				b.t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			b.t.Error("Run does not end")
		}
		if n := b.abandoned(); n != b.stuck {
			b.t.Errorf("%d sessions were abandoned, want %d", n, b.stuck)
		}
	})
}

// fatal expects Run to end by itself with an error, and returns it.
func (b *bot) fatal() error {
	b.t.Helper()
	select {
	case err := <-b.ended:
		b.ended <- nil // for the cleanup
		return err
	case <-time.After(patience):
		b.t.Fatal("Run does not end")
		return nil
	}
}

func (b *bot) abandoned() int { return int(testutil.ToFloat64(b.metrics.abandoned)) }

func (b *bot) deliver(e inbound.Event) {
	b.mu.Lock()
	hold := b.hold
	b.mu.Unlock()
	if hold != nil {
		<-hold
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
	close(b.more)
	b.more = make(chan struct{})
}

// got are all events so far of one type.
func got[T inbound.Event](b *bot) (list []T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if v, ok := e.(T); ok {
			list = append(list, v)
		}
	}
	return list
}

// expect waits for an event that fits, and returns the first.
func expect[T inbound.Event](b *bot, what string, fits func(T) bool) T {
	b.t.Helper()
	late := time.After(patience)
	for {
		b.mu.Lock()
		more := b.more
		b.mu.Unlock()
		for _, e := range got[T](b) {
			if fits(e) {
				return e
			}
		}
		select {
		case <-more:
		case <-late:
			b.t.Fatalf("no event came: %s", what)
		}
	}
}

// wait polls a condition.
func (b *bot) wait(what string, cond func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			_, why := b.Connected()
			b.t.Fatalf("never came: %s (%s)", what, why)
		}
	}
}

func (b *bot) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.t.Cleanup(cancel)
	return ctx
}

func (b *bot) say(channel, user discordsim.ID, text string) discordsim.Message {
	b.t.Helper()
	m, err := b.sim.Say(channel, user, text)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// heard waits for a live message with that id.
func (b *bot) heard(m discordsim.Message) inbound.Message {
	b.t.Helper()
	return expect(b, "message "+m.Content, func(e inbound.Message) bool { return e.ID == messageID(m.ID) })
}

func channelID(i discordsim.ID) chat.ChannelID { return chat.ChannelID(i.String()) }
func messageID(i discordsim.ID) chat.MessageID { return chat.MessageID(i.String()) }
func userID(i discordsim.ID) chat.UserID       { return chat.UserID(i.String()) }
func guildID(i discordsim.ID) chat.GuildID     { return chat.GuildID(i.String()) }
