package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

func desiredKey(s control.Scope) string {
	if s == control.Fleet {
		return "desired.fleet"
	}
	return "desired.guild." + string(s)
}

func muteKey(g chat.GuildID, u chat.UserID) string { return "mute." + string(g) + "." + string(u) }

// ApplyOrder moves the desired state of the order's scope by compare-and-set. Applying the same order twice changes
// nothing the second time. revision is what every process is to reach.
func (b *Bus) ApplyOrder(ctx context.Context, o control.Order) (before, after control.Desired, revision uint64, changed bool, err error) {
	if err := o.Validate(); err != nil {
		return before, after, 0, false, err
	}
	for {
		before = control.Desired{State: control.Running}
		d, _, rev, err := b.record(ctx, desiredKey(o.Scope))
		if err != nil {
			return before, after, 0, false, err
		}
		if d != nil {
			before = *d
		}
		after, changed = before.Next(o)
		if !changed {
			return before, after, rev, false, nil
		}
		revision, err = b.control().Update(ctx, desiredKey(o.Scope), after, rev)
		if !errors.Is(err, ErrConflict) {
			return before, after, revision, true, err
		}
	}
}

// ApplyMute writes a mute or lifts it, newest order last.
func (b *Bus) ApplyMute(ctx context.Context, o control.Order) (revision uint64, err error) {
	if err := o.Validate(); err != nil {
		return 0, err
	}
	key := muteKey(chat.GuildID(o.Scope), o.Target)
	for {
		_, had, rev, err := b.record(ctx, key)
		if err != nil {
			return 0, err
		}
		if had != nil && had.Order.Command >= o.Command {
			return rev, nil
		}
		revision, err = b.control().Update(ctx, key, control.Muted{Order: o}, rev)
		if !errors.Is(err, ErrConflict) {
			return revision, err
		}
	}
}

// ForgetGuild deletes the desired state and the mutes of a server that the bot has left, as far as they are older than its
// leaving: it may have been invited again, and commanded, meanwhile.
func (b *Bus) ForgetGuild(ctx context.Context, g chat.GuildID, left chat.Snowflake) error {
	keys, err := b.control().Keys(ctx, "mute."+string(g)+".>")
	if err != nil {
		return err
	}
	for _, k := range append(keys, desiredKey(control.Scope(g))) {
		if err := b.forgetRecord(ctx, k, left); err != nil {
			return err
		}
	}
	return nil
}

// forgetRecord deletes a control record that is older than a moment, and not what somebody writes in between.
func (b *Bus) forgetRecord(ctx context.Context, key string, left chat.Snowflake) error {
	for {
		d, mu, revision, err := b.record(ctx, key)
		switch {
		case err != nil || revision == 0:
			return err
		case d != nil && d.Order.Command > left, mu != nil && mu.Order.Command > left:
			return nil
		}
		if err := b.control().deleteAt(ctx, key, revision); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// Mirror is a process's copy of the desired state. Reads are local and lock only shortly. It follows by a core
// subscription as a nudge, by reading all again after every reconnect, and by comparing the bucket's last sequence
// every few seconds: a KV watch goes silent for 20 s after a server restart.
type Mirror struct {
	bus      *Bus
	onChange func(control.Scope)

	mu       sync.RWMutex
	desired  map[control.Scope]control.Desired
	mutes    map[string]control.Muted
	revision uint64

	refresh chan string
	all     chan struct{}
}

// compareEvery is how often the mirror compares itself with the bucket.
const compareEvery = 5 * time.Second

// NewMirror loads the desired state, so that it is known before the first question, and follows it until Run ends.
// onChange is called after a scope's state or mutes changed; it must not block.
func (b *Bus) NewMirror(ctx context.Context, onChange func(control.Scope)) (*Mirror, error) {
	m := &Mirror{
		bus: b, onChange: onChange, desired: map[control.Scope]control.Desired{}, mutes: map[string]control.Muted{},
		refresh: make(chan string, 1024), all: make(chan struct{}, 1),
	}
	if err := m.load(ctx); err != nil {
		return nil, fmt.Errorf("load the desired state: %w", err)
	}
	return m, nil
}

// Run follows until ctx ends.
func (m *Mirror) Run(ctx context.Context) error {
	sub, err := m.bus.nc.Subscribe("$KV."+bucketControl+".>", func(msg *nats.Msg) {
		select {
		case m.refresh <- strings.TrimPrefix(msg.Subject, "$KV."+bucketControl+"."):
		default:
			poke(m.all)
		}
	})
	if err != nil {
		return fmt.Errorf("follow the desired state: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	m.bus.OnReturn(func() { poke(m.all) })
	poke(m.all) // what was written between the load and the subscription
	tick := time.NewTicker(compareEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case key := <-m.refresh:
			err = m.read(ctx, key)
		case <-m.all:
			err = m.load(ctx)
		case <-tick.C:
			err = m.compare(ctx)
		}
		if err != nil && ctx.Err() == nil {
			m.bus.log.Debug().Err(err).Msg("the desired state could not be read; trying again")
		}
	}
}

// compare loads all when the bucket is ahead of the mirror.
func (m *Mirror) compare(ctx context.Context) error {
	last, err := m.lastSequence(ctx)
	if err != nil || last <= m.Revision() {
		return err
	}
	return m.load(ctx)
}

func (m *Mirror) lastSequence(ctx context.Context) (uint64, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	s, err := m.bus.js.Stream(ctx, "KV_"+bucketControl)
	if err != nil {
		return 0, err
	}
	return s.CachedInfo().State.LastSeq, nil
}

// load reads every key.
func (m *Mirror) load(ctx context.Context) error {
	last, err := m.lastSequence(ctx)
	if err != nil {
		return err
	}
	keys, err := m.bus.control().Keys(ctx, ">")
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := m.read(ctx, k); err != nil {
			return err
		}
	}
	m.reached(last)
	return nil
}

// read takes one key over. A record that is refused has no effect: what was valid before stays.
func (m *Mirror) read(ctx context.Context, key string) error {
	parts := strings.Split(key, ".")
	kind := parts[0]
	if (kind != "desired" || len(parts) < 2) && (kind != "mute" || len(parts) != 3) {
		return nil // a genesis record of the ledger
	}
	d, mu, revision, err := m.bus.record(ctx, key)
	if err != nil {
		return err
	}
	m.set(key, parts, d, mu)
	m.reached(revision)
	return nil
}

// record reads what holds under a key: the newest record that is not refused, of either kind. revision is that of the
// newest one, refused or not.
func (b *Bus) record(ctx context.Context, key string) (d *control.Desired, mu *control.Muted, revision uint64, err error) {
	raw, revision, err := b.control().Begin(key).raw(ctx)
	if err != nil || raw == nil {
		return nil, nil, revision, err
	}
	parts := strings.Split(key, ".")
	d, mu, refused := decodeRecord(parts, raw)
	if refused == nil {
		return d, mu, revision, nil
	}
	b.log.Warn().Err(refused).Str("key", key).Msg("a control record has no effect")
	d, mu, err = b.lastValid(ctx, key, parts)
	return d, mu, revision, err
}

// decodeRecord reads a record of either kind; exactly one of the results is set when err is nil, none otherwise.
func decodeRecord(parts []string, raw []byte) (*control.Desired, *control.Muted, error) {
	if parts[0] == "mute" {
		mu, err := control.DecodeMuted(chat.GuildID(parts[1]), chat.UserID(parts[2]), raw)
		if err != nil {
			return nil, nil, err
		}
		return nil, &mu, nil
	}
	d, err := control.DecodeDesired(scopeOf(parts), raw)
	if err != nil {
		return nil, nil, err
	}
	return &d, nil, nil
}

func scopeOf(parts []string) control.Scope {
	if parts[0] == "desired" && parts[1] == string(control.Fleet) {
		return control.Fleet
	}
	if parts[0] == "desired" && len(parts) == 3 {
		return control.Scope(parts[2])
	}
	return control.Scope(parts[1])
}

// lastValid walks the key's history for the newest record that is not refused; nil when there is none.
func (b *Bus) lastValid(ctx context.Context, key string, parts []string) (d *control.Desired, mu *control.Muted, err error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	s, err := b.js.Stream(ctx, "KV_"+bucketControl)
	if err != nil {
		return nil, nil, err
	}
	for seq := uint64(1); ; {
		msg, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject("$KV."+bucketControl+"."+key))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return d, mu, nil
		}
		if err != nil {
			return nil, nil, err
		}
		seq = msg.Sequence + 1
		if msg.Header.Get(kvOperation) != "" {
			d, mu = nil, nil
			continue
		}
		if nd, nm, err := decodeRecord(parts, msg.Data); err == nil {
			d, mu = nd, nm
		}
	}
}

