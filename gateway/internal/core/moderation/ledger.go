package moderation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"salamander.dev/shared/control"
)

// budget shows every key and limit with a forecast.
func (s *Service) budget(ctx context.Context, o control.Order) (result, error) {
	report, err := s.books.Budget(ctx, o)
	switch {
	case errors.Is(err, ErrNoWorker):
		return alone("nobody can tell of the budget"), err
	case err != nil:
		return away, err
	}
	if len(report.Keys) == 0 {
		return result{text: "No key is known yet: no worker has started.", effect: "shown"}, nil
	}
	const head = "Budget, key by key; the first that has some is used."
	pieces := keys(report, inSentences)
	if !fits(head, pieces) {
		pieces = keys(report, inShort)
	}
	return result{text: sheet(head, pieces), effect: "shown"}, nil
}

// forecast is how much is said of each limit beside its figures: when it resets, and whether it lasts until then.
type forecast int

const (
	unsaid forecast = iota
	inShort
	inSentences
)

// maxKeyRunes is the longest name of a key that the settings allow.
const maxKeyRunes = 32

// keys makes a piece of every key. Notes say when a key is back, and what is to be said of its limits.
func keys(r control.BudgetReport, f forecast) []piece {
	if len(r.Keys) == 0 {
		return nil
	}
	table := [][]string{{"KEY", "STATE", "LIMIT", "USED", "", "LEFT"}}
	ends := make([]int, len(r.Keys)) // the row after a key's last one
	notes := make([][]string, len(r.Keys))
	for i, k := range r.Keys {
		name, state := cut(k.Key, maxKeyRunes), cut(k.State, 10)
		var short []string
		if n := back(k); n != "" {
			notes[i] = append(notes[i], n)
		}
		if len(k.Limits) == 0 {
			table = append(table, []string{name, state, "no limit"})
		}
		for _, l := range k.Limits {
			table = append(table, []string{name, state, cut(l.Limit, 20), amount(l, spent(l)), percent(l), amount(l, left(l))})
			name, state = "", "" // once per key
			switch f {
			case inSentences:
				notes[i] = append(notes[i], fmt.Sprintf("%s %s: %s", inert(cut(k.Key, maxKeyRunes)), inert(cut(l.Limit, 20)), outlook(l, r.At)))
			case inShort:
				short = append(short, brief(l, r.At))
			}
		}
		if len(short) > 0 {
			notes[i] = append(notes[i], inert(cut(k.Key, maxKeyRunes))+": "+strings.Join(short, ", "))
		}
		ends[i] = len(table)
	}
	lines := align(table, 3, 4, 5)
	pieces := make([]piece, len(r.Keys))
	from := 1
	for i, end := range ends {
		pieces[i] = piece{rows: lines[from:end], notes: notes[i]}
		from = end
	}
	pieces[0].rows = append([]string{lines[0]}, pieces[0].rows...)
	if f == unsaid {
		pieces[0].rows = append([]string{""}, pieces[0].rows...) // below the facts of $status
	}
	return pieces
}

// back says when a key that is not in use is tried again.
func back(k control.KeyBudget) string {
	switch {
	case k.State == "refused":
		return inert(cut(k.Key, maxKeyRunes)) + " is refused by Hugging Face; my operators must renew it."
	case k.State == "active" || k.Until.IsZero():
		return ""
	}
	return fmt.Sprintf("%s is %s until %s (%s).", inert(cut(k.Key, maxKeyRunes)), cut(k.State, 10), stamp(k.Until, "f"), stamp(k.Until, "R"))
}

// spent is what a limit can't give any more: used, or reserved by calls that run.
func spent(l control.LimitBudget) float64 { return l.Used + l.Reserved }

func left(l control.LimitBudget) float64 { return max(l.Max-spent(l), 0) }

// amount writes dollars with four decimals and everything else as a whole number.
func amount(l control.LimitBudget, n float64) string {
	if l.Unit == "usd" {
		return fmt.Sprintf("$%.4f", n)
	}
	return fmt.Sprintf("%.0f", n)
}

func percent(l control.LimitBudget) string {
	if l.Max <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", 100*spent(l)/l.Max)
}

// minShown is the part of a window that must have passed before its pace says anything: one part in fifty.
const minShown = 50

// outlook says when a limit resets and whether it lasts until then at the pace since its window began.
func outlook(l control.LimitBudget, now time.Time) string {
	resets := ""
	if !l.ResetsAt.IsZero() {
		resets = "resets " + stamp(l.ResetsAt, "R") + ", "
	}
	at, known := usedUp(l, now)
	switch {
	case left(l) <= 0:
		return resets + "used up."
	case spent(l) <= 0:
		return resets + "not used yet."
	case !known:
		return resets + "too early for a forecast."
	case at.IsZero():
		return resets + "at this pace it lasts until then."
	}
	return fmt.Sprintf("%sat this pace it is used up at %s (%s).", resets, stamp(at, "t"), stamp(at, "R"))
}

// brief is the outlook in a few characters, for many keys.
func brief(l control.LimitBudget, now time.Time) string {
	resets := "resets never"
	if !l.ResetsAt.IsZero() {
		resets = "resets " + stamp(l.ResetsAt, "R")
	}
	switch at, known := usedUp(l, now); {
	case left(l) <= 0:
		return resets
	case spent(l) <= 0 || !known || at.IsZero():
		return resets + " ✓"
	default:
		return resets + " (gone " + stamp(at, "R") + ")"
	}
}

// usedUp is when a limit will be used up at the pace since its window began; zero if it lasts until it resets. It is not
// known while too little of the window has passed.
func usedUp(l control.LimitBudget, now time.Time) (at time.Time, known bool) {
	elapsed := now.Sub(l.StartedAt)
	if spent(l) <= 0 || l.ResetsAt.IsZero() || l.StartedAt.IsZero() || elapsed < l.ResetsAt.Sub(l.StartedAt)/minShown {
		return time.Time{}, false
	}
	// In seconds and compared as numbers: a slow pace would overflow a Duration.
	lastsSeconds := elapsed.Seconds() * left(l) / spent(l)
	if lastsSeconds >= l.ResetsAt.Sub(now).Seconds() {
		return time.Time{}, true
	}
	return now.Add(time.Duration(lastsSeconds * float64(time.Second))), true
}
