package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"salamander.dev/gateway/internal/core/lease"
	"salamander.dev/shared/bus"
)

// Leases keep who serves which of a number of shards. Gateways with another number are another scheme: both serve every
// server until the last gateway of one of them ends, so that the number can be changed without a gap.
type Leases struct {
	bus    *bus.Bus
	owner  string
	prefix string // of one scheme's keys
}

// NewLeases makes Leases in one gateway's name.
func NewLeases(b *bus.Bus, owner string, total int) *Leases {
	return &Leases{b, owner, fmt.Sprintf("shards.%d.", total)}
}

// Kinds of keys, after a scheme's prefix.
const (
	shardKey  = "shard."
	memberKey = "gateway."
)

// Read implements [lease.Book].
func (l *Leases) Read(ctx context.Context) (lease.Table, error) {
	t := lease.Table{Leases: map[int]lease.Lease{}, Members: map[string]uint64{}}
	keys, err := l.bus.Lease().Keys(ctx, l.prefix+">")
	if err != nil {
		return t, err
	}
	for _, key := range keys {
		switch name := strings.TrimPrefix(key, l.prefix); {
		case strings.HasPrefix(name, memberKey):
			var who string
			revision, ok, err := l.bus.Lease().Get(ctx, key, &who)
			if err != nil {
				return t, err
			}
			if ok {
				t.Members[who] = revision
			}
		case strings.HasPrefix(name, shardKey):
			id, err := strconv.Atoi(strings.TrimPrefix(name, shardKey))
			if err != nil {
				continue // nobody writes such a key
			}
			var one lease.Lease
			if one.Revision, _, err = l.bus.Lease().Get(ctx, key, &one); err != nil {
				return t, err
			}
			t.Leases[id] = one
		}
	}
	return t, nil
}

// Write implements [lease.Book].
func (l *Leases) Write(ctx context.Context, shard int, one lease.Lease) (uint64, error) {
	revision, err := l.bus.Lease().Update(ctx, l.prefix+shardKey+strconv.Itoa(shard), one, one.Revision)
	if errors.Is(err, bus.ErrConflict) {
		return 0, nil
	}
	return revision, err
}

// Join implements [lease.Book].
func (l *Leases) Join(ctx context.Context) error {
	return l.bus.Lease().Put(ctx, l.prefix+memberKey+bus.Token(l.owner), l.owner)
}

// Leave implements [lease.Book].
func (l *Leases) Leave(ctx context.Context) error {
	return l.bus.Lease().Delete(ctx, l.prefix+memberKey+bus.Token(l.owner))
}

// SchemeInUse is the number of shards by which gateways divide them now; 0 when none do. Those that died in the last
// seconds count too.
func SchemeInUse(ctx context.Context, b *bus.Bus) (total int, err error) {
	keys, err := b.Lease().Keys(ctx, "shards.*."+memberKey+"*")
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		var who string
		if _, ok, err := b.Lease().Get(ctx, key, &who); err != nil || !ok {
			if err != nil {
				return 0, err
			}
			continue
		}
		n, err := strconv.Atoi(strings.Split(key, ".")[1])
		if err == nil {
			total = max(total, n)
		}
	}
	return total, nil
}

var _ lease.Book = (*Leases)(nil)
