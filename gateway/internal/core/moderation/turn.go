package moderation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// turn stops, starts or reboots a server, or stops and starts the fleet: write the state, ask every process to reach
// it, say what that did.
func (s *Service) turn(ctx context.Context, call Call, o control.Order) (result, error) {
	counted := make(chan int, 1)
	go func() { // beside the write, which must not wait for it; but before anything is dropped
		open := 0
		if o.Verb != control.Start {
			open = s.waiting(ctx, o.Scope)
		}
		counted <- open
	}()
	before, _, revision, changed, err := s.state.Apply(ctx, o)
	open := <-counted
	if err != nil {
		return result{}, err
	}
	if !changed && before.Order.Command > o.Command {
		return result{text: textNewer, effect: "nothing: a newer command was faster"}, nil
	}
	applied, silent, err := s.fleet.Sync(ctx, control.Sync{Order: o, Revision: revision})
	e := hear(applied, silent, revision)
	obeyed := e.obeyed()
	if err != nil && len(applied)+len(silent) == 0 { // else they were asked, and something beside it failed
		obeyed = "It is written down, but I couldn't ask my processes; each obeys as soon as it can be reached."
	}
	head := headline(call.Command, o, before)
	if o.Verb == control.Start {
		return result{text: join(head, s.stillStopped(ctx, o.Scope), obeyed), effect: join("started.", obeyed)}, err
	}
	lost := e.lost(open)
	return result{text: join(head, lost, s.stillStopped(ctx, o.Scope), obeyed), effect: join(past[o.Verb], lost, obeyed)}, err
}

const textNewer = "A newer command was faster, so this one changed nothing."

// past is what the audit calls an effect.
var past = map[control.Verb]string{control.Stop: "stopped.", control.Reboot: "rebooted."}

// headline says what holds from now on.
func headline(c Command, o control.Order, before control.Desired) string {
	where, start := "in this server", c.words(Start)
	if o.Scope == control.Fleet {
		where, start = "in all servers", code(c.Mark+string(Start)+" all")
	}
	already := before.State == control.Stopped
	if before.Order.Command == o.Command {
		// The write was made twice, since the answer to the first was lost: what was before that is not known.
		already = o.Verb == control.Start
	}
	switch {
	case o.Verb == control.Stop && already:
		return fmt.Sprintf("I was stopped already and stay silent %s until %s.", where, start)
	case o.Verb == control.Stop:
		return fmt.Sprintf("Stopped: I am silent %s until %s.", where, start)
	case o.Verb == control.Reboot:
		return "Rebooted: I forgot what I remembered of this server and begin anew."
	case !already:
		return fmt.Sprintf("I was not stopped %s.", where)
	case o.Scope == control.Fleet:
		return "Started: I answer again in all servers but those with a stop of their own."
	}
	return "Started: I answer in this server again."
}

// stillStopped warns that a server's own state is not all: a fleet-wide stop goes on. Empty for the fleet itself.
func (s *Service) stillStopped(ctx context.Context, scope control.Scope) string {
	if scope == control.Fleet {
		return ""
	}
	if d, err := s.state.Desired(ctx, control.Fleet); err != nil || d.State != control.Stopped {
		return ""
	}
	return "My operators stopped me in all servers, so I stay silent until they start me again."
}

// waiting counts open questions for an answer; a count that can't be had soon is 0, since nothing must wait for it.
func (s *Service) waiting(ctx context.Context, scope control.Scope) int {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CountWithin)
	defer cancel()
	n, err := s.books.Waiting(ctx, scope)
	if err != nil {
		return 0
	}
	return n
}

