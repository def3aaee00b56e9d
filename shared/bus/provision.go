package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Bounds of the streams. A question that passes one is refused to the gateway, which says so to the user.
const (
	maxQuestions = 20_000
	// Of one user in one channel: well over the 90 that the default USER_RATE lets one ask within ANSWER_WITHIN.
	maxQuestionsPerUser = 250
	maxMessageBytes     = 256 << 10
	deadLetterAge       = 30 * 24 * time.Hour
	dayAge              = 24 * time.Hour
)

// streams returns the configuration of every stream.
func (b *Bus) streams() []jetstream.StreamConfig {
	r := b.cfg.Replicas
	kv := func(name string, history int, ttl time.Duration, keyTTL bool) jetstream.StreamConfig {
		c := jetstream.StreamConfig{
			Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"}, Storage: jetstream.FileStorage, Replicas: r,
			MaxMsgsPerSubject: int64(history), MaxAge: ttl, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true,
			MaxMsgSize: maxMessageBytes, AllowMsgTTL: keyTTL, MaxBytes: -1, MaxMsgs: -1, MaxConsumers: -1,
			Duplicates: 2 * time.Minute,
		}
		if ttl > 0 && ttl < c.Duplicates {
			c.Duplicates = ttl
		}
		return c
	}
	return []jetstream.StreamConfig{
		{
			Name: streamQuestions, Subjects: []string{prefixQuestion + "*.*.*"}, Retention: jetstream.WorkQueuePolicy,
			Storage: jetstream.FileStorage, Replicas: r, Discard: jetstream.DiscardNew, MaxMsgs: maxQuestions,
			MaxMsgsPerSubject: maxQuestionsPerUser, DiscardNewPerSubject: true, MaxMsgSize: maxMessageBytes,
			Duplicates: 10 * time.Minute, MaxBytes: -1, MaxConsumers: -1,
		},
		{
			Name: streamAnswers, Subjects: []string{prefixAnswer + "*.*.*.*", prefixNotice + "*.*.*"},
			Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Replicas: r, MaxAge: dayAge,
			MaxMsgsPerSubject: 1, MaxMsgSize: maxMessageBytes, Duplicates: 2 * time.Minute,
			MaxBytes: -1, MaxMsgs: -1, MaxConsumers: -1,
		},
		{
			Name: streamDeadLetters, Subjects: []string{prefixDead + ">"}, Retention: jetstream.LimitsPolicy,
			Storage: jetstream.FileStorage, Replicas: r, MaxAge: deadLetterAge, MaxMsgsPerSubject: 1,
			MaxMsgs: 100_000, Discard: jetstream.DiscardOld, MaxMsgSize: 2 * maxMessageBytes, Duplicates: 2 * time.Minute,
			MaxBytes: -1, MaxConsumers: -1,
		},
		kv(bucketControl, 10, 0, false),
		kv(bucketBudget, 10, 0, false),
		kv(bucketLive, 1, LiveTTL, false),
		kv(bucketPosted, 1, dayAge, false),
		kv(bucketMemory, 1, dayAge, false),
		kv(bucketSeen, 1, 0, false),
		kv(bucketOnce, 1, dayAge, true),
		kv(bucketRate, 1, dayAge, false),
		kv(bucketChanged, 1, dayAge, false),
		kv(bucketAttempt, 1, dayAge, false),
		kv(bucketLease, 1, LiveTTL, false),
	}
}

// consumers returns the configuration of the durable consumers by stream. AckWait is how long the dead are waited for;
// there is no bound on pending or delivered messages, because a bound starves users (docs/adr/0004-the-bus.md).
func (b *Bus) consumers() map[string]jetstream.ConsumerConfig {
	return map[string]jetstream.ConsumerConfig{
		streamQuestions: {
			Durable: consumerWorkers, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: -1,
			MaxDeliver: -1, MaxWaiting: 8192, DeliverPolicy: jetstream.DeliverAllPolicy,
		},
		streamAnswers: {
			Durable: consumerGateways, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: -1,
			MaxDeliver: -1, MaxWaiting: 512, DeliverPolicy: jetstream.DeliverAllPolicy,
			PriorityPolicy: jetstream.PriorityPolicyPinned, PinnedTTL: pinnedTTL, PriorityGroups: []string{priorityGroup},
		},
	}
}

const (
	ackWait = 10 * time.Second
	// keepAlive renews a message's ackWait while it is worked on.
	keepAlive = 3 * time.Second
	pinnedTTL = 5 * time.Second
)

