// Package bustest runs a real nats-server with JetStream inside a test. Only tests, deployments and simulators import
// it, so that no service's binary contains a server.
package bustest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/control"
)

// Server is an embedded nats-server that can be stopped and started on the same port and store.
type Server struct {
	t    testing.TB
	opts *server.Options
	s    *server.Server
}

// Run starts a server on a free port of the loopback, with file storage in the test's folder.
func Run(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, opts: &server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	}}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start starts the server again after Stop.
func (s *Server) Start() {
	s.t.Helper()
	ns, err := server.NewServer(s.opts)
	if err != nil {
		s.t.Fatalf("nats-server: %v", err)
	}
	ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		s.t.Fatal("nats-server did not become ready")
	}
	s.s = ns
	if a, ok := ns.Addr().(*net.TCPAddr); ok {
		s.opts.Port = a.Port // the next start is on the same port
	}
}

// Stop ends the server; twice is fine.
func (s *Server) Stop() {
	if s.s != nil {
		s.s.Shutdown()
		s.s.WaitForShutdown()
		s.s = nil
	}
}

// Dir is the folder in which it stores everything.
func (s *Server) Dir() string { return s.opts.StoreDir }

// URL is the address that clients dial.
func (s *Server) URL() string { return s.s.ClientURL() }

// Connect returns a provisioned bus to the server, closed at the test's end.
func (s *Server) Connect(service control.Service) *bus.Bus {
	s.t.Helper()
	b, err := bus.Connect(bus.Config{URLs: []string{s.URL()}, Service: service}, zerolog.Nop())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(b.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := b.Open(ctx, true, func(error) {}); err != nil {
		s.t.Fatal(err)
	}
	return b
}
