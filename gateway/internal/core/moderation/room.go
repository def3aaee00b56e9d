package moderation

import (
	"sync"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// Bounds of the commands that are in hand at the same time. What everybody may use is bounded per author and as a whole;
// moderators have places of their own in each server, so that nobody else's commands, and no other server's, keep a
// $stop out. They have many, since a command stays in hand until it is answered, which takes minutes while Discord is in
// trouble.
const (
	perAuthor    = 3
	perEverybody = 256
	perModerator = 256
	perServer    = 1024
)

// seat is what is counted: by is a person, or empty for all of them together.
type seat struct {
	moderators bool
	guild      chat.GuildID // of moderators; operators have places wherever they are
	by         chat.UserID
}

// Room counts the commands that are in hand. Its zero value is empty; it is safe for concurrent use.
type Room struct {
	mu    sync.Mutex
	taken map[seat]int
}

// Enter takes a place for a command; leave gives it back and is called once. ok is false when there is none, which is
// the case for an authorized moderator's command only when moderators of the same server have very many in hand.
func (r *Room) Enter(call Call) (leave func(), ok bool) {
	bounds := seats(call)
	r.mu.Lock()
	defer r.mu.Unlock()
	for s, most := range bounds {
		if r.taken[s] >= most {
			return nil, false
		}
	}
	if r.taken == nil {
		r.taken = map[seat]int{}
	}
	for s := range bounds {
		r.taken[s]++
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for s := range bounds {
			if r.taken[s]--; r.taken[s] == 0 {
				delete(r.taken, s)
			}
		}
	}, true
}

// seats are the places that a command takes, each with its bound.
func seats(call Call) map[seat]int {
	by := call.Actor.User
	switch ground, refusal := Authorize(call.Actor, call.Command); {
	case refusal != nil || ground == control.Self:
		return map[seat]int{{by: by}: perAuthor, {}: perEverybody}
	case call.Actor.Operator:
		return map[seat]int{{moderators: true, by: by}: perModerator}
	}
	g := call.Place.Guild
	return map[seat]int{{moderators: true, guild: g, by: by}: perModerator, {moderators: true, guild: g}: perServer}
}
