package bus

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// held is a claim that somebody else may take over when its owner falls silent before it is done.
type held struct {
	At   time.Time `json:"at"`
	Done bool      `json:"done,omitempty"`
}

// Hold claims a name that nobody has (since 0), or that nobody has kept since a mark that [Bus.Held] told. Of all
// processes that do so, one is told true. What is done from the beginning is never taken over.
func (b *Bus) Hold(ctx context.Context, name string, since uint64, done bool) (bool, error) {
	v := held{At: time.Now().UTC(), Done: done}
	if since == 0 {
		return b.once().Create(ctx, name, v, 0)
	}
	_, err := b.once().Update(ctx, name, v, since)
	if errors.Is(err, ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// Keep says that the owner of a claim lives, or that what it was claimed for is done.
func (b *Bus) Keep(ctx context.Context, name string, done bool) error {
	return b.once().Put(ctx, name, held{At: time.Now().UTC(), Done: done})
}

// Held reads a claim: its mark, which changes whenever it is kept, and whether nothing is left to do. The latter is so,
// too, of a claim that is gone, or that was made by [Bus.Claim], as older versions did.
func (b *Bus) Held(ctx context.Context, name string) (mark uint64, done bool, err error) {
	var v held
	mark, ok, err := b.once().Get(ctx, name, &v)
	if _, older := errors.AsType[*json.UnmarshalTypeError](err); older {
		return mark, true, nil
	}
	return mark, v.Done || !ok && err == nil, err
}
