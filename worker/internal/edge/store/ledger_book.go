package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

// book is one key's document as this process works on it. Its run goroutine is the only one that writes; the calls of
// this process wait in line, and all that wait share one write.
type book struct {
	ledger *Ledger
	name   string
	ours   budget.Limits

	calls   chan *call
	aborted context.Context
	abort   context.CancelFunc

	// Only run touches these.
	doc      *budget.Document // nil: must be read
	revision uint64
	checked  time.Time // when doc was last known to be the stored one (monotonic)
	seen     int64     // highest serial that this process has seen
	genesis  bool      // the genesis record is known to exist, and the document is not older
	own      ownership
	lost     int // races in a row

	// ownUntil and serial repeat what run knows, for serve.
	ownUntil, serial atomic.Int64

	// firstTry is whether this process may try the key although it is refused: it was when the process started.
	firstTry atomic.Bool
	// recent is the latest document that was read, written or heard of.
	recent atomic.Pointer[seenDocument]
	deny   denials
	nudged chan struct{}
	ended  chan struct{} // closed when run has ended
}

func newBook(l *Ledger, k LedgerKey) *book {
	b := &book{ledger: l, name: k.Name, ours: k.Limits, calls: make(chan *call, maxPending), nudged: make(chan struct{}, 1),
		ended: make(chan struct{}), own: ownership{patience: forwardTimeout}}
	b.aborted, b.abort = context.WithCancel(context.Background())
	return b
}

// call is one change that waits for the document. apply may run several times, on documents that are read anew after a
// lost race; only the last one counts. It says whether the document changed.
type call struct {
	ctx   context.Context
	apply func(d *budget.Document, now time.Time) bool
	// asks says that apply may grant a lease.
	asks bool
	// lazy says that nobody waits for it: it may wait a moment for a call that somebody waits for, and share its write.
	lazy bool
	// fresh wants a document that was read after the call was made, at made.
	fresh bool
	made  time.Time
	// state: 0 waiting, 1 given up by its caller, 2 answered.
	state atomic.Int32
	done  chan error
	// wire is the call as it is handed to an owner, nil: it can't be; take receives the owner's verdict.
	wire *wireCall
	take func(budget.Verdict)
	// remote says that another process handed it to this one.
	remote bool
	// unheard is called, in run's goroutine, with the end of a call whose caller no longer waits; may be nil.
	unheard func(err error)
}

func (c *call) answer(err error) {
	if c.state.CompareAndSwap(0, 2) {
		c.done <- err
	} else if c.unheard != nil {
		c.unheard(err)
	}
}

// submit puts a call in line and waits for its end.
func (b *book) submit(c *call) error {
	c.done = make(chan error, 1)
	select {
	case b.calls <- c:
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-b.ledger.stop:
		return errClosed
	}
	select {
	case err := <-c.done:
		return err
	case <-c.ctx.Done():
		if c.state.CompareAndSwap(0, 1) {
			return c.ctx.Err()
		}
		return <-c.done
	case <-b.ended:
		if c.state.CompareAndSwap(0, 1) {
			return errClosed
		}
		return <-c.done
	}
}

func (b *book) reserve(ctx context.Context, ask budget.Ask) (budget.Verdict, error) {
	ask.FirstTry = b.firstTry.Load()
	if v, ok := b.deny.find(ask, b.ledger.clock.now()); ok && !ask.FirstTry {
		return v, nil
	}
	var v budget.Verdict
	c := b.reserveCall(ctx, ask, &v)
	c.unheard = func(err error) {
		if err == nil && v.Granted {
			b.giveBack(ask)
		}
	}
	err := b.submit(c)
	if err != nil {
		return budget.Verdict{}, err
	}
	if ask.FirstTry {
		b.tried(v)
	}
	b.deny.put(ask, v)
	if !v.Granted {
		b.nudge() // has watch wake at v.Until
	}
	return v, nil
}

func (b *book) reserveCall(ctx context.Context, ask budget.Ask, v *budget.Verdict) *call {
	onWire := ask
	onWire.Crowd = nil // the owner has its own
	return &call{
		ctx: ctx, asks: true, wire: &wireCall{Ask: &onWire},
		take: func(got budget.Verdict) { *v = got },
		apply: func(d *budget.Document, now time.Time) bool {
			*v = d.Reserve(now, ask)
			return v.Changed
		},
	}
}

// tried notes that this process has had its one try of a refused key.
func (b *book) tried(v budget.Verdict) {
	if v.Granted {
		b.firstTry.Store(false)
	}
}

func (b *book) settle(ctx context.Context, s budget.Settlement) error {
	return b.submit(b.settleCall(ctx, s))
}

// giveBack settles a grant that nobody took. It must not block, since run calls it; where there is no room in line, the
// lease ends by itself and stays charged.
func (b *book) giveBack(ask budget.Ask) {
	ctx, cancel := context.WithTimeout(b.aborted, ask.Hold)
	c := b.settleCall(ctx, budget.Settlement{Lease: ask.Lease, Outcome: budget.Outcome{Kind: budget.NotSent}})
	c.state.Store(1)
	c.unheard = func(error) { cancel() }
	select {
	case b.calls <- c:
	default:
		cancel()
	}
}

func (b *book) settleCall(ctx context.Context, s budget.Settlement) *call {
	return &call{ctx: ctx, wire: &wireCall{Settle: &s},
		apply: func(d *budget.Document, now time.Time) bool { return d.Settle(now, s) }}
}

