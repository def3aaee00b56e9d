package ops_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"salamander.dev/shared/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHealthMetricsAndHealthcheck(t *testing.T) {
	var why atomic.Pointer[error]
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "salamander_test_total"}))
	s, err := ops.Start("127.0.0.1:0", func() error {
		if e := why.Load(); e != nil {
			return *e
		}
		return nil
	}, reg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer s.Close(context.Background())
	get := func(path string) (int, string) {
		res, err := http.Get("http://" + s.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if code, _ := get("/readyz"); code != 200 || ops.Healthcheck(t.Context(), s.Addr()) != nil {
		t.Errorf("ready: /readyz %d", code)
	}
	gone := errors.New("NATS is not connected")
	why.Store(&gone)
	code, body := get("/readyz")
	if code != 503 || !strings.Contains(body, `"reason":"NATS is not connected"`) {
		t.Errorf("not ready: %d %s", code, body)
	}
	if err := ops.Healthcheck(t.Context(), s.Addr()); err == nil || !strings.Contains(err.Error(), "NATS is not connected") {
		t.Errorf("healthcheck says %v", err)
	}
	if code, _ := get("/livez"); code != 200 {
		t.Errorf("/livez %d", code)
	}
	if _, body := get("/metrics"); !strings.Contains(body, "salamander_test_total 0") {
		t.Errorf("/metrics: %s", body)
	}
	for _, addr := range []string{"127.0.0.1:0", "127.0.0.1:", "127.0.0.1:abc", "127.0.0.1:99999", "x", ""} {
		if err := ops.Healthcheck(t.Context(), addr); !errors.Is(err, ops.ErrNoFixedPort) {
			t.Errorf("healthcheck at %q: %v", addr, err)
		}
	}
}
