package moderation

import (
	"time"

	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/budget"
)

// Report turns the ledger's view into what $budget shows, with limits as spell writes them. What calls in flight have
// reserved is part of Used: the ledger counts it as used until they end.
func Report(views []budget.KeyView, at time.Time, spell func(key string, l budget.Limit) string) control.BudgetReport {
	r := control.BudgetReport{At: at}
	for _, v := range views {
		k := control.KeyBudget{Key: v.Key, State: string(v.State), Until: v.Until}
		for _, l := range v.Limits {
			w := l.Limit.Window
			k.Limits = append(k.Limits, control.LimitBudget{
				Limit: spell(v.Key, l.Limit), Unit: string(l.Limit.Unit),
				Max: Amount(l.Limit.Unit, l.Limit.Amount), Used: Amount(l.Limit.Unit, l.Used),
				ResetsAt: l.ResetsAt, StartedAt: w.Start(w.ID(l.ResetsAt) - 1),
			})
		}
		r.Keys = append(r.Keys, k)
	}
	return r
}

// picoPerDollar is the ledger's unit of money.
const picoPerDollar = 1e12

// Amount is an amount of a unit for people and metrics: dollars instead of pico-dollars.
func Amount(u budget.Unit, n int64) float64 {
	if u == budget.Dollars {
		return float64(n) / picoPerDollar
	}
	return float64(n)
}
