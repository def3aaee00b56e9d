package bus

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stored is one message of a stream as it was read.
type stored struct {
	seq     uint64
	data    []byte // never nil
	deleted bool   // a marker that a key has no value any more
}

// reading is a read of one message whose answer is not there yet: several that are begun before the first is waited for
// take one round trip. The stream's leader answers, so that every write that was acknowledged is seen.
//
// It asks by the raw API, since a Stream handle costs a request for its configuration first.
type reading struct {
	stream string
	reply  *reply
	err    error
}

// beginNewest begins to read the newest message of a subject.
func (b *Bus) beginNewest(stream, subject string) *reading {
	return b.beginReading(stream, mustJSON(struct {
		LastFor string `json:"last_by_subj"`
	}{subject}))
}

// beginOldest begins to read the oldest message that a filter matches, from a sequence on.
func (b *Bus) beginOldest(stream, filter string, from uint64) *reading {
	return b.beginReading(stream, mustJSON(struct {
		Seq     uint64 `json:"seq"`
		NextFor string `json:"next_by_subj"`
	}{max(from, 1), filter}))
}

func (b *Bus) beginReading(stream string, body []byte) *reading {
	r := &reading{stream: stream}
	r.reply, r.err = b.replies.ask("$JS.API.STREAM.MSG.GET."+stream, body)
	return r
}

// end returns what was read; ok is false when there is none. It is called once.
func (r *reading) end(ctx context.Context) (m stored, ok bool, err error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	var answer *nats.Msg
	if err = r.err; err == nil {
		answer, err = r.reply.wait(ctx)
	}
	if err != nil {
		return stored{}, false, fmt.Errorf("read %s: %w", r.stream, err)
	}
	var got struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Seq  uint64 `json:"seq"`
			Data []byte `json:"data"`
			Hdrs []byte `json:"hdrs"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		return stored{}, false, fmt.Errorf("read %s: %w", r.stream, err)
	}
	if got.Error != nil {
		if got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return stored{}, false, nil
		}
		return stored{}, false, fmt.Errorf("read %s: %w", r.stream, got.Error)
	}
	m = stored{seq: got.Message.Seq, data: got.Message.Data}
	if m.data == nil {
		m.data = []byte{}
	}
	if len(got.Message.Hdrs) > 0 {
		if h, err := nats.DecodeHeadersMsg(got.Message.Hdrs); err == nil {
			m.deleted = h.Get(kvOperation) != "" || h.Get("Nats-Marker-Reason") != ""
		}
	}
	return m, true, nil
}

const kvOperation = "KV-Operation"
