package discord

import "time"

// setbacks counts what the wait before the next try to connect grows with.
type setbacks struct {
	fails int // tries in a row that made no session
	short int // sessions in a row that ended soon
}

// ended takes the end of a try. came says that it made a session, which lived for so long; what lives for at least long is
// fine. It returns by how many failures in a row the wait is to have grown: a session ends what went before it, but those
// that end again and again at once count like failures.
func (p *setbacks) ended(came bool, lived, long time.Duration) (fails int) {
	switch {
	case !came:
		p.fails++
		return p.fails - 1 + p.short
	case lived >= long:
		*p = setbacks{}
		return 0
	}
	p.fails = 0
	p.short++
	return p.short - 1
}
