package bus

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"salamander.dev/shared/chat"
)

// Sight is one message on the road as a bystander sees it; exactly one field is set.
type Sight struct {
	Question *chat.Question
	Answer   *chat.Answer
	Notice   *chat.Notice
	Dead     *chat.DeadLetter
}

// Tap calls f, one at a time, for every question, answer, notice and dead letter that is published from now on, until
// stop is called. It is for pages and tests that watch the road: lossy (nothing while disconnected or too slow), it sees
// also what a stream then refuses as a duplicate, it takes nothing from anybody, and it needs the right to subscribe to
// everything, which no service has.
func (b *Bus) Tap(f func(Sight)) (stop func(), err error) {
	sub, err := b.nc.Subscribe("chat.v1.>", func(m *nats.Msg) {
		if s, ok := sight(m.Subject, m.Data); ok {
			f(s)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("watch the road: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // the connection is gone: nothing to end
}

func sight(subject string, data []byte) (s Sight, ok bool) {
	read := func(v any) bool { return json.Unmarshal(data, v) == nil }
	switch {
	case strings.HasPrefix(subject, prefixQuestion):
		s.Question = &chat.Question{}
		return s, read(s.Question)
	case strings.HasPrefix(subject, prefixAnswer):
		s.Answer = &chat.Answer{}
		return s, read(s.Answer)
	case strings.HasPrefix(subject, prefixNotice):
		s.Notice = &chat.Notice{}
		return s, read(s.Notice)
	case strings.HasPrefix(subject, prefixDead):
		s.Dead = &chat.DeadLetter{}
		return s, read(s.Dead)
	}
	return Sight{}, false
}
