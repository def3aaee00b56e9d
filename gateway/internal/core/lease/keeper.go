package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Keeper takes, renews and gives up leases for one gateway.
type Keeper struct {
	book     Book
	sessions Sessions
	cfg      Config

	mu   sync.Mutex // of what others may ask
	why  string
	held int

	// Of the one goroutine that runs rounds.
	seen     map[string]sight  // entries of the book, by what they are about
	looked   time.Time         // the last look that worked
	quiet    time.Time         // until then nothing new is taken and nothing given up
	free     map[int]time.Time // since when a shard was seen without an owner who lives
	kept     map[int]*kept     // sessions of this gateway
	stopping sync.WaitGroup
}

// sight is an entry as it was last seen to change.
type sight struct {
	revision uint64
	since    time.Time
}

// kept is a session of this gateway.
type kept struct {
	givenUp  time.Time     // when its lease was given up for another's sake; zero: it was not
	replaced time.Time     // since when another's session is live; zero: none is
	stopped  chan struct{} // closed when a session that is being stopped has ended; nil: it is not being stopped
}

// New makes a Keeper.
func New(book Book, sessions Sessions, cfg Config) (*Keeper, error) {
	if book == nil || sessions == nil || cfg.Owner == "" || cfg.Total < 1 {
		return nil, errors.New("lease: a book, sessions, an owner and a total are needed")
	}
	return &Keeper{book: book, sessions: sessions, cfg: cfg.withDefaults(), why: "the shards are not divided yet",
		seen: map[string]sight{}, free: map[int]time.Time{}, kept: map[int]*kept{}}, nil
}

// Down says what keeps this gateway from serving, or nothing. A gateway beyond the number of shards serves when all of
// them are live elsewhere.
func (k *Keeper) Down() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.why
}

// Held is how many leases this gateway has.
func (k *Keeper) Held() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held
}

// Run keeps leases until ctx ends; then it gives them up, for others to take at once. Rounds that fail are reported.
func (k *Keeper) Run(ctx context.Context, report func(error)) {
	tick := time.NewTicker(k.cfg.Every)
	defer tick.Stop()
	for {
		if err := k.round(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			k.leave(context.WithoutCancel(ctx))
			k.stopping.Wait()
			return
		case <-tick.C:
		}
	}
}

// leaveWithin bounds the farewell; what is not said by then others find out by themselves.
const leaveWithin = 2 * time.Second

func (k *Keeper) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveWithin)
	defer cancel()
	t, err := k.book.Read(ctx)
	if err != nil {
		return
	}
	for shard, l := range t.Leases {
		if l.Owner == k.cfg.Owner {
			_, _ = k.book.Write(ctx, shard, Lease{Revision: l.Revision})
		}
	}
	_ = k.book.Leave(ctx)
}

// round looks once and acts on it.
func (k *Keeper) round(ctx context.Context) error {
	if err := k.book.Join(ctx); err != nil {
		return fmt.Errorf("join the gateways: %w", err)
	}
	t, err := k.book.Read(ctx)
	if err != nil {
		return fmt.Errorf("read the shards' leases: %w", err)
	}
	v := k.look(t, time.Now())
	for i := range k.cfg.Total {
		// Each gateway begins elsewhere, so that those that start together don't reach for the same shard.
		if err := k.mind(ctx, v, (i+v.first)%k.cfg.Total); err != nil {
			return err
		}
	}
	if err := k.giveUp(ctx, v); err != nil {
		return err
	}
	k.judge(v)
	return nil
}

// mind does for one shard what this gateway has to do.
func (k *Keeper) mind(ctx context.Context, v *view, shard int) error {
	l, s := v.leases[shard], k.kept[shard]
	if s != nil && s.stopped != nil {
		select {
		case <-s.stopped:
			delete(k.kept, shard)
			s = nil
		default:
			return nil
		}
	}
	switch {
	case l.Owner == k.cfg.Owner:
		return k.hold(ctx, v, shard)
	case l.Owner != "":
		delete(k.free, shard)
		if s != nil {
			k.handOver(v, shard, s, l.Live)
		}
		return nil
	}
	if _, ok := k.free[shard]; !ok {
		k.free[shard] = v.now
	}
	if !k.wants(v, shard, s) {
		return nil
	}
	return k.hold(ctx, v, shard)
}

// wants says whether a shard without an owner is this gateway's to take.
func (k *Keeper) wants(v *view, shard int, s *kept) bool {
	free := v.now.Sub(k.free[shard])
	switch {
	case s != nil && s.givenUp.IsZero(): // its session is here: the book forgot
		return true
	case s != nil:
		return v.now.Sub(s.givenUp) >= k.cfg.ReturnAfter
	case v.now.Before(k.quiet):
		return false
	case v.held < v.floor:
		return true
	case v.held < v.ceil:
		return free >= k.cfg.Patience
	}
	return free >= 2*k.cfg.Patience
}

// hold writes the lease of a shard in this gateway's name and keeps its session.
func (k *Keeper) hold(ctx context.Context, v *view, shard int) error {
	l := v.leases[shard]
	had := l.Owner == k.cfg.Owner
	l.Owner, l.Live = k.cfg.Owner, k.sessions.ShardLive(shard)
	revision, err := k.book.Write(ctx, shard, l)
	if err != nil {
		return fmt.Errorf("write the lease of shard %d: %w", shard, err)
	}
	if revision == 0 {
		return nil // the next round sees who was faster
	}
	if l.Revision = revision; !had {
		v.held++
	}
	v.leases[shard] = l
	delete(k.free, shard)
	k.kept[shard] = &kept{}
	return k.sessions.StartShard(shard, k.cfg.Total)
}

// handOver ends a session whose shard is another's, once that one's is live and has settled.
func (k *Keeper) handOver(v *view, shard int, s *kept, live bool) {
	switch {
	case !live:
		s.replaced = time.Time{}
		return
	case s.replaced.IsZero():
		s.replaced = v.now
	}
	if v.now.Sub(s.replaced) < k.cfg.Settle {
		return
	}
	s.stopped = make(chan struct{})
	k.stopping.Go(func() {
		defer close(s.stopped)
		k.sessions.StopShard(shard)
	})
}

// giveUp frees leases that others should have. The sessions stay until others have theirs.
func (k *Keeper) giveUp(ctx context.Context, v *view) error {
	if v.now.Before(k.quiet) {
		return nil
	}
	n := v.held - v.ceil
	if n <= 0 && v.held > v.floor && v.poor && len(k.free) == 0 {
		n = 1
	}
	for shard := k.cfg.Total - 1; shard >= 0 && n > 0; shard-- {
		l := v.leases[shard]
		if l.Owner != k.cfg.Owner {
			continue
		}
		if _, err := k.book.Write(ctx, shard, Lease{Revision: l.Revision}); err != nil {
			return fmt.Errorf("give up shard %d: %w", shard, err)
		}
		if s := k.kept[shard]; s != nil {
			s.givenUp = v.now
		}
		n--
	}
	return nil
}