// Provision creates the streams, buckets and consumers that are missing and reconciles those that differ; it never
// lowers replicas, bounds or ages that somebody raised. It is idempotent and safe to run from many processes at once.
func (b *Bus) Provision(ctx context.Context) error {
	for _, want := range b.streams() {
		if err := b.ensureStream(ctx, want); err != nil {
			return fmt.Errorf("provision %s: %w", want.Name, err)
		}
	}
	for stream, want := range b.consumers() {
		if err := b.ensureConsumer(ctx, stream, want); err != nil {
			return fmt.Errorf("provision consumer %s of %s: %w", want.Durable, stream, err)
		}
	}
	return nil
}

func (b *Bus) ensureStream(ctx context.Context, want jetstream.StreamConfig) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	s, err := b.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if _, err = b.js.CreateStream(ctx, want); err == nil || !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return err
		}
		if s, err = b.js.Stream(ctx, want.Name); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	next, differs := reconcile(s.CachedInfo().Config, want)
	if !differs {
		return nil
	}
	b.log.Info().Str("stream", want.Name).Msg("reconciling the stream's configuration")
	_, err = b.js.UpdateStream(ctx, next)
	return err
}

// reconcile moves have towards want without lowering replicas, bounds or ages.
func reconcile(have, want jetstream.StreamConfig) (jetstream.StreamConfig, bool) {
	n, differs := have, false
	raise := func(h *int64, w int64) {
		if *h > 0 && (w <= 0 || w > *h) {
			*h, differs = w, true
		}
	}
	raise(&n.MaxMsgs, want.MaxMsgs)
	raise(&n.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	raise(&n.MaxBytes, want.MaxBytes)
	if n.MaxAge > 0 && (want.MaxAge == 0 || want.MaxAge > n.MaxAge) {
		n.MaxAge, differs = want.MaxAge, true
	}
	if n.MaxMsgSize > 0 && want.MaxMsgSize > n.MaxMsgSize {
		n.MaxMsgSize, differs = want.MaxMsgSize, true
	}
	if want.Replicas > n.Replicas {
		n.Replicas, differs = want.Replicas, true
	}
	if want.Duplicates > n.Duplicates {
		n.Duplicates, differs = want.Duplicates, true
	}
	if !equal(n.Subjects, want.Subjects) {
		n.Subjects, differs = want.Subjects, true
	}
	if n.AllowDirect || n.Discard != want.Discard || n.DiscardNewPerSubject != want.DiscardNewPerSubject ||
		(want.AllowMsgTTL && !n.AllowMsgTTL) || n.AllowRollup != want.AllowRollup {
		n.AllowDirect, n.Discard, n.DiscardNewPerSubject = false, want.Discard, want.DiscardNewPerSubject
		n.AllowMsgTTL, n.AllowRollup, differs = n.AllowMsgTTL || want.AllowMsgTTL, want.AllowRollup, true
	}
	return n, differs
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (b *Bus) ensureConsumer(ctx context.Context, stream string, want jetstream.ConsumerConfig) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	c, err := b.js.Consumer(ctx, stream, want.Durable)
	if err == nil {
		have := c.CachedInfo().Config
		if have.AckWait == want.AckWait && have.MaxAckPending == want.MaxAckPending && have.MaxDeliver == want.MaxDeliver &&
			have.PriorityPolicy == want.PriorityPolicy && have.PinnedTTL == want.PinnedTTL {
			return nil
		}
	} else if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	_, err = b.js.CreateOrUpdateConsumer(ctx, stream, want)
	return err
}

// ErrNotProvisioned says that streams or buckets are missing and that this process may not create them.
var ErrNotProvisioned = errors.New("NATS lacks a stream or bucket; run 'gateway provision' with an admin's credentials, or set NATS_PROVISION=auto")

// Open waits for NATS, provisions when auto is set, and returns when everything that the services need is there. It
// tries until ctx ends; report is called with each new reason to wait.
func (b *Bus) Open(ctx context.Context, auto bool, report func(error)) error {
	for {
		err := b.AwaitConnected(ctx)
		if err != nil {
			return err
		}
		if auto {
			err = b.Provision(ctx)
		} else {
			err = b.check(ctx)
		}
		if err == nil || ctx.Err() != nil {
			report(nil)
			return ctx.Err()
		}
		report(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

// check says whether every stream can be seen by this user.
func (b *Bus) check(ctx context.Context) error {
	for _, name := range []string{streamQuestions, streamAnswers, "KV_" + bucketControl, "KV_" + bucketLive} {
		ctx, cancel := bound(ctx)
		_, err := b.js.Stream(ctx, name)
		cancel()
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("%w (%s)", ErrNotProvisioned, name)
		}
		if err != nil {
			return fmt.Errorf("look for %s: %w", name, err)
		}
	}
	return nil
}
