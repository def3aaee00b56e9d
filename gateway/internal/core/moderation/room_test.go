package moderation_test

import (
	"fmt"
	"testing"

	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/chat"
)

// enter takes places for a command until there is none, and says how many.
func enter(r *moderation.Room, c moderation.Call, most int) (taken int, leave []func()) {
	for range most {
		l, ok := r.Enter(c)
		if !ok {
			break
		}
		leave = append(leave, l)
	}
	return len(leave), leave
}

// Whatever others have in hand, here or elsewhere, a moderator's command finds a place.
func TestAModeratorsCommandFindsAPlace(t *testing.T) {
	t.Parallel()
	var r moderation.Room
	owner, rogue, operator, anybody, there := people[0], people[2], people[4], people[5], places[6]
	flood := func(text string, p who, at where, want int) []func() {
		t.Helper()
		n, leave := enter(&r, call(t, what{text: text}, p, at, false, "10"), 1000)
		if n != want {
			t.Errorf("%s by %s: %d places, want %d", text, p.name, n, want)
		}
		return leave
	}
	leave := flood("$help", anybody, here, 3)
	flood("$stop", anybody, here, 0) // refused, so anybody's
	flood("$help", owner, here, 3)
	for i := range 1000 { // a crowd, until there is no place for anybody
		p := anybody
		p.user = chat.UserID(fmt.Sprint(10_000 + i))
		enter(&r, call(t, what{text: "$hlep"}, p, there, false, "10"), 3)
	}
	flood("$help", rogue, here, 0)
	flood("$mute <@5>", rogue, here, 256)
	if n, _ := enter(&r, call(t, what{text: "$stop"}, owner, here, false, "10"), 1); n != 1 {
		t.Error("an owner's $stop finds no place behind help and another moderator's mutes")
	}
	flood("$stop all", operator, here, 256)
	for _, l := range leave {
		l()
	}
	flood("$help", anybody, here, 3)
}
