package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"salamander.dev/worker/internal/core/budget"
)

// Under contention most compare-and-sets lose: of 32 processes that write at once, one succeeds. So the process that
// wrote last combines the calls of all for a while: the document names it as owner, and the others hand it their calls
// by request-reply. This is for speed only. An owner that is gone, slow or wrong about being the owner changes nothing:
// whoever gets no answer writes for itself, and the compare-and-set and the lease ids decide what holds.
const (
	// ownFor is how long the document names an owner, renewed by its writes.
	ownFor = 5 * time.Second
	// forwardTimeout is how long an owner may take; a dead one is noticed at once (no responders), a stuck one by this.
	// Where everything is slow it is doubled with each silence up to maxForwardTimeout: an owner that is left for being
	// slow makes everyone write for itself, which is slower still.
	forwardTimeout    = 500 * time.Millisecond
	maxForwardTimeout = 2 * time.Second
	// probeEvery is how often it is asked meanwhile whether the owner is there at all.
	probeEvery = 150 * time.Millisecond
	// maxSilent is how many silences in a row mean, where never an answer came, that none will.
	maxSilent = 5
	// withinHeader tells the owner how long its answer is waited for.
	withinHeader = "Salamander-Within"
)

var errNoOwner = errors.New("no owner")

// wireCall is a call on its way to the owner. One of the two is set.
type wireCall struct {
	Ask    *budget.Ask        `json:"a,omitempty"`
	Settle *budget.Settlement `json:"s,omitempty"`
}

// wireAnswer is the owner's answer to all calls of one request.
type wireAnswer struct {
	Verdicts []budget.Verdict `json:"v,omitempty"` // one for each call; empty for a settlement
	Until    int64            `json:"u,omitempty"` // how long it remains the owner
	Serial   int64            `json:"n,omitempty"`
	Error    string           `json:"e,omitempty"`
}

// ownership is what a book believes about who combines. Only run touches it.
type ownership struct {
	owner string
	until int64 // Unix ms by the server's clock
	gone  string
	// patience is how long an owner may take now; silent counts forwarded calls in a row that got no answer at all, and
	// off is until when nothing is forwarded if none ever did.
	patience time.Duration
	silent   int
	answered bool
	off      time.Time
}

// heard takes in that an owner answered, or that it did not.
func (o *ownership) heard(answered bool) {
	if answered {
		o.silent, o.answered = 0, true
		o.patience = max(o.patience-o.patience/8, forwardTimeout)
		return
	}
	o.silent++
	o.patience = min(2*o.patience, maxForwardTimeout)
}

// learn takes in what a document says.
func (o *ownership) learn(d *budget.Document) {
	o.owner, o.until = d.Owner, d.OwnerUntil
	if o.gone != d.Owner {
		o.gone = ""
	}
}

// claim makes this process the owner, if the document that is about to be written names none that can be reached.
func (b *book) claim(d *budget.Document) {
	me := b.ledger.cfg.Instance
	if b.ledger.cfg.NoForward || (d.Owner != me && d.OwnerUntil > d.Clock && d.Owner != b.own.gone) {
		return
	}
	if d.Owner != me || d.OwnerUntil-d.Clock < (ownFor-time.Second).Milliseconds() {
		d.Owner, d.OwnerUntil = me, d.Clock+ownFor.Milliseconds()
	}
}

// otherOwner returns the process that the calls are to be handed to, or "".
func (b *book) otherOwner(calls []*call) string {
	o := b.own
	if b.ledger.cfg.NoForward || o.owner == "" || o.owner == b.ledger.cfg.Instance || o.owner == o.gone ||
		b.ledger.clock.now().UnixMilli() >= o.until || time.Now().Before(o.off) {
		return ""
	}
	for _, c := range calls {
		if c.wire == nil || c.remote { // what was handed to us is not handed on, else it could go round for ever
			return ""
		}
	}
	return o.owner
}

func (l *Ledger) forwardSubject(instance, key string) string {
	return l.cfg.Forward + "." + instance + "." + key
}

// forward hands the calls to the owner. It returns those that must be tried again.
func (b *book) forward(owner string, calls []*call) []*call {
	answer, err := b.askOwner(owner, calls)
	if err != nil {
		// Whether it wrote them is unknown; the document tells, by their leases.
		b.own.gone, b.doc = owner, nil
		if errors.Is(err, context.DeadlineExceeded) {
			b.own.heard(false)
		}
		if b.own.silent >= maxSilent && !b.own.answered { // perhaps this user may not publish there: then everyone writes for itself
			b.own.silent, b.own.off = 0, time.Now().Add(time.Minute)
			b.ledger.cfg.Log.Warn().Str("subject", b.ledger.cfg.Forward+".>").
				Msg("nobody answers on this subject; reservations go on, but slower: give the worker's NATS user the right to publish and subscribe to it")
		}
		return calls
	}
	b.own.heard(true)
	b.lost = 0
	b.own.until = answer.Until
	b.seen = max(b.seen, answer.Serial)
	b.doc = nil // it is older than what the owner wrote now
	for i, c := range calls {
		if c.take != nil {
			c.take(answer.Verdicts[i])
		}
		c.answer(nil)
	}
	return nil
}

