package inbound

import (
	"strconv"
	"time"

	"salamander.dev/shared/chat"
)

// Rate is USER_RATE: how many questions a user may ask in one window. Windows begin at multiples of their length since
// the Unix epoch in UTC, so that every gateway means the same one.
type Rate struct {
	Questions int
	Window    time.Duration
}

// maxCounted is the highest limit that is counted: what was counted is kept by its ids, and nobody types more in a window.
const maxCounted = 10_000

// maxSkew is how far the time in a message's id may be from our own clock before ours is believed.
const maxSkew = time.Minute

// saidAt is when a message was said. Discord's clock, which is in the id, is taken for it where it is plausible, so that
// two gateways agree on the window of a message that comes at its turn.
func saidAt(m Message) time.Time {
	at := m.ID.Snowflake().Time()
	if d := m.Received.Sub(at); m.CaughtUp || (d < maxSkew && d > -maxSkew) {
		return at
	}
	return m.Received
}

// window names the window of a moment, and says when it ends.
func (r Rate) window(at time.Time) (id string, ends time.Time) {
	n := at.UnixNano() / int64(r.Window)
	return strconv.FormatInt(n, 10), time.Unix(0, (n+1)*int64(r.Window))
}

// key is what counters and claims of a user's window are kept under.
func (r Rate) key(u chat.UserID, at time.Time) (key string, ends time.Time) {
	id, ends := r.window(at)
	return string(u) + "." + id, ends
}
