package store

import (
	"context"
	"errors"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/moderation"
)

// Archive is everything that is stored about people.
type Archive struct {
	bus      *bus.Bus
	memories *Memories
}

var _ moderation.Archive = (*Archive)(nil)

// NewArchive stores over a bus that is provisioned.
func NewArchive(b *bus.Bus, m *Memories) *Archive { return &Archive{bus: b, memories: m} }

// Forget implements moderation.Archive. What can't be deleted does not keep the rest from being deleted.
func (a *Archive) Forget(ctx context.Context, g chat.GuildID, c chat.ChannelID, u chat.UserID, command chat.Snowflake) (control.Forgotten, error) {
	var f control.Forgotten
	var errs [3]error
	f.Memories, errs[0] = a.memories.Forget(ctx, g, c, u, command)
	f.Answers, errs[1] = a.bus.ForgetAnswers(ctx, g, c, u, func(q chat.QuestionID) bool { return a.posted(ctx, q) })
	f.DeadLetters, errs[2] = a.bus.ForgetDeadLetters(ctx, g, c, u)
	return f, errors.Join(errs[:]...)
}

// posted says whether an answer stands on Discord in full; one that does not must keep its text until it does.
func (a *Archive) posted(ctx context.Context, q chat.QuestionID) bool {
	var p struct {
		Done bool `json:"done"`
	}
	_, ok, err := a.bus.Posted().Get(ctx, string(q), &p)
	return err == nil && ok && p.Done
}

// ForgetGuild implements moderation.Archive. Answers age out within a day by themselves.
func (a *Archive) ForgetGuild(ctx context.Context, g chat.GuildID) (control.Forgotten, error) {
	var f control.Forgotten
	var errs [2]error
	f.Memories, errs[0] = a.memories.ForgetGuild(ctx, g)
	f.DeadLetters, errs[1] = a.bus.PurgeDeadLetters(ctx, control.Scope(g))
	return f, errors.Join(errs[:]...)
}
