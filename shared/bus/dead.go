package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// StoredLetter is a dead letter with the place where it lies.
type StoredLetter struct {
	Sequence uint64          `json:"sequence"`
	Letter   chat.DeadLetter `json:"letter"`
}

// PublishDeadLetter stores a dead letter. Storing it again replaces it.
func (b *Bus) PublishDeadLetter(ctx context.Context, l chat.DeadLetter) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	subject := deadSubject(l)
	if l.Question.ID == "" {
		subject = prefixDead + Token(l.Stage) + "." + Token(l.Reason) + ".none.none.none." + Token(fmt.Sprint(l.At.UnixNano()))
	}
	if _, err := b.js.Publish(ctx, subject, mustJSON(l)); err != nil {
		return fmt.Errorf("store dead letter: %w", err)
	}
	return nil
}

// DeadLetters calls f for every dead letter, oldest first, until f returns false.
func (b *Bus) DeadLetters(ctx context.Context, f func(StoredLetter) bool) error {
	return b.eachLetter(ctx, prefixDead+">", f)
}

func (b *Bus) eachLetter(ctx context.Context, filter string, f func(StoredLetter) bool) error {
	s, err := b.deadStream(ctx)
	if err != nil {
		return err
	}
	for seq := uint64(1); ; {
		get, cancel := bound(ctx)
		m, err := s.GetMsg(get, seq, jetstream.WithGetMsgSubject(filter))
		cancel()
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read dead letters: %w", err)
		}
		seq = m.Sequence + 1
		var l chat.DeadLetter
		if err := json.Unmarshal(m.Data, &l); err != nil {
			l = chat.DeadLetter{Raw: clip(string(m.Data), 4096), Reason: "unreadable", Cause: err.Error(), At: m.Time}
		}
		if !f(StoredLetter{m.Sequence, l}) {
			return nil
		}
	}
}

func (b *Bus) deadStream(ctx context.Context) (jetstream.Stream, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	s, err := b.js.Stream(ctx, streamDeadLetters)
	if err != nil {
		return nil, fmt.Errorf("open dead letters: %w", err)
	}
	return s, nil
}

// DeleteDeadLetter removes one letter; one that is gone already is fine.
func (b *Bus) DeleteDeadLetter(ctx context.Context, sequence uint64) error {
	_, err := b.deleteMessage(ctx, streamDeadLetters, sequence)
	return err
}

// PurgeDeadLetters removes every letter of a scope and tells how many there were.
func (b *Bus) PurgeDeadLetters(ctx context.Context, scope control.Scope) (int, error) {
	return b.deleteLetters(ctx, prefixDead+"*.*."+guildToken(scope)+".>")
}

// ForgetDeadLetters removes the letters of one user in one channel.
func (b *Bus) ForgetDeadLetters(ctx context.Context, g chat.GuildID, c chat.ChannelID, u chat.UserID) (int, error) {
	return b.deleteLetters(ctx, prefixDead+"*.*."+Token(string(g))+"."+Token(string(c))+"."+Token(string(u))+".*")
}

// ForgetLettersOf removes every letter of a question (a replayed one was answered).
func (b *Bus) ForgetLettersOf(ctx context.Context, q chat.QuestionID) (int, error) {
	return b.deleteLetters(ctx, prefixDead+"*.*.*.*.*."+Token(string(q)))
}

func guildToken(s control.Scope) string {
	if s == control.Fleet {
		return "*"
	}
	return Token(string(s))
}

func (b *Bus) deleteLetters(ctx context.Context, filter string) (int, error) {
	var seqs []uint64
	if err := b.eachLetter(ctx, filter, func(l StoredLetter) bool {
		seqs = append(seqs, l.Sequence)
		return true
	}); err != nil {
		return 0, err
	}
	for i, seq := range seqs {
		if err := b.DeleteDeadLetter(ctx, seq); err != nil {
			return i, err
		}
	}
	return len(seqs), nil
}
