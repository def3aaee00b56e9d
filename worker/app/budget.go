package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/shared/bus"
	"salamander.dev/worker/internal/config"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/edge/store"
)

// budgetCommand is `worker budget`.
func budgetCommand(ctx context.Context, args []string, environ map[string]string, out, _ io.Writer) error {
	do, err := budgetVerb(args, environ, out)
	if err != nil {
		return err
	}
	b, err := open(ctx, environ)
	if err != nil {
		return err
	}
	defer b.Close()
	l, err := allKeys(ctx, b)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close(ctx) }()
	if err := do(ctx, l); err != nil {
		return err
	}
	return show(ctx, l, out)
}

// budgetVerb reads the command line, before anything is connected.
func budgetVerb(args []string, environ map[string]string, out io.Writer) (func(context.Context, *store.Ledger) error, error) {
	verb := "show"
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case verb == "show" && len(args) <= 1:
		return func(context.Context, *store.Ledger) error { return nil }, nil
	case verb == "reset" && len(args) == 2:
		return func(ctx context.Context, l *store.Ledger) error {
			if err := l.Reset(ctx, args[1]); err != nil {
				return err
			}
			fmt.Fprintf(out, "%s: what was used in the current windows is forgotten; calls that run stay counted\n", args[1])
			return nil
		}, nil
	case verb == "set-limits" && len(args) == 3:
		limits, err := budget.ParseLimits(args[2])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		return setLimits(out, []config.Key{{Name: args[1], Limits: limits}}), nil
	case verb == "set-limits" && len(args) == 1: // those of the settings
		keys, err := config.LoadKeys(environ)
		return setLimits(out, keys), err
	}
	return nil, errUsage
}

// setLimits changes the limits of keys, those that were used so far.
func setLimits(out io.Writer, keys []config.Key) func(context.Context, *store.Ledger) error {
	return func(ctx context.Context, l *store.Ledger) error {
		for _, k := range keys {
			err := l.SetLimits(ctx, k.Name, k.Limits)
			if errors.Is(err, store.ErrUnknownKey) && len(keys) > 1 {
				fmt.Fprintf(out, "%s: never used; its limits come with the first worker\n", k.Name)
				continue
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s: %s from now on; what was used stays counted. Workers that start must have the same in their settings.\n", k.Name, k.Limits)
		}
		return nil
	}
}

// allKeys opens the ledger with every key that was ever used: a subcommand needs no HF_API_KEYS.
func allKeys(ctx context.Context, b *bus.Bus) (*store.Ledger, error) {
	cfg := store.LedgerConfig{Instance: newName(), Budget: bus.BudgetBucket, Control: bus.ControlBucket, Log: zerolog.Nop()}
	l, err := store.OpenLedger(ctx, b.Conn(), cfg)
	if err != nil {
		return nil, err
	}
	names, err := l.Keys(ctx)
	_ = l.Close(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		cfg.Keys = append(cfg.Keys, store.LedgerKey{Name: n})
	}
	return store.OpenLedger(ctx, b.Conn(), cfg)
}

// show prints a table of keys and limits.
func show(ctx context.Context, l *store.Ledger, out io.Writer) error {
	views, err := l.Snapshot(ctx)
	if err != nil {
		return err
	}
	if len(views) == 0 {
		fmt.Fprintln(out, "no key was ever used: no worker has started yet")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tSTATE\tLIMIT\tUSED\tLEFT\tRESETS AT")
	for _, v := range views {
		state := string(v.State)
		if !v.Until.IsZero() {
			state += " until " + v.Until.UTC().Format(time.RFC3339)
		}
		if v.Lost {
			state += " (its document was lost: current windows count as spent)"
		}
		if len(v.Limits) == 0 {
			fmt.Fprintf(w, "%s\t%s\tnone\t\t\t\n", v.Key, state)
		}
		for _, x := range v.Limits {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Key, state, x.Limit, budget.FormatAmount(x.Limit.Unit, x.Used),
				budget.FormatAmount(x.Limit.Unit, x.Left), x.ResetsAt.UTC().Format(time.RFC3339))
		}
	}
	return w.Flush()
}
