package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"salamander.dev/worker/internal/core/budget"
)

// genesisRecord stands in the control bucket under "genesis.<key>" from the first reservation on. It is how a lost or
// restored budget bucket is told from a key that was never used.
type genesisRecord struct {
	Since  time.Time `json:"since"`
	Serial int64     `json:"serial"` // the document had at least this serial
	At     time.Time `json:"at"`
}

// markEvery is how often the genesis record learns the document's serial: a backup that is older than this is noticed.
const markEvery = time.Minute

func (b *book) genesisKey() string { return "genesis." + b.name }

// load reads the document. A document that is missing is created: empty if the key was never used, else with its
// current windows spent. One that is older than was seen before has its current windows spent, too.
func (b *book) load(ctx context.Context, create bool) error {
	started := time.Now()
	// The serial that must be there is read first: read behind the document, it may be that of a later write.
	known, unknown := b.known(ctx)
	e, err := b.ledger.bucket.Get(ctx, b.name)
	switch {
	case err == nil && unknown != nil:
		b.doc = nil
		return unknown
	case err == nil:
		d, err := budget.Decode(e.Value())
		if err != nil {
			return err
		}
		b.doc, b.revision, b.checked = d, e.Revision(), started
		b.saw(e.Value())
		b.own.learn(d)
		return b.verify(ctx, known)
	case errors.Is(err, jetstream.ErrKeyNotFound):
		if !create {
			return nil
		}
		return b.create(ctx)
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrBucketNotFound):
		if b.ledger.cfg.Provision == nil || !create {
			return fmt.Errorf("the bucket %s is gone: %w", b.ledger.cfg.Budget, err)
		}
		if err := b.ledger.cfg.Provision(ctx); err != nil {
			return fmt.Errorf("create the bucket %s anew: %w", b.ledger.cfg.Budget, err)
		}
		return b.create(ctx)
	default:
		return fmt.Errorf("read the document: %w", err)
	}
}

// known is the highest serial that is known: the genesis record's, until it was read, and what this process saw.
func (b *book) known(ctx context.Context) (int64, error) {
	if b.genesis {
		return b.seen, nil
	}
	g, err := b.readGenesis(ctx)
	if err != nil || g == nil {
		return b.seen, err
	}
	b.genesis, b.seen = true, max(b.seen, g.Serial)
	return b.seen, nil
}

// verify compares a document that was read with the highest serial that was known before.
func (b *book) verify(ctx context.Context, known int64) error {
	if b.doc.Serial >= known {
		b.seen = b.doc.Serial
		return nil
	}
	b.ledger.cfg.Log.Error().Str("key", b.name).Int64("serial", b.doc.Serial).Int64("seen", known).
		Msg("the budget document is older than one that was seen (a restored backup?): its current windows count as spent until they turn, or until 'worker budget reset " + b.name + "'")
	b.doc.Distrust(b.ledger.clock.now(), known)
	return b.store(ctx)
}

// create writes the document of a key that has none.
func (b *book) create(ctx context.Context) error {
	g, err := b.readGenesis(ctx)
	if err != nil {
		return err
	}
	now := b.ledger.clock.now()
	if g == nil && b.seen == 0 {
		b.doc = budget.NewDocument(b.ours, now)
	} else {
		serial := b.seen
		if g != nil {
			serial = max(serial, g.Serial)
			b.genesis = true
		}
		b.ledger.cfg.Log.Error().Str("key", b.name).Int64("seen", serial).
			Msg("the budget document is gone: the key's current windows count as spent until they turn, or until 'worker budget reset " + b.name + "'")
		b.doc = budget.LostDocument(b.ours, now, serial)
	}
	v, err := b.doc.Encode()
	if err != nil {
		b.doc = nil
		return err
	}
	rev, err := b.ledger.bucket.Create(ctx, b.name, v)
	if err != nil {
		b.doc = nil
		return fmt.Errorf("create the document: %w", err)
	}
	b.revision, b.seen, b.checked = rev, b.doc.Serial, time.Now()
	b.saw(v)
	return nil
}

