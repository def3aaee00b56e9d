package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrConflict says that a compare-and-set lost: somebody else wrote in between.
var ErrConflict = errors.New("somebody else wrote in between")

// Bucket is one key-value bucket whose values are JSON. Every read is answered by the leader, so that a write that was
// acknowledged is seen. Keys are made of subject tokens.
type Bucket struct {
	bus  *Bus
	name string
}

// The buckets that a service's edges may use; what is in them stands in names.go.
func (b *Bus) Posted() *Bucket  { return &Bucket{b, bucketPosted} }  // Posted holds, per question, the parts on Discord.
func (b *Bus) Memory() *Bucket  { return &Bucket{b, bucketMemory} }  // Memory holds, per channel and user, the last turns.
func (b *Bus) Seen() *Bucket    { return &Bucket{b, bucketSeen} }    // Seen holds what catch-up starts from.
func (b *Bus) Rate() *Bucket    { return &Bucket{b, bucketRate} }    // Rate holds, per user and window, the counted ids.
func (b *Bus) Changed() *Bucket { return &Bucket{b, bucketChanged} } // Changed holds edits and deletions of open questions.
func (b *Bus) Attempt() *Bucket { return &Bucket{b, bucketAttempt} } // Attempt counts model calls begun per question.
func (b *Bus) Lease() *Bucket   { return &Bucket{b, bucketLease} }   // Lease holds leases that end LiveTTL after renewal.
func (b *Bus) once() *Bucket    { return &Bucket{b, bucketOnce} }
func (b *Bus) control() *Bucket { return &Bucket{b, bucketControl} }
func (b *Bus) live() *Bucket    { return &Bucket{b, bucketLive} }

func (k *Bucket) subject(key string) string { return "$KV." + k.name + "." + key }

// Get reads a key into v; ok is false when there is none. revision is what Update expects.
func (k *Bucket) Get(ctx context.Context, key string, v any) (revision uint64, ok bool, err error) {
	return k.Begin(key).Get(ctx, v)
}

// Begin sends the request for a key, whose value is waited for later.
func (k *Bucket) Begin(key string) *KeyReading {
	return &KeyReading{k.bus.beginNewest("KV_"+k.name, k.subject(key)), key}
}

// KeyReading is the read of a key that is under way.
type KeyReading struct {
	r   *reading
	key string
}

// Get is [Bucket.Get] from here on. It is called once.
func (r *KeyReading) Get(ctx context.Context, v any) (revision uint64, ok bool, err error) {
	raw, revision, err := r.raw(ctx)
	if err != nil || raw == nil {
		return revision, false, err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return revision, false, fmt.Errorf("read %s %s: %w", r.r.stream, r.key, err)
	}
	return revision, true, nil
}

// raw reads the value; nil when there is none, with the revision of its deletion if it was deleted.
func (r *KeyReading) raw(ctx context.Context) ([]byte, uint64, error) {
	m, ok, err := r.r.end(ctx)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("key %s: %w", r.key, err)
	case !ok:
		return nil, 0, nil
	case m.deleted:
		return nil, m.seq, nil
	}
	return m.data, m.seq, nil
}

// Put writes a key whatever was there.
func (k *Bucket) Put(ctx context.Context, key string, v any) error {
	_, err := k.publish(ctx, key, mustJSON(v), nil)
	return err
}

// Update writes a key if its revision is still the one given (0: there is none), else [ErrConflict]. It returns the
// new revision. After any other error the write may have happened: read back.
func (k *Bucket) Update(ctx context.Context, key string, v any, revision uint64) (uint64, error) {
	return k.publish(ctx, key, mustJSON(v), nil, jetstream.WithExpectLastSequencePerSubject(revision))
}

