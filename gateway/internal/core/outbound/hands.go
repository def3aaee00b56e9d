package outbound

import (
	"sync"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// maxTallies bounds the commands whose effect is remembered.
const maxTallies = 64

// hands know the answers that wait or are being posted here, and how many a command kept from being posted.
type hands struct {
	mu   sync.Mutex
	open map[*posting]struct{}
	// tallies of the newest commands, oldest first.
	tallies []tally
}

type tally struct {
	command chat.Snowflake
	n       int
}

func (h *hands) add(x *posting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		h.open = map[*posting]struct{}{}
	}
	h.open[x] = struct{}{}
}

func (h *hands) remove(x *posting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, x)
}

// halted counts an answer that a command kept from being posted; it is in nobody's hands any more.
func (h *hands) halted(x *posting, command chat.Snowflake) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, here := h.open[x]; !here {
		return
	}
	delete(h.open, x)
	for i := range h.tallies {
		if h.tallies[i].command == command {
			h.tallies[i].n++
			return
		}
	}
	if len(h.tallies) >= maxTallies {
		h.tallies = h.tallies[1:]
	}
	h.tallies = append(h.tallies, tally{command, 1})
}

// of says whether a scope holds a server.
func of(scope control.Scope, g chat.GuildID) bool {
	return scope == control.Fleet || control.Scope(g) == scope
}

// count tells how many answers of a scope, and of all, are not on Discord yet; away are those of the scope whose last part
// is on the wire, so that they may appear; ended is how many a command ended already.
func (h *hands) count(scope control.Scope, command chat.Snowflake) (in, away, all, ended int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for x := range h.open {
		if x.posted.Load() {
			continue
		}
		all++
		if of(scope, x.a.Guild) {
			in++
			if x.flight.Load().away() {
				away++
			}
		}
	}
	for _, t := range h.tallies {
		if t.command == command {
			ended = t.n
		}
	}
	return in, away, all, ended
}
