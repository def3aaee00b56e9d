package bus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// puller asks a durable consumer for one message at a time. What it asks for is never lost with a request that ended:
// its one subscription stays, and whatever comes by it is taken.
//
// It speaks the protocol of pull requests itself (docs.nats.io, "JetStream wire API", $JS.API.CONSUMER.MSG.NEXT). A fetch of
// nats.go makes a subscription, a context and goroutines of its own each time; its iterator has room for just as many
// messages as it asks for, and loses one that comes right behind a heartbeat while the machine is busy.
type puller struct {
	bus      *Bus
	subject  string // to ask on
	inbox    string // where answers come
	requests int
	came     chan *nats.Msg
	sub      *nats.Subscription
}

// pullFor is how long one request lasts. A drain waits for its end, so that it is short. pullLate is how much later than
// that its end may be told of.
const (
	pullFor  = 1500 * time.Millisecond
	pullLate = 500 * time.Millisecond
)

func (b *Bus) newPuller(stream, consumer string) (*puller, error) {
	p := &puller{
		bus: b, subject: "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer, inbox: b.nc.NewInbox(), came: make(chan *nats.Msg, 64),
	}
	var err error
	if p.sub, err = b.nc.ChanSubscribe(p.inbox+".*", p.came); err != nil {
		return nil, fmt.Errorf("listen for messages: %w", err)
	}
	return p, nil
}

// close hands back what came meanwhile.
func (p *puller) close() {
	_ = p.sub.Unsubscribe() // fails only when the connection is closed
	for {
		select {
		case m := <-p.came:
			if m.Reply != "" {
				_ = m.Nak()
			}
		default:
			return
		}
	}
}

// next waits for one message. A request ends with its time, and with the connection: what was asked on an earlier one has
// no answer. It does not end with ctx but with work: a message that is on its way to who asked no longer is lost until it
// is delivered again, 10 s later; so it is waited for, and handed back.
func (p *puller) next(ctx, work context.Context) (*nats.Msg, error) {
	for {
		if err := p.bus.AwaitConnected(ctx); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		m, err := p.ask(work)
		switch {
		case ctx.Err() != nil:
			if m != nil {
				_ = m.Nak()
			}
			return nil, ctx.Err()
		case m != nil, err != nil:
			return m, err
		}
	}
}

// ask makes one request and returns the message that came, or nil when none did.
func (p *puller) ask(work context.Context) (*nats.Msg, error) {
	p.requests++
	reply := p.inbox + "." + strconv.Itoa(p.requests)
	connection := p.bus.connection()
	if err := p.bus.nc.PublishRequest(p.subject, reply, pullRequest); err != nil {
		return nil, fmt.Errorf("ask for a message: %w", err)
	}
	over := time.NewTimer(pullFor + pullLate)
	defer over.Stop()
	for {
		select {
		case m := <-p.came:
			switch {
			case m.Reply != "":
				return m, nil
			case m.Subject != reply: // of an earlier request
				continue
			}
			return nil, ended(m.Header)
		case <-over.C:
			return nil, nil
		case <-connection.Done():
			return nil, nil
		case <-work.Done():
			return nil, nil
		}
	}
}

var pullRequest = mustJSON(struct {
	Batch   int           `json:"batch"`
	Expires time.Duration `json:"expires"`
}{1, pullFor})

// ended says whether a request ended as it should: when nobody asked anything for so long.
func ended(status nats.Header) error {
	switch code := status.Get("Status"); code {
	case "404", "408":
		return nil
	default:
		return fmt.Errorf("the request for a message ended: %s %s", code, status.Get("Description"))
	}
}

// pulled is a message as a delivery wants it. It outlives the subscription that it came by.
type pulled struct {
	nc     *nats.Conn
	reply  string
	header nats.Header
}

func (m pulled) Headers() nats.Header { return m.header }

func (m pulled) InProgress() error { return m.nc.Publish(m.reply, []byte("+WPI")) }

func (m pulled) Nak() error { return m.nc.Publish(m.reply, []byte("-NAK")) }

func (m pulled) NakWithDelay(d time.Duration) error {
	return m.nc.Publish(m.reply, fmt.Appendf(nil, `-NAK {"delay": %d}`, d.Nanoseconds()))
}

func (m pulled) Ack() error { return m.nc.Publish(m.reply, []byte("+ACK")) }