// Create writes a key if there is none. won is false when there is one. A ttl of 0 is the bucket's.
func (k *Bucket) Create(ctx context.Context, key string, v any, ttl time.Duration) (won bool, err error) {
	var h nats.Header
	if ttl > 0 {
		h = nats.Header{jetstream.MsgTTLHeader: {ttl.String()}}
	}
	_, err = k.publish(ctx, key, mustJSON(v), h, jetstream.WithExpectLastSequencePerSubject(0))
	if !errors.Is(err, ErrConflict) {
		return err == nil, err
	}
	// A deleted key may be created again, over its deletion.
	raw, revision, rerr := k.Begin(key).raw(ctx)
	if rerr != nil {
		return false, rerr
	}
	if raw != nil {
		return false, nil
	}
	_, err = k.publish(ctx, key, mustJSON(v), h, jetstream.WithExpectLastSequencePerSubject(revision))
	if errors.Is(err, ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// Delete removes a key's value.
func (k *Bucket) Delete(ctx context.Context, key string) error {
	_, err := k.publish(ctx, key, nil, purge())
	return err
}

// deleteAt removes a key's value if its revision is still the one given, else [ErrConflict].
func (k *Bucket) deleteAt(ctx context.Context, key string, revision uint64) error {
	_, err := k.publish(ctx, key, nil, purge(), jetstream.WithExpectLastSequencePerSubject(revision))
	return err
}

func purge() nats.Header {
	return nats.Header{kvOperation: {"PURGE"}, jetstream.MsgRollup: {jetstream.MsgRollupSubject}}
}

func (k *Bucket) publish(ctx context.Context, key string, body []byte, h nats.Header, opts ...jetstream.PublishOpt) (uint64, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	ack, err := k.bus.js.PublishMsg(ctx, &nats.Msg{Subject: k.subject(key), Data: body, Header: h}, opts...)
	if isCode(err, codeWrongLastSequence, codeWriteInFlight) {
		return 0, ErrConflict
	}
	if err != nil {
		return 0, fmt.Errorf("write %s %s: %w", k.name, key, err)
	}
	return ack.Sequence, nil
}

// Keys lists the keys that match a pattern of tokens ("*" is any token, ">" the rest).
func (k *Bucket) Keys(ctx context.Context, pattern string) ([]string, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	var keys []string
	err := k.bus.eachSubjectOf(ctx, "KV_"+k.name, k.subject(pattern), func(subject string, _ uint64) {
		keys = append(keys, subject[len(k.subject("")):])
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", k.name, err)
	}
	return keys, nil
}

// eachSubjectOf calls f for every subject of a stream that matches a filter, with the number of its messages. It asks by
// the raw API, since a Stream handle costs a request of its own first; the server answers in pages.
func (b *Bus) eachSubjectOf(ctx context.Context, stream, filter string, f func(subject string, messages uint64)) error {
	for offset := 0; ; {
		m, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+stream, mustJSON(struct {
			Filter string `json:"subjects_filter"`
			Offset int    `json:"offset"`
		}{filter, offset}))
		if err != nil {
			return err
		}
		var r struct {
			Error *jetstream.APIError `json:"error"`
			Total int                 `json:"total"`
			State struct {
				Subjects map[string]uint64 `json:"subjects"`
			} `json:"state"`
		}
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return err
		}
		if r.Error != nil {
			return r.Error
		}
		for subject, n := range r.State.Subjects {
			f(subject, n)
		}
		if offset += len(r.State.Subjects); len(r.State.Subjects) == 0 || offset >= r.Total {
			return nil
		}
	}
}

// Claim is create-only: of all processes that claim a name, one is told true, until ttl has passed (0: a day).
func (b *Bus) Claim(ctx context.Context, name string, ttl time.Duration) (bool, error) {
	return b.once().Create(ctx, name, time.Now().UTC(), ttl)
}

// ClaimUntil claims a name until a moment: true for the first, and for the first after the moment of an earlier claim.
func (b *Bus) ClaimUntil(ctx context.Context, name string, now, until time.Time) (bool, error) {
	for {
		var held time.Time
		revision, _, err := b.once().Get(ctx, name, &held)
		if err != nil {
			return false, err
		}
		if held.After(now) {
			return false, nil
		}
		_, err = b.once().Update(ctx, name, until.UTC(), revision)
		if !errors.Is(err, ErrConflict) {
			return err == nil, err
		}
	}
}

// KeyValue opens a bucket in nats.go's own form, for the ledger, which has a protocol of its own on top.
func (b *Bus) KeyValue(ctx context.Context, name string) (jetstream.KeyValue, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	kv, err := b.js.KeyValue(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return kv, nil
}

// BudgetBucket and ControlBucket are the names that the ledger opens by KeyValue.
const (
	BudgetBucket  = bucketBudget
	ControlBucket = bucketControl
)

// Conn and JetStream are the connection itself, for the ledger and for tests.
func (b *Bus) Conn() *nats.Conn { return b.nc }

// JetStream returns the JetStream context of the connection.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }
