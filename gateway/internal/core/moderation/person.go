package moderation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"salamander.dev/shared/control"
)

// mute writes a mute or lifts one, and lets every process know.
func (s *Service) mute(ctx context.Context, call Call, o control.Order) (result, error) {
	revision, err := s.state.Mute(ctx, o)
	if err != nil {
		return result{}, err
	}
	applied, silent, err := s.fleet.Sync(ctx, control.Sync{Order: o, Revision: revision})
	e := hear(applied, silent, revision)
	who := "<@" + string(o.Target) + ">"
	if o.Verb == control.Unmute {
		return result{text: join("I listen to "+who+" in this server again.", e.exceptions()), effect: join("unmuted.", e.exceptions())}, err
	}
	until := "until " + code(call.Command.Mark+string(Unmute))
	if !o.Until.IsZero() {
		until = fmt.Sprintf("until %s (%s)", stamp(o.Until, "f"), stamp(o.Until, "R"))
	}
	text := fmt.Sprintf("Muted: I ignore %s in this server %s.", who, until)
	if o.Reason != "" {
		text = join(text, "Reason: "+inert(o.Reason))
	}
	return result{text: join(text, e.exceptions()), effect: join("muted "+until+".", e.exceptions())}, err
}

// exceptions names the processes that did not obey; empty when all did.
func (e echo) exceptions() string {
	if len(e.behind) == 0 && len(e.broken) == 0 {
		return ""
	}
	return e.obeyed()
}

// forget deletes what is stored of the asker in this channel.
func (s *Service) forget(ctx context.Context, o control.Order) (result, error) {
	f, err := s.books.Forget(ctx, o)
	switch {
	case errors.Is(err, ErrNoWorker):
		return alone("nothing was deleted"), err
	case err != nil:
		return result{}, err
	}
	if f.Error != "" {
		return result{text: "I couldn't delete all of it. Please try again in a moment.", effect: "incomplete: " + f.Error},
			fmt.Errorf("forget: %s", f.Error)
	}
	var also []string
	if f.Answers > 0 {
		also = append(also, count(f.Answers, "stored answer"))
	}
	if f.DeadLetters > 0 {
		also = append(also, count(f.DeadLetters, "failed question"))
	}
	text := "Forgotten: I remember nothing of you here."
	switch {
	case len(also) > 0:
		text = join(text, "Deleted too: "+strings.Join(also, " and ")+".")
	case f.Memories == 0:
		text = "There was nothing to forget: I remember nothing of you here."
	}
	return result{text: text, effect: fmt.Sprintf("forgot %d memories, %d answers, %d dead letters", f.Memories, f.Answers, f.DeadLetters)}, nil
}

// help lists what the asker may use, and nothing else.
func help(a Actor, mark string) string {
	var b strings.Builder
	b.WriteString("What you can tell me")
	if a.Direct {
		b.WriteString(" in direct messages")
	}
	b.WriteString(":")
	for _, e := range catalogue {
		if e.who == moderators && !a.moderates() || a.Direct && !e.direct || e.name == Ignore && mark == "/" {
			continue
		}
		form := mark + string(e.name) + e.takes
		if e.all && a.Operator {
			form += " [all]"
		}
		fmt.Fprintf(&b, "\n%s %s", code(form), e.does)
	}
	return b.String()
}
