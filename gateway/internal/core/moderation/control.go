package moderation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"salamander.dev/shared/control"
)

// Sentences for when NATS can't be reached.
const (
	textAway    = "I can't reach the rest of me right now, so nothing was done. Please try again in a moment."
	textUnknown = "I lost the connection to the rest of me while doing that, so I don't know whether it took effect. Please try again in a moment."
)

// result is what a command led to.
type result struct {
	// text is for the asker, effect for the audit.
	text, effect string
	// failed says that nothing happened.
	failed bool
}

// away is the result of a question that nobody could be asked.
var away = result{text: textAway, effect: "nothing: NATS is away", failed: true}

// alone is the result of a question that a worker answers while there is none.
func alone(so string) result {
	return result{text: "None of my workers is running right now, so " + so + ". Please try again later.", effect: "nothing: no worker is running", failed: true}
}

// control carries out a command that goes over NATS: claim, then effect. Answer and audit follow ([Service.Tell]).
func (s *Service) control(ctx context.Context, call Call, ground control.Ground) (Report, error) {
	if text := s.unwise(call); text != "" {
		return s.say(ctx, call, text)
	}
	audit := newAudit(call, ground)
	o := call.order(ground, time.Now().UTC())
	if err := o.Validate(); err != nil { // what every process would refuse is not sent
		audit.Failed, audit.Effect = true, "refused: malformed"
		r, unclaimed := s.say(ctx, call, "I can't read that command; nothing was done.")
		r.Audit = audit
		return r, errors.Join(err, unclaimed)
	}
	mine, err := s.claim(ctx, call, false)
	if err != nil {
		audit.Failed, audit.Effect = true, "nothing: NATS is away"
		return Report{Audit: audit, place: call.Place, part: Trouble, text: textAway}, err
	}
	if !mine {
		return Report{Lost: true}, nil
	}
	stop := s.keep(call.Place)
	r, err := s.obey(ctx, call, o)
	stop()
	if err != nil {
		err = fmt.Errorf("%s %s: %w", o.Verb, o.Scope, err)
	}
	if r.text == "" {
		r = result{text: textUnknown, effect: "unknown: NATS went away", failed: true}
	}
	part := Final
	if r.failed {
		part = Trouble
	}
	audit.Effect, audit.Failed = r.effect, r.failed
	return Report{
		Audit: audit, place: call.Place, part: part, text: r.text, claimed: true,
		lasting: !r.failed && o.Verb != control.Status && o.Verb != control.Budget,
		listed:  ground != control.Self, // what people delete of their own is nobody's control command
	}, err
}

// obey does what an order says. An error without a result means that the effect is not known; with one, that something
// beside it failed.
func (s *Service) obey(ctx context.Context, call Call, o control.Order) (result, error) {
	if o.Verb == control.Reboot && o.Scope == control.Fleet {
		return s.rebootAll(ctx, call, o)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Within)
	defer cancel()
	switch o.Verb {
	case control.Stop, control.Start, control.Reboot:
		return s.turn(ctx, call, o)
	case control.Mute, control.Unmute:
		return s.mute(ctx, call, o)
	case control.Forget:
		return s.forget(ctx, o)
	case control.Status:
		return s.status(ctx, call, o)
	case control.Budget:
		return s.budget(ctx, o)
	}
	return result{}, fmt.Errorf("%w: unknown command", control.ErrRefused)
}

// unwise says why a command that its author may give is not carried out.
func (s *Service) unwise(call Call) string {
	switch c := call.Command; {
	case c.Name != Mute:
		return ""
	case c.Target == s.cfg.Bot():
		return "That is me, and I never answer myself. " + c.words(Stop) + " silences me."
	case c.Target == call.Actor.User:
		return "That is you; nobody was muted."
	}
	return ""
}

// order makes the record that goes over NATS.
func (call Call) order(g control.Ground, now time.Time) control.Order {
	e, _ := lookup(call.Command.Name)
	o := control.Order{
		Command: cmp.Or(call.Place.Mark, call.Place.Command.Snowflake()), Verb: e.verb, Scope: call.scope(),
		Origin: call.Place.Guild, Channel: call.Place.Channel, By: call.Actor.User, ByName: call.Actor.Name,
		Ground: g, Target: call.Command.Target, Reason: call.Command.Reason, At: now,
	}
	if call.Command.For > 0 {
		o.Until = now.Add(call.Command.For + time.Second - 1).Truncate(time.Second) // not a moment too short
	}
	return o
}

// detached is bounded, and not ended by a drain, which leaves it Config.Within.
func (s *Service) detached(ctx context.Context, long time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), long)
	keep := context.AfterFunc(ctx, func() {
		late := time.NewTimer(s.cfg.Within)
		defer late.Stop()
		select {
		case <-late.C:
			cancel()
		case <-out.Done():
		}
	})
	return out, func() { keep(); cancel() }
}
