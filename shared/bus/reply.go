package bus

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// replies receives the answers to requests that are sent now and waited for later. nats.go's own requests wait at once, so
// that several under way take a goroutine each.
type replies struct {
	nc    *nats.Conn
	inbox string

	mu      sync.Mutex
	next    uint64
	waiting map[string]*reply
}

// reply is the answer to one request, once it came.
type reply struct {
	all   *replies
	token string
	sent  time.Time
	came  chan *nats.Msg
}

func newReplies(nc *nats.Conn) (*replies, error) {
	r := &replies{nc: nc, inbox: nc.NewInbox() + ".", waiting: map[string]*reply{}}
	if _, err := nc.Subscribe(r.inbox+"*", r.take); err != nil {
		return nil, fmt.Errorf("listen for replies: %w", err)
	}
	return r, nil
}

// sweepEvery is after how many requests those are forgotten that were never answered nor waited for.
const sweepEvery = 1024

// ask sends a request. Its reply need not be waited for.
func (r *replies) ask(subject string, body []byte) (*reply, error) {
	r.mu.Lock()
	r.next++
	if r.next%sweepEvery == 0 {
		r.sweep(time.Now())
	}
	one := &reply{all: r, token: strconv.FormatUint(r.next, 36), sent: time.Now(), came: make(chan *nats.Msg, 1)}
	r.waiting[one.token] = one
	r.mu.Unlock()
	if err := r.nc.PublishRequest(subject, r.inbox+one.token, body); err != nil {
		r.forget(one)
		return nil, err
	}
	return one, nil
}

func (r *replies) take(m *nats.Msg) {
	token := strings.TrimPrefix(m.Subject, r.inbox)
	r.mu.Lock()
	one := r.waiting[token]
	delete(r.waiting, token)
	r.mu.Unlock()
	if one != nil {
		one.came <- m
	}
}

func (r *replies) forget(one *reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, one.token)
}

// sweep forgets what nobody waits for any more; r.mu is held.
func (r *replies) sweep(now time.Time) {
	for token, one := range r.waiting {
		if now.Sub(one.sent) > 4*requestTimeout {
			delete(r.waiting, token)
		}
	}
}

// wait returns the answer, ctx's error, or [nats.ErrNoResponders].
func (o *reply) wait(ctx context.Context) (*nats.Msg, error) {
	select {
	case m := <-o.came:
		if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
			return nil, nats.ErrNoResponders
		}
		return m, nil
	case <-ctx.Done():
		o.all.forget(o)
		return nil, ctx.Err()
	}
}
