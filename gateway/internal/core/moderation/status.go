package moderation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"salamander.dev/shared/control"
)

// status shows whether the bot runs here, who is alive, what waits and what is left; fleet figures for operators.
func (s *Service) status(ctx context.Context, call Call, o control.Order) (result, error) {
	applied, silent, err := s.fleet.Status(ctx, o)
	if err != nil {
		return away, err
	}
	here, err := s.state.Desired(ctx, o.Scope)
	if err != nil {
		return away, err
	}
	all, err := s.state.Desired(ctx, control.Fleet)
	if err != nil {
		return away, err
	}
	v := view{applied: applied, silent: silent, now: time.Now()}
	var missing error
	if v.open, err = s.books.Waiting(ctx, o.Scope); err != nil {
		v.open, missing = -1, err
	}
	v.openAll = -1
	if call.Actor.Operator {
		if v.openAll, err = s.books.Waiting(ctx, control.Fleet); err != nil {
			v.openAll, missing = -1, errors.Join(missing, err)
		}
	}
	head, notes := talking(here, all)
	first := piece{rows: v.facts(call.Actor.Operator), notes: notes}
	if len(silent) > 0 {
		first.notes = append(first.notes, "No answer from "+names(silent)+".")
	}
	pieces := []piece{first}
	if report, err := s.books.Budget(ctx, o); err != nil {
		missing = errors.Join(missing, err)
		why := "The budget can't be read right now."
		if errors.Is(err, ErrNoWorker) {
			why = "No worker is running, so nobody can tell of the budget."
		}
		pieces[0].notes = append(pieces[0].notes, why)
	} else {
		pieces = append(pieces, keys(report, unsaid)...)
	}
	if call.Actor.Operator {
		pieces = append(pieces, v.processes()...)
	}
	return result{text: sheet(head, pieces), effect: "shown"}, missing
}

// talking says whether the bot talks in a server, and if not, since when and by whose word.
func talking(here, all control.Desired) (head string, notes []string) {
	head = "**Running** in this server."
	if all.State == control.Stopped {
		head = "**Stopped** in all servers by my operators."
		notes = append(notes, "Stopped in all servers "+stamp(all.Order.At, "R")+".")
	}
	if here.State == control.Stopped {
		head = "**Stopped** in this server."
		notes = append(notes, fmt.Sprintf("Stopped %s by <@%s>.", stamp(here.Order.At, "R"), here.Order.By))
	}
	return head, notes
}

// view is what the processes said.
type view struct {
	applied []control.Applied
	silent  []string
	// open are the questions of the server on the bus, openAll those of the fleet; -1 when not known.
	open, openAll int
	now           time.Time
}

// facts are the figures that everybody who may ask gets.
func (v view) facts(operator bool) []string {
	var workers, gateways, running, runningAll, posting, postingAll, held int
	var oldestWorker, oldestGateway time.Time
	for _, a := range v.applied {
		number, oldest := &workers, &oldestWorker
		if a.Service == control.Gateway {
			number, oldest = &gateways, &oldestGateway
			posting += a.Running
			postingAll += a.RunningTotal
			held += a.Held // not on the bus yet, of whichever server
		} else {
			running += a.Running
			runningAll += a.RunningTotal
		}
		*number++
		if !a.Started.IsZero() && (oldest.IsZero() || a.Started.Before(*oldest)) {
			*oldest = a.Started
		}
	}
	waiting, now, out := figure(v.open, running, 0), fmt.Sprint(running), fmt.Sprint(posting)
	if operator {
		waiting += ", " + figure(v.openAll, runningAll, held) + " in all servers"
		now += fmt.Sprintf(", %d in all servers", runningAll)
		out += fmt.Sprintf(", %d in all servers", postingAll)
	}
	return align([][]string{
		{"workers", fmt.Sprintf("%d alive", workers)},
		{"gateways", fmt.Sprintf("%d alive", gateways)},
		{"waiting", waiting},
		{"running", now},
		{"posting", out},
		{"uptime", "gateway " + v.age(oldestGateway) + ", worker " + v.age(oldestWorker)},
	})
}

// figure is how many of the open questions wait: those that don't run, and those held before the bus.
func figure(open, running, held int) string {
	if open < 0 {
		return "unknown"
	}
	return fmt.Sprint(max(open-running, 0) + held)
}

// age is how long ago something began.
func (v view) age(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return span(v.now.Sub(t))
}

// processes shows every process to operators.
func (v view) processes() []piece {
	table := [][]string{{"PROCESS", "KIND", "UP", "RUNNING", "HELD"}}
	for _, a := range v.applied {
		table = append(table, []string{
			cut(a.Instance, 24), string(a.Service), v.age(a.Started), fmt.Sprint(a.RunningTotal), fmt.Sprint(a.Held),
		})
	}
	return rowsOf(table, 2, 3, 4)
}

// rowsOf makes a piece of every row; the head of the table, with an empty line before it, goes with the first one.
func rowsOf(table [][]string, right ...int) []piece {
	if len(table) < 2 {
		return nil
	}
	lines := align(table, right...)
	pieces := []piece{{rows: []string{"", lines[0], lines[1]}}}
	for _, l := range lines[2:] {
		pieces = append(pieces, piece{rows: []string{l}})
	}
	return pieces
}
