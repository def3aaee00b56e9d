package bus

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Server error codes (nats-server errors.json): there is nothing to delete.
const (
	codeDeleteFailed = 10057
	codeNoMessage    = 10037
	codeNoSequence   = 10043 // it was there once
)

// deleteMessage takes one message out of a stream; false means that it was gone already. It asks by the raw API, since
// nats.go keeps the server's error code to itself.
func (b *Bus) deleteMessage(ctx context.Context, stream string, seq uint64) (there bool, err error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	m, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+stream, mustJSON(struct {
		Seq     uint64 `json:"seq"`
		NoErase bool   `json:"no_erase"`
	}{seq, true}))
	if err != nil {
		return false, fmt.Errorf("delete from %s: %w", stream, err)
	}
	var r struct {
		Success bool                `json:"success"`
		Error   *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &r); {
	case err != nil:
		return false, fmt.Errorf("delete from %s: %w", stream, err)
	case r.Error != nil && !isCode(r.Error, codeDeleteFailed, codeNoMessage, codeNoSequence):
		return false, fmt.Errorf("delete from %s: %w", stream, r.Error)
	}
	return r.Success, nil
}
