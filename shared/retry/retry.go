// Package retry says, as a value, what is to happen with a message after it was handled: core decides, and only
// shared/bus turns the verdict into ack, nak or term.
package retry

import "time"

// Verdict is what a handler returns. Its zero value is [Done].
type Verdict struct {
	again bool
	after time.Duration
}

// Done says that the message is finished: it is acknowledged and never comes again.
var Done = Verdict{}

// After says that the message is to come again, not before d has passed; 0 is at once, to whoever is free.
func After(d time.Duration) Verdict { return Verdict{again: true, after: max(d, 0)} }

// Again says whether the message is to come again, and after how long.
func (v Verdict) Again() (time.Duration, bool) { return v.after, v.again }
