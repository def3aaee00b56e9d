package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"salamander.dev/shared/ops"
	"salamander.dev/shared/trace"
	"salamander.dev/worker/internal/config"
)

// Config is every setting of a worker, see Load.
type Config = config.Config

// Load reads the settings. Its error is a *setting.Error, with one line for each that is wrong.
func Load(environ map[string]string) (Config, error) { return config.Load(environ) }

// flushWithin is the part of DRAIN_TIMEOUT that is kept for what comes after the last question: settlements, the entry
// among the living, the connection.
const flushWithin = 3 * time.Second

// drain is how long questions in hand may go on after the signal.
func drain(cfg Config) time.Duration {
	return cfg.DrainTimeout - min(flushWithin, cfg.DrainTimeout/2)
}

// App is one worker process. It lives as one instance after another: a fleet-wide reboot ends one and begins the next.
type App struct {
	cfg     Config
	log     zerolog.Logger
	metrics *metrics
	ops     *ops.Server

	mu    sync.Mutex
	ready func() error
	name  string
}

// errStarting is the reason of /readyz before the first instance is up.
var errStarting = errors.New("starting")

// New starts the health and metrics server; everything else begins with Run.
func New(cfg Config, log zerolog.Logger) (*App, error) {
	a := &App{cfg: cfg, log: log, metrics: newMetrics()}
	a.metrics.keys(keyNames(cfg))
	a.setReady(func() error { return errStarting })
	var err error
	a.ops, err = ops.Start(cfg.HTTPAddr, a.Ready, a.metrics.registry, log)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Run makes an App and runs it.
func Run(intake, work context.Context, cfg Config, log zerolog.Logger) error {
	a, err := New(cfg, log)
	if err != nil {
		return err
	}
	return a.Run(intake, work)
}

// Addr is where /livez, /readyz and /metrics are served.
func (a *App) Addr() string { return a.ops.Addr() }

// Metrics are what /metrics shows.
func (a *App) Metrics() prometheus.Gatherer { return a.metrics.registry }

// Ready returns nil when the worker can answer questions, else why not.
func (a *App) Ready() error {
	a.mu.Lock()
	ready := a.ready
	a.mu.Unlock()
	return ready()
}

func (a *App) setReady(ready func() error) {
	a.mu.Lock()
	a.ready = ready
	a.mu.Unlock()
}

// Instance is the name of the instance that lives now.
func (a *App) Instance() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.name
}

// Run answers questions until intake ends; then it takes no more, finishes what is in hand until work ends, flushes and
// returns. It returns an error only when it can't start: a *budget.LimitsConflictError, or NATS settings that can never
// work. While NATS is away it waits for it.
func (a *App) Run(intake, work context.Context) error {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(work), time.Second)
		defer cancel()
		a.ops.Close(ctx)
	}()
	for reborn := false; ; reborn = true {
		name := newName()
		a.mu.Lock()
		a.name = name
		a.mu.Unlock()
		stop, err := trace.Start(work, "worker", name, a.cfg.OTLPEndpoint)
		if err != nil {
			return fmt.Errorf("start traces: %w", err)
		}
		again, err := a.live(intake, work, name, reborn)
		flush, cancel := context.WithTimeout(context.WithoutCancel(work), time.Second)
		if err := stop(flush); err != nil {
			a.log.Warn().Err(err).Msg("the last traces were not exported")
		}
		cancel()
		if err != nil || !again || intake.Err() != nil {
			return err
		}
	}
}

// newName names an instance: unique, and fit for a subject and a KV key.
func newName() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand, since Go 1.24)
	return "worker-" + hex.EncodeToString(b[:])
}
