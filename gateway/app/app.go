// Package app wires the gateway: settings, NATS, Discord and the core between them. It owns the order in which things
// start and end; it decides nothing about messages.
package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/config"
	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/gateway/internal/edge/discord"
	"salamander.dev/gateway/internal/edge/store"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/shared/logging"
	"salamander.dev/shared/ops"
	"salamander.dev/shared/trace"
)

// App is one gateway. Run it once.
type App struct {
	cfg      config.Config
	log      zerolog.Logger
	content  logging.Content
	instance string
	started  time.Time
	registry *prometheus.Registry
	meters   *meters
	discord  *discord.Client

	// phase is what /readyz says; see ready.
	phase atomic.Pointer[phase]
	addr  atomic.Pointer[string]

	// Set by assemble, once NATS is there.
	bus    *bus.Bus
	mirror *bus.Mirror
	desk   *inbound.Desk
	titles *outbound.Titles
	typist *outbound.Typist
	poster *outbound.Poster
	reins  *reins
	words  *words
	leaver *leaver
	shards *shards
	share  *share

	background sync.WaitGroup
}

// New makes a gateway from an environment; a wrong one is a *setting.Error. Its log goes to w.
func New(environ map[string]string, w io.Writer) (*App, error) {
	cfg, err := config.Load(environ)
	if err != nil {
		return nil, err
	}
	return newApp(cfg, logging.New(w, "gateway", cfg.LogLevel, cfg.LogFormat))
}

func newApp(cfg config.Config, log zerolog.Logger) (*App, error) {
	a := &App{
		cfg: cfg, log: log, content: logging.Content(cfg.LogContent), instance: newInstance(), started: time.Now().UTC(),
		registry: prometheus.NewRegistry(), titles: outbound.NewTitles(),
	}
	a.log = log.With().Str("instance", a.instance).Logger()
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.meters = newMeters(a.registry)
	a.phase.Store(&phase{why: "starting"})
	var err error
	a.discord, err = discord.New(discord.Config{
		Token: cfg.Token, BaseURL: cfg.BaseURL, Content: contentOf(cfg), ShardCount: cfg.ShardCount, ShardIDs: cfg.ShardIDs,
		Ephemeral: rules(cfg).EphemeralFor,
	}, discord.Deps{Log: a.log, Metrics: a.registry, Transport: newCheckpoint(), Gate: newGate(func() *bus.Bus { return a.bus })})
	return a, err
}

// newInstance is a name that no other process has.
func newInstance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return fmt.Sprintf("gateway-%.40s-%s", host, hex.EncodeToString(b[:]))
}

// Addr is where /livez, /readyz and /metrics are served; empty before Run has begun.
func (a *App) Addr() string {
	if p := a.addr.Load(); p != nil {
		return *p
	}
	return ""
}

// phase is what keeps the gateway from being ready, beside NATS and Discord. While it waits for NATS, bus tells why.
type phase struct {
	why string
	bus *bus.Bus
}

// ready is /readyz: nil while NATS and Discord are connected.
func (a *App) ready() error {
	if p := a.phase.Load(); p.why != "" {
		if p.bus != nil && p.bus.Ready() != nil {
			return fmt.Errorf("%s: %w", p.why, p.bus.Ready())
		}
		return errors.New(p.why)
	}
	if err := a.bus.Ready(); err != nil {
		if held := a.desk.Held(); held > 0 {
			return fmt.Errorf("%w; %d questions are held until it is back", err, held)
		}
		return err
	}
	if ok, why := a.discord.Connected(); !ok {
		return errors.New(why)
	}
	return a.shards.ready()
}

