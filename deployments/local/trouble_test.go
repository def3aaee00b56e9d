package main

import (
	"slices"
	"testing"

	"salamander.dev/shared/chat"
)

// ask has a question asked and waits for its end.
func ask(t *testing.T, p *playground) fate {
	t.Helper()
	ids, err := p.crowd.burst(p, 1)
	if err != nil {
		t.Fatal(err)
	}
	await(t, p, "the question ends", func() bool { return p.road.fate(ids[0]).Done })
	return p.road.fate(ids[0])
}

// TestWellOpensTheKeys closes both keys by what Hugging Face says of them, and makes it well.
func TestWellOpensTheKeys(t *testing.T) {
	t.Parallel()
	p := awake(t, 2, "4req/10m") // what was used before is too much, unless both sides forget it
	states := func() (all []string) {
		p.state.mu.Lock()
		defer p.state.mu.Unlock()
		for _, k := range p.state.last.Keys {
			all = append(all, k.State)
		}
		return all
	}
	await(t, p, "both keys are active", func() bool { return slices.Equal(states(), []string{"active", "active"}) })
	for _, c := range []struct{ kind, state string }{{"402", "resting"}, {"401", "refused"}} {
		if _, err := p.makeTrouble(troubleOrder{What: "model", Kind: c.kind}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.crowd.burst(p, 1); err != nil { // it ends, or waits for a key
			t.Fatal(err)
		}
		await(t, p, c.kind+" closes both keys", func() bool { return slices.Equal(states(), []string{c.state, c.state}) })
		if said, err := p.makeTrouble(troubleOrder{What: "well"}); err != nil || said != "the model is well again, primary is open again, second is open again" {
			t.Fatalf("after %s: %q, %v", c.kind, said, err)
		}
		await(t, p, "both keys are active again", func() bool { return slices.Equal(states(), []string{"active", "active"}) })
		for range 3 {
			if f := ask(t, p); f.Kind != chat.Reply {
				t.Errorf("after %s a question ends with %+v", c.kind, f)
			}
		}
	}
	if over := p.hugging.Over(); over != 0 {
		t.Errorf("%d calls were over a limit", over)
	}
}

func TestClosedKeysAreRead(t *testing.T) {
	t.Parallel()
	table := "KEY STATE LIMIT\na active 1req/1h\nb resting until 2026-12-01T00:00:02Z 1req/1h\nb resting until 2026-12-01T00:00:02Z 9tok/1h\nc refused none\nd cooling until now none\n"
	if got := closedKeys(table); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("closed are %v", got)
	}
}
