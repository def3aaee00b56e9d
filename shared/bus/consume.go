package bus

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
)

// QuestionHandler ends questions. It is safe for concurrent use.
type QuestionHandler interface {
	// Begin begins to read what an answer will need, and waits for nothing: whether it is the question's turn is not known
	// yet. answer ends the question, or says when it is to come again; it is called once at most, for the oldest
	// question of its user and channel only, and for urgent ones. When ctx ends it returns soon.
	Begin(q chat.Question) (answer func(ctx context.Context) retry.Verdict)
	// Urgent says that the question needs no turn: it will be dropped without a call.
	Urgent(q chat.Question) bool
	// Malformed takes what can't be read as a question; it stores a dead letter and returns Done, or After.
	Malformed(ctx context.Context, l chat.DeadLetter) retry.Verdict
}

// QuestionConsumer competes for questions with every other worker. At most slots questions are answered at a time;
// younger questions of a user whose older one is still open wait beside, in a room that is bounded too.
type QuestionConsumer struct {
	bus     *Bus
	handler QuestionHandler
	slots   chan struct{}
	room    *room
	busy    atomic.Int64
	wg      sync.WaitGroup
	floor   floor
}

// NewQuestionConsumer makes a consumer that has at most slots questions in hand.
func (b *Bus) NewQuestionConsumer(slots int, h QuestionHandler) *QuestionConsumer {
	c := &QuestionConsumer{bus: b, handler: h, slots: make(chan struct{}, max(slots, 1))}
	c.room = newRoom(c)
	b.OnReturn(c.floor.forget)
	return c
}

// Busy tells how many questions are in hand; Held how many wait for an older one of the same user.
func (c *QuestionConsumer) Busy() int { return int(c.busy.Load()) }

// Held tells how many questions wait in this process for their turn.
func (c *QuestionConsumer) Held() int { return c.room.len() }

// Wake has every held question that match names handled at once, out of turn if it is urgent.
func (c *QuestionConsumer) Wake(match func(chat.Question) bool) { c.room.wake(match) }

// Run takes questions until ctx ends. Then it takes no more, hands back those that wait, and returns when every
// question in hand ended; work is the context under which those run, and ends them when it ends.
func (c *QuestionConsumer) Run(ctx, work context.Context) {
	defer c.wg.Wait()
	defer c.room.close()
	for ctx.Err() == nil {
		if err := c.pull(ctx, work); err != nil && ctx.Err() == nil {
			c.bus.log.Debug().Err(err).Msg("the pull of questions begins anew")
			sleep(ctx, 250*time.Millisecond)
		}
	}
}

// pull asks for one question at a time, and only while a slot is free, so that no worker hoards what another could do.
func (c *QuestionConsumer) pull(ctx, work context.Context) error {
	p, err := c.bus.newPuller(streamQuestions, consumerWorkers)
	if err != nil {
		return err
	}
	defer p.close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case c.slots <- struct{}{}:
		}
		m, err := p.next(ctx, work)
		if err != nil {
			<-c.slots
			return err
		}
		c.begin(work, m)
	}
}

// begin handles a delivery in a goroutine of its own; the caller's slot goes with it.
func (c *QuestionConsumer) begin(work context.Context, m *nats.Msg) {
	c.wg.Add(1)
	c.busy.Add(1)
	go func() {
		defer c.wg.Done()
		d := &delivery{msg: pulled{c.bus.nc, m.Reply, m.Header}, bus: c.bus}
		d.keepAlive()
		c.handle(work, d, m)
	}()
}

// release gives the slot back.
func (c *QuestionConsumer) release() {
	c.busy.Add(-1)
	<-c.slots
}

func (c *QuestionConsumer) handle(work context.Context, d *delivery, m *nats.Msg) {
	defer c.release()
	q, err := chat.DecodeQuestion(m.Data)
	if err != nil {
		d.settle(c.handler.Malformed(work, chat.DeadLetter{
			Raw: clip(string(m.Data), 4096), Stage: "worker", Reason: "malformed", Cause: err.Error(), At: time.Now().UTC(),
		}))
		return
	}
	d.question, d.subject = q, m.Subject
	meta, err := m.Metadata()
	if err != nil || d.subject != questionSubject(q.Guild, q.Channel, q.User) {
		d.settle(c.handler.Malformed(work, chat.DeadLetter{
			Question: q, Stage: "worker", Reason: "malformed", Cause: "its subject is not its server, channel and user", At: time.Now().UTC(),
		}))
		return
	}
	d.seq = meta.Sequence.Stream
	c.answer(work, d)
}

// answer runs the handler if it is the question's turn, else it holds the question.
func (c *QuestionConsumer) answer(work context.Context, d *delivery) {
	urgent := c.handler.Urgent(d.question)
	var turn *reading
	if !urgent {
		turn = c.turn(d)
	}
	answer := c.handler.Begin(d.question)
	if !urgent {
		m, _, err := turn.end(work)
		switch {
		case err != nil:
			d.settle(retry.After(time.Second))
			return
		case m.seq == 0 || m.seq > d.seq:
			// It was removed from the queue while it was on its way: a moderator's stop, or another worker ended it.
			d.settle(retry.Done)
			return
		case m.seq < d.seq:
			c.room.hold(work, d)
			return
		}
	}
	d.settle(answer(extract(work, d.msg.Headers())))
}

// message is what a delivery needs of a JetStream message.
type message interface {
	Headers() nats.Header
	InProgress() error
	Nak() error
	NakWithDelay(time.Duration) error
	Ack() error
}

// delivery is one message in hand: it renews itself until it is settled.
type delivery struct {
	bus      *Bus
	msg      message
	question chat.Question
	subject  string
	seq      uint64

	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

// keepAlive tells the server every few seconds that the message is still worked on.
func (d *delivery) keepAlive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	if d.timer != nil {
		_ = d.msg.InProgress() // fails only when disconnected; the next one tells
	}
	d.timer = time.AfterFunc(keepAlive, d.keepAlive)
}

func (d *delivery) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.timer != nil {
		d.timer.Stop()
	}
}

// settle turns a verdict into an ack or a nak. An ack is not waited for: one that gets lost with the connection or the server
// has the message come again, and whoever gets it then sees what was done and acknowledges.
func (d *delivery) settle(v retry.Verdict) {
	d.stop()
	if after, again := v.Again(); again {
		if after == 0 {
			_ = d.msg.Nak()
		} else {
			_ = d.msg.NakWithDelay(after)
		}
		return
	}
	if err := d.msg.Ack(); err != nil {
		q := d.question
		d.bus.log.Debug().Err(err).Str("question", string(q.ID)).Str("guild", string(q.Guild)).Str("channel", string(q.Channel)).Msg("a message could not be acknowledged")
	}
	if d.question.ID != "" {
		q := d.question
		_ = d.bus.nc.Publish(settledSubject(q.Guild, q.Channel, q.User), nil)
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// clip cuts text to at most n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n]
}

// mustJSON encodes one of our own plain structs, which can't fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("bus: encode " + err.Error())
	}
	return b
}
