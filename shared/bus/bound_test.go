package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/control"
)

// TestALostRequestEndsBeforeItsCallersTime: a cluster that elects a leader answers nothing. The request fails by itself
// then, so that it is tried again, however much time the caller has.
func TestALostRequestEndsBeforeItsCallersTime(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server did not become ready")
	}
	silent, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(silent.Close)
	if _, err := silent.Subscribe("$JS.API.>", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if err := silent.Flush(); err != nil {
		t.Fatal(err)
	}
	b, err := bus.Connect(bus.Config{URLs: []string{s.ClientURL()}, Service: control.Gateway}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if err := b.AwaitConnected(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Queue(ctx); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		t.Errorf("the request ended with %v, the caller's time with %v", err, ctx.Err())
	}
}
