// Package lease divides the bot's shards among the gateways that live. Each shard has one lease; who holds it keeps the
// shard's session. It promises that every shard has a gateway again soon after one dies, that shards are shared out
// evenly, and that a shard changes hands without a gap: the old session is kept until the new one is live. It does not
// promise that one gateway alone hears a shard: two may for a while, and every effect is claimed once anyway.
package lease

import (
	"context"
	"time"
)

// Lease says who keeps a shard's session. The zero value is a shard that nobody keeps.
type Lease struct {
	Owner string `json:"owner,omitempty"`
	// Live says that the owner's session is up.
	Live bool `json:"live,omitempty"`
	// Revision is what a write expects; it changes with every write, and so shows that the owner lives.
	Revision uint64 `json:"-"`
}

// Table is the book as it was read.
type Table struct {
	Leases  map[int]Lease     // by shard; a shard may be missing
	Members map[string]uint64 // gateways, with the revision of each one's entry
}

// Book keeps leases and members. What is not written for longer than a keeper's DeadAfter may vanish from it. Safe for
// concurrent use.
type Book interface {
	Read(context.Context) (Table, error)
	// Write stores a lease if the one that is there still has the lease's revision, and returns the new one; 0 if it has
	// another.
	Write(ctx context.Context, shard int, l Lease) (revision uint64, err error)
	// Join writes the caller's entry among the members, Leave removes it.
	Join(context.Context) error
	Leave(context.Context) error
}

// Sessions are this gateway's sessions at Discord. Safe for concurrent use.
type Sessions interface {
	// StartShard keeps a session from now on; one that is kept already is left alone.
	StartShard(shard, total int) error
	// StopShard ends a session, and returns when what it received is handled.
	StopShard(shard int)
	// ShardLive says whether a session is up.
	ShardLive(shard int) bool
}

// Config tunes a [Keeper]. Owner and Total are required.
type Config struct {
	// Owner is a name that no other process has.
	Owner string
	// Total is how many shards the bot has.
	Total int
	// Every is how often leases are renewed and looked at. Default 1 s.
	Every time.Duration
	// DeadAfter is how long an entry may stay the same until its writer counts as dead. Default 4 s. It is judged by
	// looking, so no clock is compared with another.
	DeadAfter time.Duration
	// Patience is how long a free shard is left to gateways that have fewer. Default 2 s.
	Patience time.Duration
	// Settle is how long an old session is kept after the new owner's is live, while that one learns its servers.
	// Default 3 s.
	Settle time.Duration
	// ReturnAfter is how long a shard that was given up may find no taker until it is taken back. Default 10 s.
	ReturnAfter time.Duration
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.Every, time.Second)
	set(&c.DeadAfter, 4*time.Second)
	set(&c.Patience, 2*time.Second)
	set(&c.Settle, 3*time.Second)
	set(&c.ReturnAfter, 10*time.Second)
	return c
}
