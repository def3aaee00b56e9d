package outbound

import (
	"context"
	"testing"
	"testing/synctest"
)

// What was on the wire when its server was stopped is waited for; should it have failed, it is not tried again.
func TestAFlightThatWasRevokedOnTheWireEndsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fs flights
		ctx, over := fs.begin(t.Context(), "10")
		land, ok := Depart(ctx)
		if !ok {
			t.Fatal("it may not depart")
		}
		halted := make(chan error)
		go func() { halted <- fs.halt(t.Context(), "10") }()
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("it is taken off the wire")
		}
		land()
		if _, ok := Depart(ctx); ok || ctx.Err() != context.Canceled {
			t.Errorf("it departs again: %t, its context: %v", ok, ctx.Err())
		}
		over()
		if err := <-halted; err != nil {
			t.Error(err)
		}
	})
}
