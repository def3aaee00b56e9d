package main

import (
	"strings"
	"testing"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
)

// TestAStoryThatCannotEndIsRefused tries limits under which no key is spent and comes back while one watches.
func TestAStoryThatCannotEndIsRefused(t *testing.T) {
	t.Parallel()
	p := simulated(t)
	for _, limits := range []string{"none", "2000tok/30s", "10req/30s,2000tok/30s", "300req/1h", "10req/1h", "10req/day", "10req/30s rolling", "1req/30s", "16req/30s", "10req/5s"} {
		p.o.limits = limits
		if err := p.tellStory(); err == nil || !strings.Contains(err.Error(), "-limits "+limits) {
			t.Errorf("with %s: %v", limits, err)
		}
		if p.story.state().On {
			t.Fatalf("with %s it is told", limits)
		}
	}
}

// TestAKeyWithoutALimitIsNotSpent looks at the sentence; the figures come from a worker.
func TestAKeyWithoutALimitIsNotSpent(t *testing.T) {
	t.Parallel()
	p := simulated(t)
	p.state.last.Keys = []keyState{{Name: "primary", Limits: []limitState{{Unit: "tok", Max: 2000}}}}
	if said, err := p.exhaust("primary"); err == nil || !strings.Contains(err.Error(), "primary has no limit in requests") {
		t.Errorf("it said %q, %v", said, err)
	}
	if said, err := p.exhaust("third"); err == nil {
		t.Errorf("of a key that is not there it said %q", said)
	}
}

// TestTheStorySetsItsStage tells it where the bot is stopped, and then with one worker.
func TestTheStorySetsItsStage(t *testing.T) {
	t.Parallel()
	p := awake(t, 1, "10req/30s")
	room, err := discordsim.ParseID(p.town.Guilds[0].Channels[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	mia, err := discordsim.ParseID(p.town.People[2].ID)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, p) // by then the gateway knows who moderates
	for _, c := range []struct {
		command string
		stopped bool
	}{{"$stop", true}, {"$start", false}} {
		if _, err := p.discord.Say(room, mia, c.command); err != nil {
			t.Fatal(err)
		}
		await(t, p, c.command+" holds", func() bool { return (p.unstopped() != nil) == c.stopped })
		if err := p.tellStory(); (err != nil) != c.stopped || (c.stopped && !strings.Contains(err.Error(), "stopped in Ember Café")) {
			t.Fatalf("after %s the story is told: %v", c.command, err)
		}
	}
	if n := len(p.keep.names(stack.Worker)); n != 2 {
		t.Errorf("%d workers, one of which is to die", n)
	}
	asked := 0
	await(t, p, "the counts go on in the second chapter", func() bool {
		s := p.story.state()
		if s.Chapter == 2 && asked == 0 {
			asked = s.Facts.Asked
		}
		return s.Chapter == 2 && s.Facts.Asked > asked || s.Chapter > 2
	})
	if s := p.story.state(); s.Chapter > 2 && s.Facts.Asked <= asked {
		t.Errorf("the counts stood still at %d", asked)
	}
	p.endStory()
}

func TestTheFirstKeyIsSpent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, second float64
		want          bool
	}{{9, 0, false}, {10, 0, true}, {9, 1, true}} {
		if got := firstSpent(limitState{Max: 10, Book: c.first}, limitState{Max: 10, Book: c.second}); got != c.want {
			t.Errorf("%v of 10 used, and %v of the second: spent is %v", c.first, c.second, got)
		}
	}
	if firstSpent(limitState{}, limitState{Book: 3}) {
		t.Error("a key without a window is spent")
	}
}
