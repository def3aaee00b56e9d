package nats_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"

	"salamander.dev/deployments/nats/creds/credential"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/control"
	"salamander.dev/shared/secret"
)

// TestTLS: tls.conf with a generated authority; a client that does not know it, or speaks no TLS, is refused.
func TestTLS(t *testing.T) {
	p := newPlace(t, credential.Options{TLSNames: []string{"nats", "localhost", "127.0.0.1"}})
	t.Setenv("NATS_TLS_CERT", filepath.Join(p.dir, "made/nats/tls/server.pem"))
	t.Setenv("NATS_TLS_KEY", filepath.Join(p.dir, "made/nats/tls/server.key"))
	s := start(t, p.options(t, "tls.conf"))
	at := func(scheme string) string { return scheme + "://" + s.Addr().String() }
	connect := func(url, authority string, log zerolog.Logger) *bus.Bus {
		b, err := bus.Connect(bus.Config{
			URLs: []string{url}, CAFile: authority, Service: control.Gateway,
			User: "admin", Password: secret.New(p.password(t, "admin/password")),
		}, log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		return b
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b := connect(at("tls"), filepath.Join(p.dir, "made/gateway/ca.pem"), zerolog.Nop())
	if err := b.AwaitConnected(ctx); err != nil {
		t.Fatal(err)
	}
	if state, err := b.Conn().TLSConnectionState(); err != nil || state.Version != tls.VersionTLS13 {
		t.Errorf("version %x: %v", state.Version, err)
	}
	if err := b.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	hint := make(chan struct{})
	var once sync.Once
	stranger := connect(at("tls"), "", zerolog.New(writer(func(line string) {
		if strings.Contains(line, "NATS_CA_FILE") {
			once.Do(func() { close(hint) })
		}
	})))
	await(ctx, t, "the stranger's reason", func() bool {
		err := stranger.Ready()
		return err != nil && strings.Contains(err.Error(), "certificate")
	})
	select {
	case <-hint:
	case <-ctx.Done():
		t.Error("the log does not tell a stranger of NATS_CA_FILE")
	}
}

// writer sees each line of a log.
type writer func(line string)

func (w writer) Write(b []byte) (int, error) { w(string(b)); return len(b), nil }

// TestCredentialsAreKeptAndRotated: a second run changes nothing, -rotate changes every password.
func TestCredentialsAreKeptAndRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := credential.Options{TLSNames: []string{"nats"}, DiscordToken: "token", HFKeys: "a=b"}
	read := func() map[string]string {
		all := map[string]string{}
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			raw, err := os.ReadFile(path)
			all[path[len(dir)+1:]] = string(raw)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	make := func(o credential.Options) map[string]string {
		if _, err := credential.Make(dir, o); err != nil {
			t.Fatal(err)
		}
		return read()
	}
	first := make(o)
	for file, text := range make(o) {
		if first[file] != text {
			t.Errorf("%s changed", file)
		}
	}
	if first["gateway/discord_token"] != "token\n" || first["worker/hf_api_keys"] != "a=b\n" {
		t.Errorf("tokens: %q, %q", first["gateway/discord_token"], first["worker/hf_api_keys"])
	}
	for file, text := range first {
		for _, secret := range []string{first["gateway/password"], first["worker/password"], first["admin/password"]} {
			if strings.HasPrefix(file, "nats/") && strings.Contains(text, strings.TrimSpace(secret)) {
				t.Errorf("%s holds a password in clear", file)
			}
		}
	}
	o.Rotate = true
	rotated := make(o)
	for _, file := range []string{"admin/password", "gateway/password", "worker/password", "admin/system_password", "admin/route_password", "nats/users.conf"} {
		if rotated[file] == first[file] {
			t.Errorf("%s was not rotated", file)
		}
	}
	o.Rotate, o.TLSNames = false, []string{"nats", "other"}
	if more := make(o); more["nats/tls/server.pem"] == first["nats/tls/server.pem"] || more["admin/ca.pem"] != first["admin/ca.pem"] {
		t.Error("a new name needs a new certificate of the same authority")
	}
}

// TestACluster: three servers, R3, one of them gone: nothing that was acknowledged is lost. Plain, and with TLS for clients
// and routes, where a server that knows the password and has no certificate stays outside.
func TestACluster(t *testing.T) {
	for _, file := range []string{"cluster.conf", "cluster-tls.conf"} {
		t.Run(file, func(t *testing.T) { testCluster(t, file, file == "cluster-tls.conf") })
	}
}

func testCluster(t *testing.T, file string, secure bool) {
	p := newPlace(t, credential.Options{TLSNames: []string{"n1", "n2", "n3", "127.0.0.1"}})
	t.Setenv("NATS_TLS_CERT", filepath.Join(p.dir, "made/nats/tls/server.pem"))
	t.Setenv("NATS_TLS_KEY", filepath.Join(p.dir, "made/nats/tls/server.key"))
	t.Setenv("NATS_TLS_CA", filepath.Join(p.dir, "made/nats/ca.pem"))
	ports := []int{freePort(t), freePort(t), freePort(t)}
	node := func(name, file string, port int) *server.Server {
		t.Setenv("NATS_NAME", name)
		o := p.options(t, file)
		if len(o.Routes) != 3 || o.Cluster.Username != "route" {
			t.Fatalf("routes %v, user %q", o.Routes, o.Cluster.Username)
		}
		// The names become addresses of this machine; what the servers show each other stays the file's.
		var routes []*url.URL
		for k, port := range ports {
			if want := fmt.Sprintf("n%d:6222", k+1); o.Routes[k].Host != want {
				t.Errorf("route %d leads to %s, want %s", k, o.Routes[k].Host, want)
			}
			routes = append(routes, &url.URL{Scheme: "nats-route", Host: fmt.Sprint("127.0.0.1:", port), User: o.Routes[k].User})
		}
		o.Routes, o.Cluster.Host, o.Cluster.Port = routes, "127.0.0.1", port
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		return s
	}
	var servers []*server.Server
	var urls []string
	for i, port := range ports {
		servers = append(servers, node(fmt.Sprint("n", i+1), file, port))
	}
	authority := ""
	for _, s := range servers {
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatal("a server did not become ready")
		}
		urls = append(urls, s.ClientURL())
	}
	if secure {
		authority = filepath.Join(p.dir, "made/gateway/ca.pem")
		for i, s := range servers {
			urls[i] = "tls://" + s.Addr().String()
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	await(ctx, t, "the routes of three servers", func() bool {
		return servers[0].NumRemotes() == 2 && servers[1].NumRemotes() == 2 && servers[2].NumRemotes() == 2
	})
	if secure {
		refused := make(chan struct{})
		var once sync.Once
		stranger := node("n4", "cluster.conf", freePort(t))
		stranger.SetLogger(natsLog(func(line string) {
			if strings.Contains(line, "Router connection closed") {
				once.Do(func() { close(refused) })
			}
		}), true, false)
		select {
		case <-refused:
		case <-ctx.Done():
			t.Fatal("nobody refused a server without a certificate")
		}
		if n := stranger.NumRemotes(); n != 0 {
			t.Errorf("a server without a certificate has %d routes", n)
		}
		stranger.Shutdown()
	}
	connect := func(user string, service control.Service) *bus.Bus {
		b, err := bus.Connect(bus.Config{
			URLs: urls, User: user, Password: secret.New(p.password(t, passwordFiles[user])), CAFile: authority, Service: service, Replicas: 3,
		}, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		return b
	}
	if err := connect("admin", control.Gateway).Open(t.Context(), true, func(error) {}); err != nil {
		t.Fatal(err)
	}
	g := connect("gateway", control.Gateway)
	if err := g.Open(ctx, false, func(error) {}); err != nil {
		t.Fatal(err)
	}
	const before, after = 10, 10
	ask := func(i int) {
		q := question(i)
		q.Channel = "21"
		q.User = q.User + "0"
		await(ctx, t, fmt.Sprint("question ", i, " is taken"), func() bool { _, err := g.PublishQuestion(ctx, q); return err == nil })
	}
	for i := range before {
		ask(i)
	}
	servers[0].Shutdown()
	servers[0].WaitForShutdown()
	for i := range after {
		ask(before + i)
	}
	n, _, err := g.Queue(ctx)
	if err != nil || n != before+after {
		t.Errorf("%d questions in the queue, want %d: %v", n, before+after, err)
	}
}

// natsLog sees each line of a server's log.
type natsLog func(line string)

func (l natsLog) say(format string, v []any) { l(fmt.Sprintf(format, v...)) }

func (l natsLog) Noticef(format string, v ...any) { l.say(format, v) }
func (l natsLog) Warnf(format string, v ...any)   { l.say(format, v) }
func (l natsLog) Fatalf(format string, v ...any)  { l.say(format, v) }
func (l natsLog) Errorf(format string, v ...any)  { l.say(format, v) }
func (l natsLog) Debugf(format string, v ...any)  { l.say(format, v) }
func (l natsLog) Tracef(format string, v ...any)  { l.say(format, v) }
