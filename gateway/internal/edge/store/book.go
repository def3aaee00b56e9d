package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
)

// Book keeps how far messages were handled.
type Book struct{ bus *bus.Bus }

// NewBook makes a Book.
func NewBook(b *bus.Bus) *Book { return &Book{b} }

// Mark implements [inbound.Book].
func (k *Book) Mark(ctx context.Context, key string) (m inbound.Mark, ok bool, err error) {
	_, ok, err = k.bus.Seen().Get(ctx, key, &m)
	return m, ok, err
}

// SetMark implements [inbound.Book].
func (k *Book) SetMark(ctx context.Context, key string, m inbound.Mark) error {
	for {
		var have inbound.Mark
		revision, ok, err := k.bus.Seen().Get(ctx, key, &have)
		if err != nil || (ok && have.Upto >= m.Upto) {
			return err
		}
		if ok && have.From != 0 {
			m.From = have.From
		}
		if _, err = k.bus.Seen().Update(ctx, key, m, revision); !errors.Is(err, bus.ErrConflict) {
			return err
		}
	}
}

// maxDirects bounds the direct-message channels that have marks: those that were heard longest ago lose theirs.
const maxDirects = 5000

const directPrefix = "dm."

// Directs implements [inbound.Book].
func (k *Book) Directs(ctx context.Context) (map[chat.ChannelID]chat.Snowflake, error) {
	keys, err := k.bus.Seen().Keys(ctx, directPrefix+"*")
	if err != nil {
		return nil, err
	}
	all := make(map[chat.ChannelID]chat.Snowflake, len(keys))
	for _, key := range keys {
		m, ok, err := k.Mark(ctx, key)
		if err != nil {
			return nil, err
		}
		if ok {
			all[chat.ChannelID(strings.TrimPrefix(key, directPrefix))] = m.Upto
		}
	}
	return all, k.prune(ctx, all)
}

func (k *Book) prune(ctx context.Context, all map[chat.ChannelID]chat.Snowflake) error {
	if len(all) <= maxDirects {
		return nil
	}
	ids := make([]chat.ChannelID, 0, len(all))
	for c := range all {
		ids = append(ids, c)
	}
	slices.SortFunc(ids, func(a, b chat.ChannelID) int {
		if all[a] < all[b] {
			return -1
		}
		return 1
	})
	for _, c := range ids[:len(ids)-maxDirects] {
		if err := k.bus.Seen().Delete(ctx, directPrefix+string(c)); err != nil {
			return err
		}
		delete(all, c)
	}
	return nil
}

var _ inbound.Book = (*Book)(nil)
