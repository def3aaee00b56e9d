package stack

import (
	"context"
	"fmt"
	"os"
	"strings"

	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// World is a stack with a simulated Discord and a simulated Hugging Face in this process, whose books judge it.
type World struct {
	*Stack
	Discord *discordsim.Server
	Hugging *hfsim.Server
	dir     string
}

// Settings are the environment under which gateways and workers talk to the simulators.
func Settings(d *discordsim.Server, h *hfsim.Server) (gateway, worker map[string]string) {
	token := d.Token
	if token == "" {
		token = discordsim.DefaultToken
	}
	keys := []string{"primary=hf_simulated_primary", "second=hf_simulated_second"}
	if len(h.Keys) > 0 {
		keys = keys[:0]
		for _, k := range h.Keys {
			keys = append(keys, k.Name+"="+k.Token)
		}
	}
	return map[string]string{"DISCORD_TOKEN": token, "DISCORD_BASE_URL": d.URL()},
		map[string]string{"HF_BASE_URL": h.URL(), "HF_MODEL": "salamander/simulated", "HF_API_KEYS": strings.Join(keys, ",")}
}

// NewWorld starts both simulators as they are given (nil: as they come) and prepares a stack; no process runs yet.
// What cfg sets wins over the simulators' settings. An empty cfg.Dir is a temporary one, removed by Close.
func NewWorld(cfg Config, d *discordsim.Server, h *hfsim.Server) (*World, error) {
	if d == nil {
		d = &discordsim.Server{}
	}
	if h == nil {
		h = &hfsim.Server{}
	}
	w := &World{Discord: d, Hugging: h}
	if err := d.Start(""); err != nil {
		return nil, fmt.Errorf("start the simulated Discord: %w", err)
	}
	if err := h.Start(""); err != nil {
		d.Close()
		return nil, fmt.Errorf("start the simulated Hugging Face: %w", err)
	}
	if cfg.Dir == "" {
		dir, err := os.MkdirTemp("", "salamander-")
		if err != nil {
			return nil, fmt.Errorf("make a folder for the store: %w", err)
		}
		cfg.Dir, w.dir = dir, dir
	}
	gateway, worker := Settings(d, h)
	cfg.GatewayEnv, cfg.WorkerEnv = over(gateway, cfg.GatewayEnv), over(worker, cfg.WorkerEnv)
	var err error
	w.Stack, err = New(cfg)
	return w, err
}

// over returns base with what more sets.
func over(base, more map[string]string) map[string]string {
	for k, v := range more {
		base[k] = v
	}
	return base
}

// Up starts NATS, gateways and workers and returns when all are ready.
func (w *World) Up(ctx context.Context, gateways, workers int) error {
	nats, err := w.Start(NATS, nil)
	if err != nil {
		return err
	}
	if err := w.Ready(ctx, nats); err != nil {
		return err
	}
	var all []*Process
	for range workers {
		p, err := w.Start(Worker, nil)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	for range gateways {
		p, err := w.Start(Gateway, nil)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	for _, p := range all {
		if err := w.Ready(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// Close stops everything and removes a temporary store.
func (w *World) Close(ctx context.Context) {
	w.Stack.Close(ctx)
	w.Discord.Close()
	w.Hugging.Close()
	if w.dir != "" {
		_ = os.RemoveAll(w.dir)
	}
}
