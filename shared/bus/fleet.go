package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"salamander.dev/shared/control"
)

// Endpoints of the control plane. Those of all are answered by every process, the others by one worker.
const (
	subjectSync   = prefixControl + "all.sync"
	subjectStatus = prefixControl + "all.status"
	subjectBudget = prefixControl + "worker.budget"
	subjectForget = prefixControl + "worker.forget"
)

// collectFor is how long a broadcast waits for processes that are in the book of the living and do not answer.
const collectFor = 1500 * time.Millisecond

// busyFor is how long it waits when one of them answers that it is at it.
const busyFor = 5 * time.Second

// askAgain is how long nobody may answer a broadcast before it is sent again for whoever missed it; then twice as long.
const askAgain = 100 * time.Millisecond

// Obey is what a process does when it is asked. Budget and Forget are answered by workers only (nil in a gateway). The
// orders are not validated yet: whoever implements this refuses what control.Order.Validate refuses.
type Obey struct {
	Sync   func(context.Context, control.Sync) control.Applied
	Status func(context.Context, control.Order) control.Applied
	Budget func(context.Context, control.Order) (control.BudgetReport, error)
	Forget func(context.Context, control.Order) (control.Forgotten, error)
}

// Serve answers the control plane until stop is called.
func (b *Bus) Serve(ctx context.Context, service control.Service, instance string, o Obey) (stop func(), err error) {
	s, err := micro.AddService(b.nc, micro.Config{
		Name: "salamander-" + string(service), Version: "1.0.0", QueueGroupDisabled: true,
		Description: "Salamander's " + string(service), Metadata: map[string]string{"instance": instance},
	})
	if err != nil {
		return nil, fmt.Errorf("serve the control plane: %w", err)
	}
	stop = func() { _ = s.Stop() }
	add := func(name, subject string, f func([]byte) (any, error), opts ...micro.EndpointOpt) {
		if err != nil {
			return
		}
		err = s.AddEndpoint(name, micro.HandlerFunc(func(r micro.Request) {
			// In a goroutine, since NATS calls one at a time and a stop waits for calls to end.
			// Its answer is published past the request, whose fields micro reads as soon as this function returns.
			go func() {
				reply := nats.NewMsg(r.Reply())
				if v, err := f(r.Data()); err != nil {
					reply.Header.Set(micro.ErrorHeader, err.Error())
					reply.Header.Set(micro.ErrorCodeHeader, "400")
				} else {
					reply.Data = mustJSON(v)
				}
				_ = b.nc.PublishMsg(reply)
			}()
		}), append(opts, micro.WithEndpointSubject(subject))...)
	}
	add("sync", subjectSync, func(body []byte) (any, error) {
		var q control.Sync
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, err
		}
		return o.Sync(ctx, q), nil
	})
	add("status", subjectStatus, func(body []byte) (any, error) {
		q, err := decodeOrder(body)
		if err != nil {
			return nil, err
		}
		return o.Status(ctx, q), nil
	})
	queue := micro.WithEndpointQueueGroup("workers")
	if o.Budget != nil {
		add("budget", subjectBudget, func(body []byte) (any, error) {
			q, err := decodeOrder(body)
			if err != nil {
				return nil, err
			}
			return o.Budget(ctx, q)
		}, queue)
	}
	if o.Forget != nil {
		add("forget", subjectForget, func(body []byte) (any, error) {
			q, err := decodeOrder(body)
			if err != nil {
				return nil, err
			}
			return o.Forget(ctx, q)
		}, queue)
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("serve the control plane: %w", err)
	}
	return stop, nil
}

func decodeOrder(body []byte) (control.Order, error) {
	var o control.Order
	if err := json.Unmarshal(body, &o); err != nil {
		return o, fmt.Errorf("%w: malformed: %w", control.ErrRefused, err)
	}
	return o, nil
}