func (b *book) askOwner(owner string, calls []*call) (*wireAnswer, error) {
	wire := make([]*wireCall, len(calls))
	for i, c := range calls {
		wire[i] = c.wire
	}
	body, err := json.Marshal(wire)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(b.aborted, b.own.patience)
	defer cancel()
	req := nats.NewMsg(b.ledger.forwardSubject(owner, b.name))
	req.Data = body
	req.Header.Set(withinHeader, b.own.patience.String())
	defer b.watchOver(ctx, cancel, owner)()
	m, err := b.ledger.nc.RequestMsgWithContext(ctx, req)
	if err != nil {
		return nil, err
	}
	var a wireAnswer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return nil, err
	}
	if a.Error != "" || len(a.Verdicts) != len(calls) {
		return nil, fmt.Errorf("%w: %s", errNoOwner, a.Error)
	}
	return &a, nil
}

// watchOver cancels a request when the owner dies before it has answered, until the function that it returns is called.
func (b *book) watchOver(ctx context.Context, cancel context.CancelFunc, owner string) (end func()) {
	watching, over := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			b.pause(watching, probeEvery)
			if watching.Err() != nil {
				return
			}
			if there, err := b.ledger.Listens(watching, owner, b.name); err == nil && !there {
				cancel()
				return
			}
		}
	})
	return func() { over(); wg.Wait() }
}

// serve answers the calls of other processes: they wait in the same line as this process's own.
func (b *book) serve(m *nats.Msg) {
	var wire []*wireCall
	if err := json.Unmarshal(m.Data, &wire); err != nil || len(wire) == 0 || len(wire) > maxBatch {
		b.reply(m, wireAnswer{Error: "malformed"})
		return
	}
	within, err := time.ParseDuration(m.Header.Get(withinHeader))
	if err != nil {
		within = forwardTimeout
	}
	ctx, cancel := context.WithTimeout(b.aborted, min(within, maxForwardTimeout))
	answer := wireAnswer{Verdicts: make([]budget.Verdict, len(wire))}
	var left atomic.Int32
	left.Store(int32(len(wire)))
	ended := func(err error) {
		// All of it runs in run's goroutine, except for the calls that found no room.
		if err != nil {
			answer.Error = err.Error()
		}
		if left.Add(-1) > 0 {
			return
		}
		cancel()
		answer.Until, answer.Serial = b.ownUntil.Load(), b.serial.Load()
		b.reply(m, answer)
	}
	calls := make([]*call, len(wire))
	for i, w := range wire {
		c := b.wireCall(ctx, w, &answer.Verdicts[i])
		if c == nil {
			cancel()
			b.reply(m, wireAnswer{Error: "malformed"})
			return
		}
		c.remote = true
		c.state.Store(1) // nobody waits in a channel
		c.unheard = ended
		calls[i] = c
	}
	for i, c := range calls {
		select {
		case b.calls <- c:
			continue
		default:
		}
		// No room: the rest is refused; what is in line runs, and its answer is not sent.
		left.Add(-int32(len(calls) - i))
		b.reply(m, wireAnswer{Error: "busy"})
		return
	}
}

func (b *book) reply(m *nats.Msg, a wireAnswer) {
	if body, err := json.Marshal(a); err == nil {
		_ = m.Respond(body)
	}
}

// wireCall returns the call that another process asks for; nil if it is neither.
func (b *book) wireCall(ctx context.Context, w *wireCall, v *budget.Verdict) *call {
	switch {
	case w == nil:
		return nil
	case w.Ask != nil && w.Ask.Lease != "":
		ask := *w.Ask
		ask.Crowd = b.ledger.crowd.get()
		ask.ClockError = max(ask.ClockError, b.ledger.clock.error())
		return b.reserveCall(ctx, ask, v)
	case w.Settle != nil && w.Settle.Lease != "":
		return b.settleCall(ctx, *w.Settle)
	}
	return nil
}

// Listens says whether a process can be reached that has a key's ledger open. False is certain: its connection is gone.
// A process that is there and takes its time listens, too.
func (l *Ledger) Listens(ctx context.Context, instance, key string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	_, err := l.nc.RequestWithContext(ctx, l.forwardSubject(instance, key), nil) // answered as malformed
	switch {
	case err == nil, errors.Is(err, context.DeadlineExceeded):
		return true, nil
	case errors.Is(err, nats.ErrNoResponders):
		return false, nil
	}
	return false, fmt.Errorf("ask whether %s is there: %w", instance, err)
}
