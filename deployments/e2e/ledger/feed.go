package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// backlog is how many questions wait at least: more than the keys allow in a window.
const backlog = 200

// feeder plays the gateway: it keeps more questions waiting than can be answered.
type feeder struct {
	bus    *bus.Bus
	n      int
	askers int
}

func newFeeder(ctx context.Context, url string, askers int) (*feeder, error) {
	b, err := bus.Connect(bus.Config{URLs: []string{url}, Service: control.Gateway}, zerolog.Nop())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := b.Open(ctx, true, func(error) {}); err != nil {
		b.Close()
		return nil, err
	}
	return &feeder{bus: b, askers: askers}, nil
}

func (f *feeder) close() { f.bus.Close() }

// run keeps the backlog up until ctx ends; while NATS is away it tries on.
func (f *feeder) run(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		open, _, err := f.bus.Queue(ctx)
		for ; err == nil && open < backlog && ctx.Err() == nil; open++ {
			_, err = f.bus.PublishQuestion(ctx, f.next())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// next is a question of the next user.
func (f *feeder) next() chat.Question {
	f.n++
	now := time.Now()
	user := f.n % f.askers
	id := chat.SnowflakeAt(now) + chat.Snowflake(f.n%4096)
	return chat.Question{
		ID: chat.QuestionID(id.String()), Guild: "10", Channel: chat.ChannelID(strconv.Itoa(20 + user%50)),
		User: chat.UserID(strconv.Itoa(1000 + user)), UserName: "ann", Message: chat.MessageID(id.String()),
		Text: fmt.Sprintf("question %d: what keeps a fire going?", f.n), Mark: id, Asked: now.UTC(),
	}
}
