package discord

import (
	"sync"
	"time"

	"salamander.dev/shared/chat"
)

// Discord bans an address for a while after 10,000 requests in 10 minutes that were answered with 401, 403 or 429
// (scope shared excepted; Discord, Rate Limits, "Invalid Request Limit").
const (
	invalidSoft = 2500 // typing and other niceties stop, and what is refused already is not tried again
	invalidHard = 9000 // everything stops until the count falls
)

// forbiddenFor is how long a refusal of a channel's is remembered; a change of permissions forgets it at once.
const forbiddenFor = time.Minute

// maxForbidden bounds the refused channels that are remembered.
const maxForbidden = 10000

// guard keeps the bot from being banned for what it does in vain.
type guard struct {
	mu        sync.Mutex
	minutes   [10]int // invalid requests by minute
	minute    int64   // of the newest
	forbidden map[forbiddenKey]forbidden
}

type forbiddenKey struct {
	route   string
	channel chat.ChannelID
}

type forbidden struct {
	until time.Time
	err   APIError
}

func newGuard() *guard { return &guard{forbidden: map[forbiddenKey]forbidden{}} }

// note counts an invalid request and returns how many there were within ten minutes.
func (g *guard) note(now time.Time) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turnLocked(now)
	g.minutes[g.minute%10]++
	return g.sumLocked()
}

// count returns how many invalid requests there were within ten minutes.
func (g *guard) count(now time.Time) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turnLocked(now)
	return g.sumLocked()
}

func (g *guard) turnLocked(now time.Time) {
	minute := now.Unix() / 60
	for ; g.minute < minute; g.minute++ {
		if minute-g.minute > 10 {
			g.minute = minute - 10
		}
		g.minutes[(g.minute+1)%10] = 0
	}
}

func (g *guard) sumLocked() (n int) {
	for _, m := range g.minutes {
		n += m
	}
	return n
}

// refuse remembers that a channel refuses a route.
func (g *guard) refuse(route string, channel chat.ChannelID, err *APIError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if len(g.forbidden) >= maxForbidden {
		for k, f := range g.forbidden {
			if !f.until.After(now) {
				delete(g.forbidden, k)
			}
		}
		if len(g.forbidden) >= maxForbidden {
			return
		}
	}
	g.forbidden[forbiddenKey{route, channel}] = forbidden{now.Add(forbiddenFor), *err}
}

// allow forgets a channel's refusal: what it refused went through.
func (g *guard) allow(route string, channel chat.ChannelID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.forbidden, forbiddenKey{route, channel})
}

// refused returns the remembered refusal, or nil.
func (g *guard) refused(route string, channel chat.ChannelID) *APIError {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := forbiddenKey{route, channel}
	f, ok := g.forbidden[k]
	if !ok {
		return nil
	}
	if !f.until.After(time.Now()) {
		delete(g.forbidden, k)
		return nil
	}
	err := f.err
	err.Unsent = true
	return &err
}

// forget drops the refusals of channels that match.
func (g *guard) forget(match func(chat.ChannelID) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k := range g.forbidden {
		if match(k.channel) {
			delete(g.forbidden, k)
		}
	}
}
