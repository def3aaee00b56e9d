package moderation_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// errAway is what every hand says when NATS is gone.
var errAway = errors.New("no connection")

// spoken is one text that reached Discord.
type spoken struct {
	place moderation.Place
	part  moderation.Part
	text  string
}

// claim is a command's: mark is that of the last write.
type claim struct {
	mark uint64
	done bool
}

// world is NATS and Discord in memory, shared by all gateways of a test. It keeps what it was asked.
type world struct {
	mu      sync.Mutex
	claims  map[string]claim
	desired map[control.Scope]control.Desired
	orders  []control.Order
	syncs   []control.Sync
	spoken  []spoken
	audits  []string

	// Canned answers. Errors of a hand make it fail; block makes it wait for its context first.
	applied                                                 []control.Applied
	silent                                                  []string
	waiting                                                 map[control.Scope]int
	report                                                  control.BudgetReport
	forgotten                                               control.Forgotten
	claimErr, stateErr, fleetErr, dropErr, bookErr, waitErr error
	blockClaim, blockWaiting                                bool
	lookErr                                                 error
	writes                                                  uint64 // of claims
	looks                                                   int
	replyAfter                                              time.Duration
	expected                                                int // workers that a reboot waits for
	reboot                                                  func(context.Context, chat.Snowflake) (int, []string, error)
}

func newWorld() *world {
	return &world{
		claims: map[string]claim{}, desired: map[control.Scope]control.Desired{}, waiting: map[control.Scope]int{},
		applied: []control.Applied{{Instance: "gateway-1", Service: control.Gateway, Revision: 1 << 40}, {Instance: "worker-1", Service: control.Worker, Revision: 1 << 40}},
		reboot:  func(context.Context, chat.Snowflake) (int, []string, error) { return 1, nil, nil },
	}
}

func (w *world) Claim(ctx context.Context, name string, since uint64, done bool) (bool, error) {
	if w.blockClaim {
		<-ctx.Done()
		return false, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.claimErr != nil {
		return false, w.claimErr
	}
	if w.claims[name].mark != since {
		return false, nil
	}
	w.writes++
	w.claims[name] = claim{w.writes, done}
	return true, nil
}

func (w *world) Keep(_ context.Context, name string, done bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	w.claims[name] = claim{w.writes, done}
	return nil
}

func (w *world) Look(_ context.Context, name string) (uint64, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	return w.claims[name].mark, w.claims[name].done, w.lookErr
}

func (w *world) Apply(_ context.Context, o control.Order) (before, after control.Desired, revision uint64, changed bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stateErr != nil {
		return before, after, 0, false, w.stateErr
	}
	w.orders = append(w.orders, o)
	before = w.desired[o.Scope]
	if after, changed = before.Next(o); changed {
		w.desired[o.Scope] = after
	}
	return before, after, uint64(len(w.orders)), changed, nil
}

func (w *world) Mute(_ context.Context, o control.Order) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stateErr != nil {
		return 0, w.stateErr
	}
	w.orders = append(w.orders, o)
	return uint64(len(w.orders)), nil
}

func (w *world) Desired(_ context.Context, s control.Scope) (control.Desired, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.desired[s], w.stateErr
}

func (w *world) Sync(_ context.Context, s control.Sync) ([]control.Applied, []string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fleetErr != nil {
		return nil, nil, w.fleetErr
	}
	if w.dropErr != nil {
		w.syncs = append(w.syncs, s)
		return w.applied, w.silent, w.dropErr
	}
	w.syncs = append(w.syncs, s)
	return w.applied, w.silent, nil
}

func (w *world) Status(_ context.Context, o control.Order) ([]control.Applied, []string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orders = append(w.orders, o)
	return w.applied, w.silent, w.fleetErr
}

func (w *world) AwaitReboot(ctx context.Context, epoch chat.Snowflake, expected int) (int, []string, error) {
	w.expected = expected
	return w.reboot(ctx, epoch)
}

func (w *world) Waiting(ctx context.Context, s control.Scope) (int, error) {
	if w.blockWaiting {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting[s], w.waitErr
}

func (w *world) Budget(_ context.Context, o control.Order) (control.BudgetReport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.Verb == control.Budget { // a status order was kept already
		w.orders = append(w.orders, o)
	}
	return w.report, w.bookErr
}

func (w *world) Forget(_ context.Context, o control.Order) (control.Forgotten, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orders = append(w.orders, o)
	return w.forgotten, w.bookErr
}

func (w *world) Reply(ctx context.Context, p moderation.Place, part moderation.Part, text string) error {
	select {
	case <-time.After(w.replyAfter):
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spoken = append(w.spoken, spoken{p, part, text})
	return nil
}

func (w *world) Audit(_ context.Context, _ chat.MessageID, line string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.audits = append(w.audits, line)
	return nil
}

// texts are what was said, in order.
func (w *world) texts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var t []string
	for _, s := range w.spoken {
		t = append(t, s.text)
	}
	return t
}

// scopes are those whose desired state somebody wrote.
func (w *world) scopes() []control.Scope {
	w.mu.Lock()
	defer w.mu.Unlock()
	var s []control.Scope
	for k := range w.desired {
		s = append(s, k)
	}
	slices.Sort(s)
	return s
}

// The settings of every test.
const (
	serverA, serverB      = "200", "201"
	chatChannel, anyChat  = "300", "301"
	operator, botUser     = "900", "999"
	moderatorRole         = "700"
	plainUser, targetUser = "100", "101"
)

var rules = moderation.Rules{
	Prefix: "$", ChatChannels: []chat.ChannelID{chatChannel}, ModeratorRoles: []string{moderatorRole}, Operators: []chat.UserID{operator},
}

// gateway returns a service on a world.
func gateway(t *testing.T, w *world) *moderation.Service {
	t.Helper()
	s, err := moderation.New(w, w, w, w, w, moderation.Config{Rules: rules, Bot: func() chat.UserID { return botUser }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// handle carries a command out and answers it.
func handle(ctx context.Context, s *moderation.Service, c moderation.Call) (*moderation.Audit, error) {
	r, err := s.Handle(ctx, c)
	return r.Audit, errors.Join(err, s.Tell(ctx, r))
}
