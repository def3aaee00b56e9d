package bus

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"salamander.dev/shared/control"
)

// looks are the streams that a service looks at; one with a consumer is that service's to read.
var looks = map[control.Service][]struct{ stream, consumer string }{
	control.Gateway: {
		{streamQuestions, ""}, {streamAnswers, consumerGateways}, {"KV_" + bucketControl, ""}, {"KV_" + bucketLive, ""},
		{"KV_" + bucketPosted, ""}, {"KV_" + bucketSeen, ""}, {"KV_" + bucketLease, ""},
	},
	control.Worker: {
		{streamQuestions, consumerWorkers}, {streamAnswers, ""}, {streamDeadLetters, ""}, {"KV_" + bucketControl, ""},
		{"KV_" + bucketLive, ""}, {"KV_" + bucketBudget, ""}, {"KV_" + bucketMemory, ""},
	},
}

// examineWithin is how long a look may take: a denied one gets no answer at all.
const examineWithin = 3 * time.Second

// Examine takes every look at streams and consumers that this connection's service takes. missing are those that are
// not there, denied the requests that got no answer, which is how NATS refuses.
func (b *Bus) Examine(ctx context.Context) (missing, denied []string) {
	ctx, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	look := func(name, request string) {
		all.Go(func() {
			m, err := b.nc.RequestWithContext(ctx, request, nil)
			var said struct {
				Error *jetstream.APIError `json:"error"`
			}
			if err == nil {
				err = json.Unmarshal(m.Data, &said)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				denied = append(denied, request)
			case said.Error != nil:
				missing = append(missing, name)
			}
		})
	}
	for _, l := range looks[b.cfg.Service] {
		look(l.stream, "$JS.API.STREAM.INFO."+l.stream)
		if l.consumer != "" {
			look(l.stream+"."+l.consumer, "$JS.API.CONSUMER.INFO."+l.stream+"."+l.consumer)
		}
	}
	all.Wait()
	slices.Sort(missing)
	slices.Sort(denied)
	return missing, denied
}

// ClockOffset is how far this machine's clock is behind the server's, to about half a round trip.
func (b *Bus) ClockOffset(ctx context.Context) (time.Duration, error) {
	best, offset := time.Hour, time.Duration(0)
	for range 3 {
		ctx, cancel := bound(ctx)
		begin := time.Now()
		s, err := b.js.Stream(ctx, streamQuestions)
		took := time.Since(begin)
		cancel()
		if err != nil {
			return 0, err
		}
		at := s.CachedInfo().TimeStamp
		if at.IsZero() {
			return 0, errors.New("the server tells no time")
		}
		if took < best {
			best, offset = took, at.Sub(begin.Add(took/2))
		}
	}
	return offset, nil
}
