package inbound

import (
	"testing"

	"salamander.dev/shared/chat"
)

// TestRecentGoesRound: the newest are remembered, as many as there is room for, and none twice.
func TestRecentGoesRound(t *testing.T) {
	t.Parallel()
	r := newRecent(3)
	for _, id := range []chat.MessageID{"1", "2", "2", "3", "4", "5"} {
		r.add(id, laneKey{}, &pending{})
	}
	for id, want := range map[chat.MessageID]bool{"1": false, "2": false, "3": true, "4": true, "5": true} {
		if _, got := r.find(id); got != want {
			t.Errorf("message %s is remembered: %v, want %v", id, got, want)
		}
	}
	if len(r.ring) != 3 || len(r.byID) != 3 {
		t.Errorf("%d in the ring, %d by id", len(r.ring), len(r.byID))
	}
}