// rebootAll lets every worker begin anew, one after another, and says how many did and how long it took.
func (s *Service) rebootAll(ctx context.Context, call Call, o control.Order) (result, error) {
	begun := time.Now()
	writing, cancel := context.WithTimeout(ctx, s.cfg.Within)
	before, after, revision, changed, err := s.state.Apply(writing, o)
	workers := 0
	if err == nil && (changed || before.Order.Command <= o.Command) {
		// The nudge; whoever misses it reads the state by itself, so its failure is none.
		applied, _, _ := s.fleet.Sync(writing, control.Sync{Order: o, Revision: revision})
		for _, a := range applied {
			if a.Service == control.Worker && a.Epoch < after.Epoch { // else it began anew already, while we asked
				workers++
			}
		}
	}
	cancel()
	switch {
	case err != nil:
		return result{}, err
	case !changed && before.Order.Command > o.Command:
		return result{text: textNewer, effect: "nothing: a newer command was faster"}, nil
	}
	done, silent, err := s.awaitReboot(ctx, call, after.Epoch, workers)
	took := span(time.Since(begun))
	if err != nil {
		text := fmt.Sprintf("My workers are being started anew, but after %s I can't follow it any longer; %s shows how they are.", took, call.Command.words(Status))
		return result{text: text, effect: "rebooting; the end was not seen"}, err
	}
	text := fmt.Sprintf("Rebooted: %s began anew in %s.", count(done, "worker"), took)
	if done == 0 && len(silent) == 0 {
		text = "No worker is alive; the next one that starts begins anew anyway."
	}
	if len(silent) > 0 {
		text = join(text, "Not yet: "+names(silent)+".")
	}
	return result{text: text, effect: text}, nil
}

// awaitReboot waits for the workers and says once that it is under way when that takes long.
func (s *Service) awaitReboot(ctx context.Context, call Call, epoch chat.Snowflake, expected int) (done int, silent []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RebootWithin)
	defer cancel()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		done, silent, err = s.fleet.AwaitReboot(ctx, epoch, expected)
	}()
	progress := time.NewTimer(s.cfg.ProgressAfter)
	defer progress.Stop()
	select {
	case <-finished:
	case <-progress.C:
		// Posted here and not beside the wait, so that it can't overtake the final answer. It is a courtesy: a failure
		// shows again at the answer itself.
		telling, cancel := s.detached(ctx, s.cfg.Within)
		_ = s.voice.Reply(telling, call.Place, Progress, "Rebooting, one worker after another, so that no question is lost. I'll say when it is done.")
		cancel()
		<-finished
	}
	return done, silent, err
}

// echo is what the processes answered.
type echo struct {
	good               int
	behind, broken     []string
	cancelled          int
	heldByGateways     int
	droppedByWorkers   int
	cancelledByWorkers int
}

// hear sums up what processes answered to a Sync; one that is at an older revision did not obey.
func hear(applied []control.Applied, silent []string, revision uint64) echo {
	e := echo{behind: silent}
	for _, a := range applied {
		e.cancelled += a.Cancelled
		if a.Service == control.Worker {
			e.droppedByWorkers += a.Dropped
			e.cancelledByWorkers += a.Cancelled
		} else {
			e.heldByGateways += a.Dropped
		}
		switch {
		case a.Error != "":
			e.broken = append(e.broken, a.Instance)
		case a.Revision < revision:
			e.behind = append(e.behind, a.Instance)
		default:
			e.good++
		}
	}
	return e
}

// lost says how many questions ended without an answer. open are those that were on the bus before, running ones
// included; what gateways hold is not on it yet.
func (e echo) lost(open int) string {
	dropped := max(open-e.cancelledByWorkers, e.droppedByWorkers) + e.heldByGateways
	switch {
	case dropped == 0 && e.cancelled == 0:
		return "Nothing was waiting or running."
	case e.cancelled == 0:
		return fmt.Sprintf("Dropped %s.", count(dropped, "waiting question"))
	case dropped == 0:
		return fmt.Sprintf("Cancelled %s.", count(e.cancelled, "running answer"))
	}
	return fmt.Sprintf("Dropped %s and cancelled %s.", count(dropped, "waiting question"), count(e.cancelled, "running answer"))
}

// obeyed says how many processes obey and names the others.
func (e echo) obeyed() string {
	all := e.good + len(e.behind) + len(e.broken)
	var text string
	switch {
	case all == 0:
		return "No process answered; each obeys as soon as it lives."
	case e.good == all:
		return fmt.Sprintf("%s obeyed.", upperFirst(count(all, "process")))
	default:
		text = fmt.Sprintf("%d of %s obeyed.", e.good, count(all, "process"))
	}
	if len(e.behind) > 0 {
		text = join(text, "No answer from "+names(e.behind)+"; whoever missed it obeys as soon as it can be reached.")
	}
	if len(e.broken) > 0 {
		text = join(text, "Trouble in "+names(e.broken)+"; my operators' logs say why.")
	}
	return text
}

// join puts sentences behind each other, empty ones left out.
func join(sentences ...string) string {
	var b strings.Builder
	for _, s := range sentences {
		if s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s)
	}
	return b.String()
}
