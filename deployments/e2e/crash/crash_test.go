package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/sim/discordsim"
)

func TestASeedReplaysItsSchedule(t *testing.T) {
	t.Parallel()
	one, err := schedule(7, 5*time.Minute, "")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := schedule(7, 5*time.Minute, "")
	other, _ := schedule(8, 5*time.Minute, "")
	if !reflect.DeepEqual(one, two) || reflect.DeepEqual(one, other) {
		t.Error("a schedule does not follow from its seed")
	}
	seen := map[string]bool{}
	for _, x := range one {
		seen[x.kind] = true
	}
	if len(seen) != len(kinds) {
		t.Errorf("%d of %d kinds of trouble in five minutes", len(seen), len(kinds))
	}
	if _, err := schedule(7, time.Minute, "op7,nothing"); err == nil || !strings.Contains(err.Error(), "op9") {
		t.Errorf("an unknown kind of trouble: %v", err)
	}
}

// The judge must find each thing that the suite is there to find.
func TestTheJudge(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	asked := func(id discordsim.ID, user int) question {
		return question{id: id, user: user, room: 5, at: begin.Add(time.Duration(id) * time.Second)}
	}
	post := func(id, to discordsim.ID) discordsim.Post {
		p := discordsim.Post{Received: begin.Add(time.Duration(id) * time.Second)}
		p.ID, p.Reference, p.Channel = id, to, 5
		return p
	}
	inThread := post(12, 0)
	inThread.Channel = 1
	gone := asked(2, 1)
	gone.deleted = true
	for name, tc := range map[string]struct {
		asked                       []question
		posts                       []discordsim.Post
		typing                      []discordsim.TypingCall
		lost, twice, disorder, late int
		noise                       int
	}{
		"all is well":          {asked: []question{asked(1, 1), asked(2, 1)}, posts: []discordsim.Post{post(11, 1), post(12, 2)}},
		"in a thread":          {asked: []question{asked(1, 1)}, posts: []discordsim.Post{inThread}},
		"lost":                 {asked: []question{asked(1, 1), asked(2, 1)}, posts: []discordsim.Post{post(11, 1)}, lost: 1},
		"deleted":              {asked: []question{asked(1, 1), gone}, posts: []discordsim.Post{post(11, 1)}},
		"twice":                {asked: []question{asked(1, 1)}, posts: []discordsim.Post{post(11, 1), post(12, 1)}, twice: 1},
		"deleted and twice":    {asked: []question{gone}, posts: []discordsim.Post{post(11, 2), post(12, 2)}, twice: 1},
		"out of order":         {asked: []question{asked(1, 1), asked(2, 1)}, posts: []discordsim.Post{post(11, 2), post(12, 1)}, disorder: 1},
		"users don't wait":     {asked: []question{asked(1, 1), asked(2, 2)}, posts: []discordsim.Post{post(11, 2), post(12, 1)}},
		"late":                 {asked: []question{asked(1, 1)}, posts: []discordsim.Post{post(17, 1)}, late: 1},
		"typing":               {typing: []discordsim.TypingCall{{Channel: 5, At: begin}, {Channel: 6, At: begin}, {Channel: 5, At: begin.Add(8 * time.Second)}}},
		"typing again at once": {typing: []discordsim.TypingCall{{Channel: 5, At: begin}, {Channel: 5, At: begin.Add(5 * time.Second)}}, noise: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := judge(tc.asked, tc.posts, tc.typing)
			if v.lost != tc.lost || v.twice != tc.twice || v.disorder != tc.disorder || v.late != tc.late || v.noise != tc.noise {
				t.Errorf("%v", v)
			}
			if bad := tc.lost+tc.twice+tc.disorder+tc.noise > 0; bad != (len(v.faults) > 0) {
				t.Errorf("told: %q", v.faults)
			}
		})
	}
}