func (m *Mirror) set(key string, parts []string, d *control.Desired, mu *control.Muted) {
	scope := scopeOf(parts)
	m.mu.Lock()
	changed := false
	if parts[0] == "mute" {
		old, had := m.mutes[key]
		if mu == nil || mu.Order.Verb != control.Mute {
			delete(m.mutes, key)
			changed = had
		} else {
			m.mutes[key] = *mu
			changed = !had || old != *mu
		}
	} else {
		old, had := m.desired[scope]
		if d == nil {
			delete(m.desired, scope)
			changed = had
		} else {
			m.desired[scope] = *d
			changed = !had || old != *d
		}
	}
	m.mu.Unlock()
	if changed && m.onChange != nil {
		m.onChange(scope)
	}
}

func (m *Mirror) reached(revision uint64) {
	m.mu.Lock()
	m.revision = max(m.revision, revision)
	m.mu.Unlock()
}

// Reach reads the scope of an order (and its target's mute) from the leader, so that the mirror is at least at that
// order when it returns nil.
func (m *Mirror) Reach(ctx context.Context, o control.Order) error {
	if o.Target != "" {
		return m.read(ctx, muteKey(chat.GuildID(o.Scope), o.Target))
	}
	return m.read(ctx, desiredKey(o.Scope))
}

// Revision is the newest revision that the mirror reached.
func (m *Mirror) Revision() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.revision
}

// Desired is the state of a scope; a scope that nobody ever commanded runs.
func (m *Mirror) Desired(s control.Scope) control.Desired {
	m.mu.RLock()
	defer m.mu.RUnlock()
	d := m.desired[s]
	if d.State == "" {
		d.State = control.Running
	}
	return d
}

// Stopped says whether the bot is silent in a server: by its own stop or the fleet's.
func (m *Mirror) Stopped(g chat.GuildID) bool {
	return m.Desired(control.Fleet).State == control.Stopped || m.Desired(control.Scope(g)).State == control.Stopped
}

// DropBefore is the newest command that dropped what was asked before it, in a server or everywhere.
func (m *Mirror) DropBefore(g chat.GuildID) chat.Snowflake {
	return max(m.Desired(control.Fleet).DropBefore, m.Desired(control.Scope(g)).DropBefore)
}

// ForgetBefore is the newest command that made a server's conversations unknown.
func (m *Mirror) ForgetBefore(g chat.GuildID) chat.Snowflake {
	return m.Desired(control.Scope(g)).ForgetBefore
}

// Muted says whether a user is muted in a server now.
func (m *Mirror) Muted(g chat.GuildID, u chat.UserID, now time.Time) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	mu, ok := m.mutes[muteKey(g, u)]
	return ok && mu.Active(now)
}