// store replaces the document if nobody else did since it was read. After an error the document must be read again.
func (b *book) store(ctx context.Context) error {
	d := b.doc
	mark := b.genesis && d.Clock-d.Mark >= markEvery.Milliseconds()
	if mark {
		d.Mark = d.Clock
	}
	b.claim(d)
	v, err := d.Encode()
	if err != nil {
		b.doc = nil
		return err
	}
	rev, err := b.ledger.bucket.Update(ctx, b.name, v, b.revision)
	if err != nil {
		b.doc = nil
		return err
	}
	b.revision, b.seen, b.checked = rev, d.Serial, time.Now()
	b.own.learn(d)
	b.ownUntil.Store(d.OwnerUntil)
	b.serial.Store(d.Serial)
	b.saw(v)
	if mark {
		b.markGenesis(ctx, d.Serial)
	}
	return nil
}

// isConflict says that somebody else wrote first.
func isConflict(err error) bool {
	return errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.Is(err, jetstream.ErrKeyExists)
}

func (b *book) readGenesis(ctx context.Context) (*genesisRecord, error) {
	e, err := b.ledger.control.Get(ctx, b.genesisKey())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the genesis record: %w", err)
	}
	var g genesisRecord
	if err := json.Unmarshal(e.Value(), &g); err != nil {
		return nil, fmt.Errorf("read the genesis record: %w", err)
	}
	return &g, nil
}

// writeGenesis makes sure that the key has a genesis record before its first call is granted.
func (b *book) writeGenesis(ctx context.Context) error {
	now := b.ledger.clock.now()
	v, err := json.Marshal(genesisRecord{Since: now, Serial: b.doc.Serial, At: now})
	if err != nil {
		return err
	}
	if _, err = b.ledger.control.Create(ctx, b.genesisKey(), v); err != nil && !errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("write the genesis record: %w", err)
	}
	b.genesis = true
	return nil
}

// markGenesis raises the serial in the genesis record. That it fails is no harm: the next mark comes in a minute.
func (b *book) markGenesis(ctx context.Context, serial int64) {
	g, err := b.readGenesis(ctx)
	if err != nil || g == nil || g.Serial >= serial {
		return
	}
	g.Serial, g.At = serial, b.ledger.clock.now()
	if v, err := json.Marshal(g); err == nil {
		_, _ = b.ledger.control.Put(ctx, b.genesisKey(), v)
	}
}

// peek reads the document as the process starts, without writing one: a key that is refused now may be tried once.
func (b *book) peek(ctx context.Context) error {
	err := b.load(ctx, false)
	for isConflict(err) { // somebody else found it too old, and wrote that first
		err = b.load(ctx, false)
	}
	if err != nil {
		return err
	}
	if b.doc != nil {
		v := b.doc.View(b.name, b.ledger.clock.now())
		b.firstTry.Store(v.State == budget.StateRefused)
		b.doc = nil
	}
	return nil
}

// read returns the document as it is now.
func (b *book) read(ctx context.Context) (*budget.Document, error) {
	e, err := b.ledger.bucket.Get(ctx, b.name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return budget.NewDocument(b.ours, b.ledger.clock.now()), nil
	}
	if err != nil {
		return nil, err
	}
	b.saw(e.Value())
	return budget.Decode(e.Value())
}

// seenDocument is an encoded document and when it was seen.
type seenDocument struct {
	value []byte
	at    time.Time
}

func (b *book) saw(v []byte) { b.recent.Store(&seenDocument{v, time.Now()}) }

const (
	// recentFor is how long a document that was seen is good enough for an estimate.
	recentFor = time.Second
	// estimateTimeout bounds the look at the store for an estimate.
	estimateTimeout = 300 * time.Millisecond
)

// latest returns the document, at most a second old if the store answers, else as it was seen last; nil if it never was.
func (b *book) latest() *budget.Document {
	r := b.recent.Load()
	if r == nil || time.Since(r.at) > recentFor {
		ctx, cancel := context.WithTimeout(b.aborted, estimateTimeout)
		defer cancel()
		if d, err := b.read(ctx); err == nil {
			return d
		}
	}
	if r == nil {
		return nil
	}
	d, err := budget.Decode(r.value)
	if err != nil {
		return nil
	}
	return d
}

// health returns the key's state as this process saw it last.
func (b *book) health() (budget.State, time.Time, time.Time) {
	now := b.ledger.clock.now()
	d := b.latest()
	if d == nil {
		return budget.StateActive, time.Time{}, now
	}
	v := d.View(b.name, now)
	return v.State, v.Until, now
}