// Sync asks every live process to reach a revision and collects what each did; silent names the live ones that did not
// answer in time.
func (b *Bus) Sync(ctx context.Context, q control.Sync) (done []control.Applied, silent []string, err error) {
	return b.broadcast(ctx, subjectSync, mustJSON(q))
}

// Status asks every live process how it is.
func (b *Bus) Status(ctx context.Context, o control.Order) (done []control.Applied, silent []string, err error) {
	return b.broadcast(ctx, subjectStatus, mustJSON(o))
}

func (b *Bus) broadcast(ctx context.Context, subject string, body []byte) (done []control.Applied, silent []string, err error) {
	inbox := b.nc.NewRespInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, nil, fmt.Errorf("ask the fleet: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := b.nc.PublishRequest(subject, inbox, body); err != nil {
		return nil, nil, fmt.Errorf("ask the fleet: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked, late := time.Now(), time.AfterFunc(collectFor, cancel)
	defer late.Stop()
	live, err := b.Living(ctx)
	if err != nil {
		return nil, nil, err
	}
	missing, heard, busy := map[string]bool{}, map[string]bool{}, map[string]control.Applied{}
	for _, l := range live {
		missing[l.Instance] = true
	}
	for patience := askAgain; len(missing) > 0 && (len(busy) > 0 || time.Since(asked) < collectFor); {
		m, err := next(ctx, sub, patience)
		if ctx.Err() != nil {
			break // the time is up: whoever is missing is silent
		}
		if err != nil {
			patience *= 2
			// Who reconnects just now, after a restart of NATS for one, missed it. To be asked twice changes nothing.
			if err := b.nc.PublishRequest(subject, inbox, body); err != nil {
				break
			}
			continue
		}
		var a control.Applied
		if m.Header.Get(micro.ErrorHeader) != "" || json.Unmarshal(m.Data, &a) != nil || a.Instance == "" || heard[a.Instance] {
			continue
		}
		if a.Busy && len(busy) == 0 {
			late.Reset(busyFor - time.Since(asked))
		}
		if a.Busy { // asked anew, it answers anew
			busy[a.Instance] = a
			if err := b.nc.PublishRequest(subject, inbox, body); err != nil {
				break
			}
			continue
		}
		heard[a.Instance] = true
		delete(missing, a.Instance)
		delete(busy, a.Instance)
		done = append(done, a)
	}
	for name, a := range busy {
		delete(missing, name)
		done = append(done, a)
	}
	for name := range missing {
		silent = append(silent, name)
	}
	slices.Sort(silent)
	slices.SortFunc(done, func(x, y control.Applied) int {
		if x.Instance < y.Instance {
			return -1
		}
		return 1
	})
	return done, silent, nil
}

// next waits for an answer, but not longer than patience.
func next(ctx context.Context, sub *nats.Subscription, patience time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if !errors.Is(err, nats.ErrNoResponders) {
			return m, err
		}
	}
}

// ErrNoWorker says that no worker is alive to answer.
var ErrNoWorker = errors.New("no worker is running")

// Budget asks one worker for the budget.
func (b *Bus) Budget(ctx context.Context, o control.Order) (r control.BudgetReport, err error) {
	return r, b.ask(ctx, subjectBudget, o, &r)
}

// Forget asks one worker to delete what is stored of a user in a channel.
func (b *Bus) Forget(ctx context.Context, o control.Order) (r control.Forgotten, err error) {
	return r, b.ask(ctx, subjectForget, o, &r)
}

func (b *Bus) ask(ctx context.Context, subject string, o control.Order, v any) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	m, err := b.nc.RequestWithContext(ctx, subject, mustJSON(o))
	if errors.Is(err, nats.ErrNoResponders) {
		return ErrNoWorker
	}
	if err != nil {
		return fmt.Errorf("ask a worker: %w", err)
	}
	if e := m.Header.Get(micro.ErrorHeader); e != "" {
		return fmt.Errorf("a worker refused: %s", e)
	}
	if err := json.Unmarshal(m.Data, v); err != nil {
		return fmt.Errorf("ask a worker: %w", err)
	}
	return nil
}
