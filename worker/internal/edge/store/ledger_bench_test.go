package store_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/edge/store"
)

// BenchmarkReserve reserves and settles one call in the ledger, on a real server: alone, and with 16 callers whose writes
// are combined.
func BenchmarkReserve(b *testing.B) {
	for _, callers := range []int{1, 16} {
		b.Run("callers="+strconv.Itoa(callers), func(b *testing.B) {
			w := setup(b)
			l, _ := w.open(nil, store.LedgerKey{Name: "primary", Limits: limits(b, "1000000000req/1h,1000000000000tok/month")})
			if err := l.EnsureLimits(w.ctx, nobody); err != nil {
				b.Fatal(err)
			}
			var n atomic.Int64
			b.SetParallelism(callers)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					g, err := l.Reserve(w.ctx, budget.Request{
						ID: "b." + strconv.FormatInt(n.Add(1), 10), User: "1", PromptTokens: 100, MaxTokens: 256, Hold: time.Minute,
					})
					if err != nil {
						b.Error(err)
						return
					}
					l.SettleLater(g, budget.Outcome{Kind: budget.Success, UsageKnown: true, Prompt: 90, Completion: 40})
				}
			})
		})
	}
}
