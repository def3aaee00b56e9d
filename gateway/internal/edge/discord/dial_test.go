package discord

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"salamander.dev/shared/secret"
	"salamander.dev/shared/sim/discordsim"
)

// overTLS serves the simulator with a certificate, as Discord is, and answers with a wss address. plainText: with ws.
func overTLS(t *testing.T, sim *discordsim.Server, plainText bool) *httptest.Server {
	t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v9/gateway/bot" {
			scheme := "wss://"
			if plainText {
				scheme = "ws://"
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"url": scheme + r.Host, "shards": 1})
			return
		}
		sim.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func tlsBot(t *testing.T, srv *httptest.Server, sim *discordsim.Server) *bot {
	t.Helper()
	cfg := quick()
	cfg.BaseURL, cfg.Token, cfg.roots = srv.URL, secret.New(discordsim.DefaultToken), x509.NewCertPool()
	cfg.roots.AddCert(srv.Certificate())
	b := &bot{t: t, sim: sim, w: sim.DefaultWorld(), log: &logs{}, more: make(chan struct{}), ended: make(chan error, 1)}
	c, err := New(cfg, Deps{Log: zerolog.New(b.log), Transport: srv.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	b.Client = c
	t.Cleanup(c.rest.Client.CloseIdleConnections)
	return b
}

func TestSpeaksTLS(t *testing.T) {
	t.Parallel()
	sim := &discordsim.Server{}
	b := tlsBot(t, overTLS(t, sim, false), sim).start()
	b.heard(b.say(b.w.Channel, b.w.User, "hi"))
	sim.AskReconnect()
	b.wait("resumed", func() bool { return sim.Counts().Resumes == 1 })
	b.heard(b.say(b.w.Channel, b.w.User, "again"))
	for _, c := range sim.Connections() { // the simulator's resume address is ws://, which an https API must not lead to
		if strings.HasPrefix(c.Path, "/resume") {
			t.Errorf("resumed without TLS: %+v", c)
		}
	}
}

// An encrypted API that leads to an unencrypted WebSocket is not followed: the token would go in the clear.
func TestRefusesToLeaveTLS(t *testing.T) {
	t.Parallel()
	sim := &discordsim.Server{}
	b := tlsBot(t, overTLS(t, sim, true), sim)
	b.launch()
	b.wait("the refusal is logged", func() bool { return strings.Contains(b.log.String(), "unencrypted WebSocket") })
	if n := sim.Counts().Connections; n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestTunnelsThroughAProxy(t *testing.T) {
	t.Parallel()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	for name, tc := range map[string]struct {
		answer string
		ok     bool
	}{
		"open":     {"HTTP/1.1 200 Connection established\r\n\r\n", true},
		"refused":  {"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", false},
		"nonsense": {"hello\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := net.Pipe()
			defer ours.Close()
			asked := make(chan *http.Request, 1)
			go func() {
				defer theirs.Close()
				r, err := http.ReadRequest(bufio.NewReader(theirs))
				if err != nil {
					return
				}
				asked <- r
				_, _ = io.WriteString(theirs, tc.answer)
			}()
			err := connectThrough(ours, &url.URL{Scheme: "http", Host: "proxy:3128", User: url.UserPassword("u", "p")}, "gateway.example:443")
			if (err == nil) != tc.ok || (err != nil && strings.Contains(err.Error(), "p@")) {
				t.Errorf("%v", err)
			}
			if r := <-asked; r.Method != http.MethodConnect || r.Host != "gateway.example:443" || r.Header.Get("Proxy-Authorization") != "Basic dTpw" {
				t.Errorf("asked %s %s %v", r.Method, r.Host, r.Header)
			}
		})
	}
	if err := connectThrough(nil, &url.URL{Scheme: "socks5"}, "x:1"); err == nil {
		t.Error("a proxy that we don't speak to")
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never speaks TLS
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := silent.Accept(); err == nil {
			defer c.Close()
			cancel()
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	if c, err := dialGateway(ctx, silent.Addr().String(), true, nil); err == nil {
		c.Close()
		t.Error("connected to nobody")
	}
}
