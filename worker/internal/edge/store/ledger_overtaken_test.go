package store

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"salamander.dev/shared/bus/bustest"
	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/budget"
)

// overtaken is a bucket in which somebody else writes right behind each read.
type overtaken struct {
	jetstream.KeyValue
	write func()
}

func (o overtaken) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	e, err := o.KeyValue.Get(ctx, key)
	o.write()
	return e, err
}

// crew opens ledgers of one key over connections of their own.
type crew struct {
	t      *testing.T
	ctx    context.Context
	srv    *bustest.Server
	limits budget.Limits
}

func newCrew(t *testing.T) *crew {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	limits, err := budget.ParseLimits("1000req/month")
	if err != nil {
		t.Fatal(err)
	}
	return &crew{t, ctx, bustest.Run(t), limits}
}

func (c *crew) open(instance string, log zerolog.Logger) *Ledger {
	c.t.Helper()
	l, err := OpenLedger(c.ctx, c.srv.Connect(control.Worker).Conn(), LedgerConfig{Keys: []LedgerKey{{"k", c.limits}}, Instance: instance, Log: log})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := l.Close(c.ctx); err != nil {
			c.t.Error(err)
		}
	})
	if err := l.EnsureLimits(c.ctx, func(context.Context) ([]LiveWorker, error) { return nil, nil }); err != nil {
		c.t.Fatal(err)
	}
	return l
}

func (c *crew) reserve(l *Ledger, id int) error {
	_, err := l.Reserve(c.ctx, budget.Request{ID: strconv.Itoa(id), PromptTokens: 1, MaxTokens: 1, Hold: time.Minute})
	return err
}

// TestADocumentThatIsOvertakenIsNotTakenForARestoredOne: between two reads of a worker that starts, others write the document
// and its highest serial.
func TestADocumentThatIsOvertakenIsNotTakenForARestoredOne(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	works := c.open("works", zerolog.Nop())
	n := 0
	reserve := func() {
		n++
		if err := c.reserve(works, n); err != nil {
			t.Error(err)
		}
	}
	reserve()
	var said bytes.Buffer
	starts := c.open("starts", zerolog.New(&said))
	starts.bucket = overtaken{starts.bucket, func() {
		reserve()
		b := works.books[0]
		b.markGenesis(c.ctx, b.serial.Load())
	}}
	b := starts.books[0]
	b.genesis, b.seen = false, 0
	if err := b.peek(c.ctx); err != nil {
		t.Error(err)
	}
	if strings.Contains(said.String(), "older") {
		t.Errorf("said: %s", said.String())
	}
	reserve()
}

// TestADocumentThatIsRestoredAfterTheStartIsNotTrusted: it was missing when the worker looked for the first time.
func TestADocumentThatIsRestoredAfterTheStartIsNotTrusted(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	works := c.open("works", zerolog.Nop())
	var backup []byte
	for id := range 3 {
		if err := c.reserve(works, id); err != nil {
			t.Fatal(err)
		}
		if e, err := works.bucket.Get(c.ctx, "k"); err != nil {
			t.Fatal(err)
		} else if id == 0 {
			backup = e.Value()
		}
	}
	works.books[0].markGenesis(c.ctx, works.books[0].serial.Load())
	starts := c.open("starts", zerolog.Nop())
	if err := works.bucket.Purge(c.ctx, "k"); err != nil {
		t.Fatal(err)
	}
	b := starts.books[0]
	b.doc, b.genesis, b.seen = nil, false, 0
	if err := b.peek(c.ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := works.bucket.Put(c.ctx, "k", backup); err != nil {
		t.Fatal(err)
	}
	if err := b.load(c.ctx, true); err != nil {
		t.Fatal(err)
	}
	if b.doc.Lost == 0 {
		t.Error("a document from before is trusted")
	}
}
