package store

import (
	"context"
	"errors"
	"fmt"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/memory"
)

// Memories is where conversations lie, one document for every user and channel.
type Memories struct{ bus *bus.Bus }

var _ answer.Memories = (*Memories)(nil)

// NewMemories stores over a bus that is provisioned.
func NewMemories(b *bus.Bus) *Memories { return &Memories{bus: b} }

// memoryKey begins with the server, so that all of one can be found when the bot leaves it.
func memoryKey(g chat.GuildID, c chat.ChannelID, u chat.UserID) string {
	return string(g) + "." + string(c) + "." + string(u)
}

// Recall implements answer.Memories.
func (m *Memories) Recall(ctx context.Context, q chat.Question) (answer.Memory, error) {
	return m.read(ctx, memoryKey(q.Guild, q.Channel, q.User))
}

func (m *Memories) read(ctx context.Context, key string) (mem answer.Memory, err error) {
	mem.Revision, _, err = m.bus.Memory().Get(ctx, key, &mem.Document)
	return mem, err
}

// Remember implements answer.Memories.
func (m *Memories) Remember(ctx context.Context, q chat.Question, seen answer.Memory, change func(memory.Document) memory.Document) error {
	return m.update(ctx, memoryKey(q.Guild, q.Channel, q.User), seen, change)
}

// update is a compare-and-set that begins with what was read already.
func (m *Memories) update(ctx context.Context, key string, seen answer.Memory, change func(memory.Document) memory.Document) error {
	for {
		_, err := m.bus.Memory().Update(ctx, key, change(seen.Document), seen.Revision)
		if !errors.Is(err, bus.ErrConflict) {
			return err
		}
		if seen, err = m.read(ctx, key); err != nil {
			return err
		}
	}
}

// Forget deletes what is remembered of a user in a channel and returns how many turns that were. The command's
// snowflake stays, so that a question that runs right now leaves no turn.
func (m *Memories) Forget(ctx context.Context, g chat.GuildID, c chat.ChannelID, u chat.UserID, command chat.Snowflake) (int, error) {
	key := memoryKey(g, c, u)
	seen, err := m.read(ctx, key)
	if err != nil {
		return 0, fmt.Errorf("forget: %w", err)
	}
	turns := 0
	err = m.update(ctx, key, seen, func(d memory.Document) memory.Document {
		d, turns = d.Forget(command)
		return d
	})
	if err != nil {
		return 0, fmt.Errorf("forget: %w", err)
	}
	return turns, nil
}

// ForgetGuild deletes every conversation of a server and returns how many there were.
func (m *Memories) ForgetGuild(ctx context.Context, g chat.GuildID) (int, error) {
	keys, err := m.bus.Memory().Keys(ctx, string(g)+".>")
	if err != nil {
		return 0, fmt.Errorf("forget a server: %w", err)
	}
	for i, k := range keys {
		if err := m.bus.Memory().Delete(ctx, k); err != nil {
			return i, fmt.Errorf("forget a server: %w", err)
		}
	}
	return len(keys), nil
}