// Run serves until intake ends, then drains: it takes nothing more, brings what it holds into the queue, finishes what
// is being posted, and closes. What is left when work ends is handed back. A refusal by Discord for good is a
// *discord.FatalError.
func (a *App) Run(intake, work context.Context) error {
	server, err := ops.Start(a.cfg.HTTPAddr, a.ready, a.registry, a.log)
	if err != nil {
		return err
	}
	addr := server.Addr()
	a.addr.Store(&addr)
	defer closeWithin(server.Close)
	stopTraces, err := trace.Start(intake, "gateway", a.instance, a.cfg.OTLPEndpoint)
	if err != nil {
		return err
	}
	defer closeWithin(func(ctx context.Context) { _ = stopTraces(ctx) })
	if a.bus, err = bus.Connect(busConfig(a.cfg.Common), a.log); err != nil {
		return err
	}
	defer a.bus.Close()
	if err := a.open(intake); err != nil {
		if intake.Err() != nil {
			return nil // told to end before NATS was there
		}
		return err
	}
	return a.serve(intake, work)
}

// closeWithin gives a goodbye a second.
func closeWithin(f func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	f(ctx)
}

// open waits for NATS and what must be there, and loads the desired state before anything is taken.
func (a *App) open(ctx context.Context) error {
	said := ""
	report := func(err error) {
		if err == nil || err.Error() == said {
			return
		}
		said = err.Error()
		a.phase.Store(&phase{why: "NATS: " + said})
		a.log.Error().Err(err).Msg("NATS is there but not usable yet; trying on")
	}
	a.phase.Store(&phase{why: "waiting for NATS at " + fmt.Sprint(a.cfg.NATSURLs), bus: a.bus})
	if err := a.bus.Open(ctx, a.cfg.NATSProvision == "auto", report); err != nil {
		return err
	}
	err := a.insist(ctx, report, func() (err error) {
		a.mirror, err = a.bus.NewMirror(ctx, nil)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.assemble(); err != nil {
		return err
	}
	return a.insist(ctx, report, func() error { return a.desk.Begin(ctx) })
}

// insist tries until f works or ctx ends.
func (a *App) insist(ctx context.Context, report func(error), f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		report(err)
		if !sleep(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// assemble puts the core between NATS and Discord.
func (a *App) assemble() error {
	queue, records := store.NewQueue(a.bus), store.NewRecords(a.bus)
	var err error
	if a.typist, err = outbound.NewTypist(a.discord, a.bus, records, a.mirror, outbound.TypingConfig{}); err != nil {
		return err
	}
	if a.poster, err = outbound.New(mouth{a.discord}, records, a.mirror, a.titles, a.typist, a, outbound.Config{Style: a.cfg.Style}); err != nil {
		return err
	}
	a.words = newWords(a.poster, a.log)
	if a.reins, err = newReins(a); err != nil {
		return err
	}
	a.shards = newShards(a)
	a.leaver = newLeaver(a.bus, a.log, a.meters.dropped, a.shards.total, func() chat.UserID { return a.desk.Bot() })
	channels := map[chat.ChannelID]bool{}
	for _, c := range a.cfg.ChatChannels {
		channels[c] = true
	}
	a.desk, err = inbound.New(inbound.Deps{
		Queue: tracedQueue{queue}, Link: queue, Counter: store.NewCounter(a.bus), Claims: a.bus, State: a.mirror, Commands: a.reins,
		Voice: a.words, Watcher: a, History: a.discord, Book: store.NewBook(a.bus),
	}, inbound.Config{Audience: inbound.Audience{ChatChannels: channels}, Rate: a.cfg.Rate, CatchUp: a.cfg.CatchUp})
	if err != nil {
		return err
	}
	if err := a.registry.Register(a.shards.gauge()); err != nil {
		return err
	}
	return a.registry.Register(newQueueGauges(a.bus))
}

// live is the entry in the book of the living.
func (a *App) live() control.Live {
	return control.Live{
		Instance: a.instance, Service: control.Gateway, Started: a.started, Epoch: a.mirror.Desired(control.Fleet).Epoch,
		Revision: a.mirror.Revision(), Inflight: a.desk.Held() + a.poster.InHand(),
	}
}
