package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/doctor"
	"salamander.dev/worker/internal/config"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/edge/store"
)

// doctorCommand is `worker doctor`: it examines what a worker needs. With --call it makes one smallest call with each
// key, reserved in the ledger like any other.
func doctorCommand(ctx context.Context, args []string, environ map[string]string, out, _ io.Writer) error {
	call := len(args) == 1 && args[0] == "--call"
	if len(args) > 0 && !call {
		return errUsage
	}
	cfg, err := config.Load(environ)
	if err != nil {
		return err
	}
	s := doctor.New(out)
	s.Well("settings", "%s, model %s, %d calls at a time", cfg.HFTask, orNone(cfg.HFModel), cfg.Concurrency)
	for _, k := range cfg.Keys {
		s.Well("limits of "+k.Name, "%s", k.Limits)
	}
	b, err := bus.Connect(busConfig(cfg.Common), zerolog.Nop())
	if err != nil {
		return err
	}
	defer b.Close()
	connected := s.NATS(ctx, b, cfg.NATSProvision)
	if connected {
		if err := compareLimits(ctx, b, cfg); err != nil {
			s.Ill("limits", "%v", err)
		}
	}
	switch {
	case !call:
		s.Well("keys", "%s: not called; --call makes one smallest call with each", strings.Join(keyNames(cfg), ", "))
	case !connected:
		s.Ill("keys", "not called: without NATS nothing can be reserved for a call")
	default:
		if err := callKeys(ctx, s, b, cfg); err != nil {
			s.Ill("keys", "not called: %v", err)
		}
	}
	return s.Err()
}

// compareLimits says whether a worker with these settings would start beside those that live. Where there is no ledger yet, it would.
func compareLimits(ctx context.Context, b *bus.Bus, cfg Config) error {
	if missing, _ := b.Examine(ctx); len(missing) > 0 {
		return nil
	}
	l := &instance{App: &App{cfg: cfg}, name: newName(), log: zerolog.Nop(), bus: b}
	ledger, err := store.OpenLedger(ctx, b.Conn(), l.ledgerConfig())
	if err != nil {
		return err
	}
	defer func() { _ = ledger.Close(ctx) }()
	return ledger.CheckLimits(ctx, l.others)
}

func orNone(s string) string {
	if s == "" {
		return "of the endpoint"
	}
	return s
}

// doctorCall bounds one call.
const doctorCall = 30 * time.Second

// callKeys makes one call with each key.
func callKeys(ctx context.Context, s *doctor.Sheet, b *bus.Bus, cfg Config) error {
	l := &instance{App: &App{cfg: cfg}, name: newName(), log: zerolog.Nop(), bus: b}
	if err := b.Open(ctx, cfg.NATSProvision == "auto", func(error) {}); err != nil {
		return err
	}
	ledger, err := store.OpenLedger(ctx, b.Conn(), l.ledgerConfig())
	if err != nil {
		return err
	}
	defer func() { _ = ledger.Close(ctx) }()
	l.ledger = ledger
	if err := ledger.EnsureLimits(ctx, l.others); err != nil {
		return err
	}
	model, err := newModel(cfg)
	if err != nil {
		return err
	}
	defer model.Close()
	for _, k := range cfg.Keys {
		var others []string
		for _, name := range keyNames(cfg) {
			if name != k.Name {
				others = append(others, name)
			}
		}
		examineKey(ctx, s, ledger, model, l.name, k.Name, others)
	}
	return nil
}

// examineKey makes one smallest call.
func examineKey(ctx context.Context, s *doctor.Sheet, ledger budget.Ledger, model answer.Model, who, key string, others []string) {
	ctx, cancel := context.WithTimeout(ctx, doctorCall)
	defer cancel()
	what := "key " + key
	g, err := ledger.Reserve(ctx, budget.Request{ID: "doctor." + who + "." + key, PromptTokens: 64, MaxTokens: 1, Hold: doctorCall, Exclude: others})
	if err != nil {
		s.Ill(what, "not called: %v", err)
		return
	}
	begin := time.Now()
	c, err := model.Complete(ctx, answer.Call{Key: key, MaxTokens: g.MaxTokens, Prompt: answer.Prompt{
		Persona: "Salamander", Turns: []answer.Turn{{Role: answer.RoleUser, Text: "Hi"}},
	}})
	if err == nil {
		s.Well(what, "answered in %s", time.Since(begin).Round(time.Millisecond))
		_ = ledger.Settle(ctx, g, budget.Outcome{Kind: budget.Success, UsageKnown: c.UsageKnown, Prompt: int64(c.PromptTokens), Completion: int64(c.CompletionTokens)})
		return
	}
	_ = ledger.Settle(ctx, g, budget.Outcome{Kind: budget.Failed}) // charged as reserved; what the key is, workers find out
	var e *answer.CallError
	if !errors.As(err, &e) {
		s.Ill(what, "%v", err)
		return
	}
	s.Ill(what, "%s. %s", e.Message, adviceFor(e))
}

// adviceFor says what to do about a failed call.
func adviceFor(e *answer.CallError) string {
	switch e.Class {
	case answer.Refused:
		return fmt.Sprintf("Hugging Face refuses it (%d): make a token with the right \"Make calls to Inference Providers\" and put it into HF_API_KEYS.", e.Status)
	case answer.NoCredit:
		return "Its account has no credit left (402): buy credits, or wait for the month's turn."
	case answer.RateLimited:
		return "Hugging Face limits it now (429): workers wait by themselves; lower BUDGET_LIMITS if this is often so."
	case answer.Fatal:
		return fmt.Sprintf("The call itself is wrong (%d): check HF_MODEL, HF_TASK and HF_BASE_URL.", e.Status)
	case answer.Retry:
		return "Try again; if it lasts, look at the provider's status or choose another (HF_MODEL=model:provider)."
	}
	return ""
}