// settleLater puts a settlement in line and returns. It is tried until the lease has ended anyway.
func (b *book) settleLater(s budget.Settlement, within time.Duration) {
	ctx, cancel := context.WithTimeout(b.aborted, max(within, time.Second))
	c := b.settleCall(ctx, s)
	c.done = make(chan error, 1)
	c.state.Store(1)                                                             // nobody waits
	c.lazy = s.Outcome.Kind == budget.Success || s.Outcome.Kind == budget.Failed // others change what may be reserved
	c.unheard = func(error) { cancel() }
	select {
	case b.calls <- c:
	case <-ctx.Done():
		cancel()
	case <-b.ended:
		cancel()
	}
}

// run is the book's one writer. After stop it writes what is in line, and ends.
func (b *book) run() {
	defer close(b.ended)
	var pending []*call
	stop := b.ledger.stop
	for {
		if len(pending) == 0 {
			select {
			case c := <-b.calls:
				pending = append(pending, c)
			case <-stop:
				select {
				case c := <-b.calls:
					pending = append(pending, c)
				default:
					return
				}
			}
		}
		pending = b.commit(b.gather(b.company(pending)))
	}
}

// lazyFor is how long settlements wait for a reservation to share its write: short beside any call to a model.
const lazyFor = 10 * time.Millisecond

// company has calls that nobody waits for wait a moment for one that somebody does, unless this process knows of one that
// is refused for want of what they give back.
func (b *book) company(pending []*call) []*call {
	if _, _, refused := b.deny.get(); refused {
		return pending
	}
	var timer *time.Timer
	for len(pending) < maxBatch && !slices.ContainsFunc(pending, func(c *call) bool { return !c.lazy }) {
		if timer == nil {
			timer = time.NewTimer(lazyFor)
			defer timer.Stop()
		}
		select {
		case c := <-b.calls:
			pending = append(pending, c)
			continue
		case <-timer.C:
		case <-b.ledger.stop:
		}
		break
	}
	return pending
}

// gather adds what else is in line and drops whose callers have given up.
func (b *book) gather(pending []*call) []*call {
	for len(pending) < maxBatch {
		select {
		case c := <-b.calls:
			pending = append(pending, c)
			continue
		default:
		}
		break
	}
	alive := pending[:0]
	for _, c := range pending {
		if err := c.ctx.Err(); err != nil {
			c.answer(err)
			continue
		}
		alive = append(alive, c)
	}
	return alive
}

// commit applies the calls to the document and stores it. It returns the calls that must be tried again.
func (b *book) commit(calls []*call) []*call {
	if len(calls) == 0 {
		return nil
	}
	if owner := b.otherOwner(calls); owner != "" {
		return b.forward(owner, calls)
	}
	ctx, cancel := context.WithTimeout(b.aborted, storeTimeout)
	defer cancel()
	stale := b.doc != nil && time.Since(b.checked) > trusted
	if b.doc == nil {
		if err := b.load(ctx, true); err != nil {
			return b.failed(calls, err)
		}
		if b.otherOwner(calls) != "" {
			return calls // there is an owner after all
		}
	}
	now := b.ledger.clock.now()
	changed, granted := false, false
	for _, c := range calls {
		did := c.apply(b.doc, now)
		changed = changed || did
		granted = granted || did && c.asks
		stale = stale || c.fresh && b.checked.Before(c.made)
	}
	if !changed {
		if stale { // a refusal must not rest on an old document
			b.doc = nil
			return calls
		}
		b.answerAll(calls)
		return nil
	}
	if granted && !b.genesis {
		if err := b.writeGenesis(ctx); err != nil {
			b.doc = nil
			return b.failed(calls, err)
		}
	}
	switch err := b.store(ctx); {
	case err == nil:
		b.lost = 0
		b.answerAll(calls)
		return nil
	case isConflict(err):
		// Somebody else wrote. A short random wait is enough, since every conflict means that one write succeeded, and
		// long waits starve the unlucky; but where so many write that most lose again and again, they must spread.
		b.lost++
		b.pause(ctx, rand.N(maxJitter<<min(max(b.lost-2, 0), 5)))
		return calls
	default:
		// It may have been stored or not: the document is read again, and each call finds its own lease in it, or not.
		return b.failed(calls, err)
	}
}

const (
	// trusted is how long a document is trusted for a refusal after it was read or written.
	trusted    = 10 * time.Millisecond
	maxJitter  = 2 * time.Millisecond
	retryPause = 50 * time.Millisecond
)

// failed decides about calls whose write failed for another reason than a race: they are tried again until their
// callers give up.
func (b *book) failed(calls []*call, err error) []*call {
	b.doc = nil
	if b.aborted.Err() != nil {
		for _, c := range calls {
			c.answer(fmt.Errorf("%w: %w", errClosed, err))
		}
		return nil
	}
	alive := calls[:0]
	for _, c := range calls {
		if c.ctx.Err() != nil {
			c.answer(fmt.Errorf("%w: %w", c.ctx.Err(), err))
			continue
		}
		alive = append(alive, c)
	}
	b.pause(b.aborted, retryPause)
	return alive
}

func (b *book) answerAll(calls []*call) {
	for _, c := range calls {
		c.answer(nil)
	}
}

func (b *book) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// broadcast wakes all who wait.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func newBroadcast() *broadcast { return &broadcast{ch: make(chan struct{})} }

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}
