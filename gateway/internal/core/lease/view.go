package lease

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"
)

// view is one look at the book, judged.
type view struct {
	now    time.Time
	leases map[int]Lease // a lease whose owner is dead has none
	held   int           // shards of this gateway
	floor  int           // the shards that every gateway should have at least
	ceil   int           // and at most
	poor   bool          // somebody has fewer than floor
	first  int           // where this gateway begins
}

// look judges who lives: whose entries still change.
func (k *Keeper) look(t Table, now time.Time) *view {
	blind := now.Sub(k.looked) > k.cfg.DeadAfter/2 // we did not look: who did not seem to live may have
	if blind && !k.looked.IsZero() {
		k.quiet = now.Add(k.cfg.Patience) // others may not have written yet what the book forgot
	}
	k.looked = now
	seen := map[string]sight{}
	alive := func(key string, revision uint64) bool {
		s, ok := k.seen[key]
		if !ok || blind || s.revision != revision {
			s = sight{revision, now}
		}
		seen[key] = s
		return now.Sub(s.since) < k.cfg.DeadAfter
	}
	shares := map[string]int{k.cfg.Owner: 0}
	for name, revision := range t.Members {
		if alive("member "+name, revision) {
			shares[name] = 0
		}
	}
	v := &view{now: now, leases: make(map[int]Lease, k.cfg.Total)}
	for shard := range k.cfg.Total {
		l := t.Leases[shard]
		if l.Owner != "" && !alive("shard "+strconv.Itoa(shard), l.Revision) && l.Owner != k.cfg.Owner {
			l.Owner, l.Live = "", false
		}
		v.leases[shard] = l
		if s := k.kept[shard]; l.Owner == "" && s != nil && s.givenUp.IsZero() {
			l.Owner = k.cfg.Owner // its session is here: the book forgot
		}
		if _, ok := shares[l.Owner]; ok {
			shares[l.Owner]++
		}
	}
	k.seen = seen
	v.held = shares[k.cfg.Owner]
	v.floor = k.cfg.Total / len(shares)
	v.ceil = (k.cfg.Total + len(shares) - 1) / len(shares)
	for _, n := range shares {
		v.poor = v.poor || n < v.floor
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.cfg.Owner)) // never fails
	v.first = int(h.Sum32() % uint32(k.cfg.Total))
	return v
}

// judge notes whether this gateway serves.
func (k *Keeper) judge(v *view) {
	why := ""
	for shard := range k.cfg.Total {
		if l := v.leases[shard]; v.held == 0 && !l.Live {
			why = fmt.Sprintf("no shard is this gateway's yet, and nobody serves shard %d of %d", shard, k.cfg.Total)
			break
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.why, k.held = why, v.held
}
