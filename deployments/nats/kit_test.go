package nats_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"salamander.dev/deployments/nats/creds/credential"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/control"
	"salamander.dev/shared/secret"
)

// place is a folder with this folder's configuration files and fresh credentials, laid out as in a container.
type place struct{ dir string }

func newPlace(t *testing.T, o credential.Options) place {
	t.Helper()
	p := place{t.TempDir()}
	if _, err := credential.Make(filepath.Join(p.dir, "made"), o); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no configuration files: %v", err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.dir, f), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("made/nats", filepath.Join(p.dir, "credentials")); err != nil {
		t.Fatal(err)
	}
	return p
}

// password reads what a process of that folder is given.
func (p place) password(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(p.dir, "made", file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

// options reads one of the configuration files. Only ports and the store's folder are replaced.
func (p place) options(t *testing.T, file string) *server.Options {
	t.Helper()
	o, err := server.ProcessConfigFile(filepath.Join(p.dir, file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	o.Host, o.Port, o.HTTPHost, o.HTTPPort = "127.0.0.1", -1, "127.0.0.1", -1
	o.StoreDir, o.NoLog, o.NoSigs = t.TempDir(), true, true
	return o
}

func start(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server did not become ready")
	}
	return s
}

// users of nats.conf and the file that holds each one's password.
var passwordFiles = map[string]string{
	"admin": "admin/password", "gateway": "gateway/password", "worker": "worker/password", "system": "admin/system_password",
}

// system is a running server with nats.conf, provisioned by the admin.
type system struct {
	place
	url string
}

func setup(t *testing.T) (context.Context, *system) {
	t.Helper()
	p := newPlace(t, credential.Options{})
	s := &system{p, start(t, p.options(t, "nats.conf")).ClientURL()}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	admin, denied := s.bus(t, "admin", control.Gateway)
	if err := admin.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	denied.none(t)
	return ctx, s
}

// denials collects the refusals that a connection was told of.
type denials struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (d *denials) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lines.Write(p)
}

// none fails the test when something was refused.
func (d *denials) none(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for line := range strings.Lines(d.lines.String()) {
		if strings.Contains(line, "ermissions") {
			t.Errorf("refused: %s", line)
		}
	}
}

// bus connects as a service does, with a user's credentials.
func (s *system) bus(t *testing.T, user string, service control.Service) (*bus.Bus, *denials) {
	t.Helper()
	d := &denials{}
	b, err := bus.Connect(bus.Config{
		URLs: []string{s.url}, User: user, Password: secret.New(s.password(t, passwordFiles[user])), Service: service,
	}, zerolog.New(d))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.AwaitConnected(ctx); err != nil {
		t.Fatal(err)
	}
	return b, d
}

// raw connects as somebody who stole a user's password and has every tool; refusals arrive on the channel.
func (s *system) raw(t *testing.T, user string) (*nats.Conn, <-chan error) {
	t.Helper()
	errs := make(chan error, 64)
	nc, err := nats.Connect(s.url, nats.UserInfo(user, s.password(t, passwordFiles[user])),
		nats.CustomInboxPrefix("_INBOX_"+user), nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { errs <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, errs
}

// await polls a condition until it holds or ctx ends.
func await(ctx context.Context, t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
