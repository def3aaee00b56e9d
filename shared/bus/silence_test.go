package bus_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/bus/bustest"
	"salamander.dev/shared/control"
)

// wire passes connections on until it is cut, as a network is: then nothing comes any more, and no connection closes.
type wire struct {
	net.Listener
	mu  sync.Mutex
	cut bool
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				_ = here.Close()
				return
			}
			t.Cleanup(func() { _, _ = here.Close(), there.Close() })
			go func() { _, _ = io.Copy(muffled{w, there}, here) }()
			go func() { _, _ = io.Copy(muffled{w, here}, there) }()
		}
	}()
	return w
}

// muffled writes what passes a wire that is not cut.
type muffled struct {
	w  *wire
	to net.Conn
}

func (m muffled) Write(b []byte) (int, error) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	if m.w.cut {
		return len(b), nil
	}
	return m.to.Write(b)
}

// TestAServerThatFallsSilentIsLeft: behind a cut network no connection closes; only pings that stay without an answer tell.
func TestAServerThatFallsSilentIsLeft(t *testing.T) {
	t.Parallel()
	ctx, s, _ := setup(t)
	other := bustest.Run(t)
	w := newWire(t, strings.TrimPrefix(s.URL(), "nats://"))
	silent := "nats://" + w.Addr().String()
	var b *bus.Bus
	for b == nil || b.Conn().ConnectedUrl() != silent { // nats.go begins with either
		var err error
		if b, err = bus.Connect(bus.Config{URLs: []string{silent, other.URL()}, Service: control.Worker}, zerolog.Nop()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		if err := b.AwaitConnected(ctx); err != nil {
			t.Fatal(err)
		}
	}
	w.mu.Lock()
	w.cut = true
	w.mu.Unlock()
	await(t, ctx, "the silent server is left", func() bool { return b.Conn().ConnectedUrl() == other.URL() })
}
