package app

import (
	"context"
	"fmt"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

const (
	// priceEvery is how often the provider's prices are read again: they change without a word.
	priceEvery = time.Hour
	// priceRetry is the pause after a failure.
	priceRetry = 5 * time.Second
)

// price is what a token costs, as far as it is known.
func (l *instance) price() budget.Price {
	if p := l.cost.Load(); p != nil {
		return *p
	}
	return l.cfg.Price.Fixed
}

// followPrice reads the model's price until ctx ends. As long as none is known, keys with a limit in dollars grant
// nothing, and questions wait.
func (l *instance) followPrice(ctx context.Context) {
	for {
		pause := priceEvery
		p, err := l.readPrice(ctx)
		switch {
		case err == nil:
			l.cost.Store(&p)
			l.ledger.SetPrice(p)
		case ctx.Err() != nil:
			return
		case l.cost.Load() == nil:
			pause = priceRetry
			l.log.Warn().Err(err).Msg("HF_PRICE=auto: the model's price is not known; limits in usd grant nothing until it is. Check HF_MODEL, or give HF_PRICE=<in>/<out>")
		default:
			l.log.Warn().Err(err).Msg("HF_PRICE=auto: the model's price could not be read again; the last one holds")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// readPrice asks with each key in turn: one that is refused must not hide the price.
func (l *instance) readPrice(ctx context.Context) (budget.Price, error) {
	var last error
	for _, k := range l.cfg.Keys {
		in, out, err := l.model.Prices(ctx, k.Name)
		if err == nil {
			return budget.PricePerMillion(in, out)
		}
		last = fmt.Errorf("key %s: %w", k.Name, err)
	}
	return budget.Price{}, last
}
