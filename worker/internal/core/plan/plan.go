// Package plan answers one question before anything is deployed: will my keys carry my users? It uses the same limits
// and windows as the ledger, and no clock: the demand is a day of so many active hours, the same every day.
package plan

import (
	"fmt"
	"math"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

// Input is who will ask how much, and what the keys may use.
type Input struct {
	Users         int // who ask on one day
	Lines         int // questions of one user on one day
	Hours         int // hours of a day over which they are spread evenly, 1 to 24
	Days          int // days of a month with such a day, 1 to 31
	TokensPerLine int // tokens of one question with its answer and everything that is sent along
	AnswerTokens  int // of these, tokens of the answer: matters for the price only
	Price         budget.Price
	Limits        budget.Limits // of one key
	Keys          int           // how many keys of this kind
}

// Check returns what is wrong with the input, as a sentence for the person who typed it.
func (in Input) Check() error {
	for _, f := range []struct {
		name          string
		value, lo, hi int
	}{
		{"users", in.Users, 1, 1e9}, {"lines", in.Lines, 1, 1e6}, {"hours", in.Hours, 1, 24}, {"days", in.Days, 1, 31},
		{"tokens-per-line", in.TokensPerLine, 1, 1e7}, {"answer-tokens", in.AnswerTokens, 0, 1e7}, {"keys", in.Keys, 1, 1e6},
	} {
		if f.value < f.lo || f.value > f.hi {
			return fmt.Errorf("%s %d: want %d to %d", f.name, f.value, f.lo, f.hi)
		}
	}
	if in.AnswerTokens > in.TokensPerLine {
		return fmt.Errorf("answer-tokens %d: want at most tokens-per-line, %d", in.AnswerTokens, in.TokensPerLine)
	}
	if in.Limits.Needs(budget.Dollars) && in.Price.IsZero() {
		return fmt.Errorf("limits %s: a limit in usd needs a price: give --price, like 0.1/0.3 (USD for a million tokens of prompts and of answers)", in.Limits)
	}
	return in.countable()
}

// Bounds of what is counted, far from where integers and floats lose their exactness or overflow.
const (
	maxTokens  = 1e15 // of a month
	maxDollars = 4e6 * 1e12
	maxKeys    = 1e15
)

// countable refuses a demand that can't be counted, each number of which may be fine by itself.
func (in Input) countable() error {
	day := float64(in.Users) * float64(in.Lines)
	month := day * float64(in.Days)
	if tokens := month * float64(in.TokensPerLine); tokens > maxTokens {
		return fmt.Errorf("tokens-per-line %d: %.3g questions of that make %.3g tokens a month; want at most %.3g", in.TokensPerLine, month, tokens, maxTokens)
	}
	perLine := in.perLine()
	if dollars := month * float64(perLine); dollars > maxDollars {
		return fmt.Errorf("price: %.3g questions a month cost more than %.3g dollars; want at most that", month, maxDollars/1e12)
	}
	for _, l := range in.Limits {
		if r := in.limit(l, perLine, day/float64(in.Hours), day); r.Demand/float64(l.Amount) > maxKeys {
			return fmt.Errorf("limits %s: more than %.3g keys would be needed; want a larger limit", l, maxKeys)
		}
	}
	return nil
}

// perLine is what one question costs, in pico-dollars.
func (in Input) perLine() int64 {
	return in.Price.Cost(int64(in.TokensPerLine-in.AnswerTokens), int64(in.AnswerTokens))
}

// Result is the answer.
type Result struct {
	PerHour    float64 // questions in one active hour
	PerDay     int64
	PerMonth   int64
	Tokens     int64 // tokens of a month
	Dollars    int64 // pico-dollars of a month
	Limits     []LimitResult
	Fits       bool
	Load       float64 // the highest load factor: demand over supply; 0 without limits
	KeysNeeded int     // keys of this kind that would carry it
}

// LimitResult is one limit beside the demand in one of its windows.
type LimitResult struct {
	Limit  budget.Limit
	Demand float64 // in the busiest window, in the limit's unit (pico-dollars for dollars)
	Supply float64 // of all keys
	Fits   bool
	Load   float64
	Keys   int // that would carry it
	// RunsOutDay is the day of the month, from 1, on which a window longer than a day is used up; 0: it is not, or the
	// window is shorter.
	RunsOutDay int
	// RunsOutAfter is how long into a busy window of a day or less it is used up, in active hours; 0: it is not.
	RunsOutAfter time.Duration
}

// Compute answers the question. The input must have passed Check.
func Compute(in Input) Result {
	day := int64(in.Users) * int64(in.Lines)
	r := Result{
		PerDay: day, PerMonth: day * int64(in.Days), PerHour: float64(day) / float64(in.Hours),
		Fits: true, KeysNeeded: 1,
	}
	r.Tokens = r.PerMonth * int64(in.TokensPerLine)
	perLine := in.perLine()
	r.Dollars = r.PerMonth * perLine
	for _, l := range in.Limits {
		lr := in.limit(l, perLine, r.PerHour, float64(day))
		r.Limits = append(r.Limits, lr)
		r.Fits = r.Fits && lr.Fits
		r.Load = max(r.Load, lr.Load)
		r.KeysNeeded = max(r.KeysNeeded, lr.Keys)
	}
	return r
}

// limit compares one limit with the demand in its busiest window.
func (in Input) limit(l budget.Limit, perLine int64, perHour, perDay float64) LimitResult {
	cost := 1.0 // of one question in the limit's unit
	switch l.Unit {
	case budget.Tokens:
		cost = float64(in.TokensPerLine)
	case budget.Dollars:
		cost = float64(perLine)
	}
	lines := in.lines(l.Window, perHour, perDay)
	lr := LimitResult{Limit: l, Demand: lines * cost, Supply: float64(l.Amount) * float64(in.Keys)}
	lr.Load = lr.Demand / lr.Supply
	lr.Fits = lr.Demand <= lr.Supply
	lr.Keys = int(math.Ceil(lr.Demand / float64(l.Amount)))
	if lr.Fits {
		return lr
	}
	if l.Window.Length() > 24*time.Hour {
		lr.RunsOutDay = int(math.Ceil(lr.Supply / (perDay * cost)))
	} else {
		lr.RunsOutAfter = time.Duration(lr.Supply / (perHour * cost) * float64(time.Hour))
	}
	return lr
}

// lines returns how many questions fall into the busiest window: the active hours stand together, so a window that is
// not longer than they are is full, one of several days holds whole days, one of 30 days a month's.
func (in Input) lines(w budget.Window, perHour, perDay float64) float64 {
	if w == budget.Month {
		return perDay * float64(in.Days)
	}
	days := int(w.Length() / (24 * time.Hour))
	rest := w.Length() - time.Duration(days)*24*time.Hour
	active := days/30*in.Days + min(days%30, in.Days)
	return float64(active)*perDay + min(rest.Hours(), float64(in.Hours))*perHour
}
