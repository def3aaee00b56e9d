// Package doctor prints what a service found when it examined its surroundings: one line for each thing that must hold,
// green or what to do. Both services share the part about NATS.
package doctor

import (
	"context"
	"fmt"
	"io"
	"time"

	"salamander.dev/shared/bus"
)

// Sheet is one examination. It is not safe for concurrent use.
type Sheet struct {
	w    io.Writer
	ills int
}

// New begins an examination.
func New(w io.Writer) *Sheet { return &Sheet{w: w} }

// Well notes what holds.
func (s *Sheet) Well(what, format string, args ...any) {
	fmt.Fprintf(s.w, "ok  %-22s %s\n", what, fmt.Sprintf(format, args...))
}

// Ill notes what does not, and what to do.
func (s *Sheet) Ill(what, format string, args ...any) {
	s.ills++
	fmt.Fprintf(s.w, "--  %-22s %s\n", what, fmt.Sprintf(format, args...))
}

// Err is nil when everything holds.
func (s *Sheet) Err() error {
	if s.ills == 0 {
		return nil
	}
	return fmt.Errorf("%d of the lines above need you (--)", s.ills)
}

// connectWithin bounds the wait for NATS.
const connectWithin = 8 * time.Second

// tolerated is how far the clocks may be apart: windows of the budget are judged by the server's, catch-up by ours.
const tolerated = 2 * time.Second

// NATS examines the connection, the rights and the clock; false says that there is no connection.
func (s *Sheet) NATS(ctx context.Context, b *bus.Bus, provision string) bool {
	wait, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	if b.AwaitConnected(wait) != nil {
		s.Ill("NATS", "%v", b.Ready())
		return false
	}
	s.Well("NATS", "connected")
	missing, denied := b.Examine(ctx)
	switch {
	case len(missing) > 0 && provision == "auto":
		s.Well("streams and buckets", "%d are not there yet; they are created at the start (NATS_PROVISION=auto)", len(missing))
	case len(missing) > 0:
		s.Ill("streams and buckets", "not there: %v. Run 'gateway provision' with an admin's credentials.", missing)
	default:
		s.Well("streams and buckets", "all are there")
	}
	if len(denied) > 0 {
		s.Ill("NATS rights", "no answer to %v: give this user the permissions of deployments/nats/common.conf, or check NATS_USER", denied)
	} else {
		s.Well("NATS rights", "every look that the service takes is allowed")
	}
	if len(missing)+len(denied) > 0 {
		return true
	}
	switch off, err := b.ClockOffset(ctx); {
	case err != nil:
		s.Ill("clock", "the server's could not be read: %v", err)
	case off.Abs() > tolerated:
		s.Ill("clock", "%s apart from NATS' machine: switch on NTP on both", off.Round(10*time.Millisecond))
	default:
		s.Well("clock", "%s apart from NATS' machine", off.Round(time.Millisecond))
	}
	return true
}
