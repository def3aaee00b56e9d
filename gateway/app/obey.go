package app

import (
	"context"
	"time"

	"salamander.dev/shared/control"
)

// haltWithin bounds the wait for posts on the wire when a server is stopped, until whoever asks is told to ask again;
// that is given up after 5 s.
const haltWithin = time.Second

// sync makes this gateway obey an order before it answers: new questions are refused by the mirror's state, what waits
// here is dropped, and what was on the wire has landed.
func (a *App) sync(ctx context.Context, q control.Sync) control.Applied {
	r := a.applied()
	if err := q.Order.Validate(); err != nil {
		r.Error = err.Error()
		a.log.Warn().Err(err).Str("by", string(q.Order.By)).Str("origin", string(q.Order.Origin)).Msg("a control record has no effect")
		return r
	}
	if err := a.mirror.Reach(ctx, q.Order); err != nil {
		r.Error = "the desired state could not be read"
		a.log.Warn().Err(err).Msg("an order could not be read; it is obeyed as soon as it can")
		return r
	}
	r.Revision = a.mirror.Revision()
	switch {
	case q.Order.Verb == control.Stop, q.Order.Verb == control.Reboot && q.Order.Scope != control.Fleet:
		ctx, cancel := context.WithTimeout(ctx, haltWithin)
		defer cancel()
		stopped, err := a.poster.Halt(ctx, q.Order.Scope, q.Order.Command)
		r.Cancelled = stopped
		if err != nil {
			r.Busy, r.Error = true, "a post was still on its way to Discord"
		}
	}
	return r
}

// status says how this gateway is.
func (a *App) status(_ context.Context, o control.Order) control.Applied {
	r := a.applied()
	r.Running, r.RunningTotal = a.poster.Open(o.Scope)
	return r
}

func (a *App) applied() control.Applied {
	return control.Applied{
		Instance: a.instance, Service: control.Gateway, Revision: a.mirror.Revision(), Held: a.desk.Held(), Started: a.started,
	}
}
