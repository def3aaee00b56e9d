package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/edge/store"
)

// lines is a log that a test reads.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestTheFirstStartOfAllIsZeroUsage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "5req/month"))
	control := b.kv("CONTROL")
	if _, err := control.Get(b.ctx, "genesis.one"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Fatalf("a genesis record before the first reservation: %v", err)
	}
	b.grant(l, "x")
	if _, err := control.Get(b.ctx, "genesis.one"); err != nil {
		t.Fatalf("no genesis record after it: %v", err)
	}
	if used := b.used(l, 0); used != 1 {
		t.Fatal(used)
	}
}

// What is lost counts as spent, for who lives and for who starts, until an operator says otherwise.
func TestALostDocumentIsNotZeroUsage(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(b *bundle) error{
		"key deleted": func(b *bundle) error { return b.kv("BUDGET").Delete(b.ctx, "one") },
		"key purged":  func(b *bundle) error { return b.kv("BUDGET").Purge(b.ctx, "one") },
		"bucket deleted": func(b *bundle) error {
			return b.srv.Connect(control.Worker).JetStream().DeleteStream(b.ctx, "KV_BUDGET")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			log := &lines{}
			loud := func(c *store.LedgerConfig) {
				c.Log = zerolog.New(log)
				bs := b.srv.Connect(control.Worker)
				c.Provision = bs.Provision
			}
			l, _ := b.open(loud, key(t, "one", "5req/month"))
			g := b.grant(l, "x")
			if err := lose(b); err != nil {
				t.Fatal(err)
			}
			var wait *budget.WaitError
			if _, err := l.Reserve(b.ctx, request("y")); !errors.As(err, &wait) || wait.Reason != budget.Exhausted {
				t.Fatalf("who lives got %v", err)
			}
			b.settle(l, g, budget.Outcome{Kind: budget.NotSent}) // of a call from before: changes nothing
			m, _ := b.open(loud, key(t, "one", "5req/month"))
			if _, err := m.Reserve(b.ctx, request("z")); !errors.As(err, &wait) {
				t.Fatalf("who starts got %v", err)
			}
			if !strings.Contains(log.String(), `"level":"error"`) || !strings.Contains(log.String(), "budget reset one") {
				t.Fatalf("not loud: %s", log)
			}
			views, err := m.Snapshot(b.ctx)
			if err != nil || !views[0].Lost || views[0].Limits[0].Left != 0 {
				t.Fatalf("%+v, %v", views, err)
			}
			if err := m.Reset(b.ctx, "one"); err != nil {
				t.Fatal(err)
			}
			b.grant(m, "after")
			b.eventually("the other worker is woken, too", func() bool {
				_, err := l.Reserve(b.ctx, request("after2"))
				return err == nil
			})
		})
	}
}

// Nobody lives who remembers: the genesis record does.
func TestALostDocumentIsNoticedByWhoStarts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "5req/month"))
	b.grant(l, "x")
	if err := l.Close(b.ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.kv("BUDGET").Purge(b.ctx, "one"); err != nil {
		t.Fatal(err)
	}
	m, _ := b.open(nil, key(t, "one", "5req/month"))
	var wait *budget.WaitError
	if _, err := m.Reserve(b.ctx, request("y")); !errors.As(err, &wait) {
		t.Fatal(err)
	}
}

func TestARestoredBackupIsNotTrusted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, _ := b.open(nil, key(t, "one", "50req/month"))
	b.grant(l, "x")
	kv := b.kv("BUDGET")
	old, err := kv.Get(b.ctx, "one")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		b.grant(l, fmt.Sprint(i))
	}
	if _, err := kv.Put(b.ctx, "one", old.Value()); err != nil {
		t.Fatal(err)
	}
	var wait *budget.WaitError
	if _, err := l.Reserve(b.ctx, request("y")); !errors.As(err, &wait) {
		t.Fatalf("who lives got %v", err)
	}
	// And by who starts, through the serial in the genesis record.
	if _, err := kv.Put(b.ctx, "one", old.Value()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.kv("CONTROL").Put(b.ctx, "genesis.one", []byte(`{"serial":6}`)); err != nil {
		t.Fatal(err)
	}
	m, _ := b.open(nil, key(t, "one", "50req/month"))
	if _, err := m.Reserve(b.ctx, request("z")); !errors.As(err, &wait) {
		t.Fatalf("who starts got %v", err)
	}
}
