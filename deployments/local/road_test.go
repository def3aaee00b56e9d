package main

import (
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/sim/discordsim"
)

const bot = discordsim.ID(9)

// asked lets one question travel: typed, taken, one call of the model, answered, posted.
func asked(r *road, id discordsim.ID, at time.Time, house, model time.Duration) {
	r.message(discordsim.Event{At: at, Message: &discordsim.Message{ID: id, Channel: 1, Author: 2, Content: "hot? 🔥"}}, bot)
	r.sight(bus.Sight{Question: &chat.Question{ID: chat.QuestionID(id.String()), Message: chat.MessageID(id.String()), Channel: "1", User: "2", Text: "hot? " + id.String()}})
	c := modelCall{Worker: "worker-1", Key: "primary", Question: "hot? " + id.String(), Began: at.Add(house / 2), id: new(byte)}
	r.call(c)
	c.Ended, c.Status = c.Began.Add(model), 200
	r.call(c)
	r.sight(bus.Sight{Answer: &chat.Answer{Question: chat.QuestionID(id.String()), Kind: chat.Reply}})
	r.message(discordsim.Event{At: at.Add(house + model), Message: &discordsim.Message{ID: id + 1000, Channel: 1, Author: bot, Reference: id, Content: "yes"}}, bot)
}

// TestTheHousesOwnTimeLeavesTheModelOut is the page's own number.
func TestTheHousesOwnTimeLeavesTheModelOut(t *testing.T) {
	t.Parallel()
	var steps []string
	now := time.Unix(1000, 0)
	spent := time.Time{}
	r := newRoad(func(s step) { steps = append(steps, s.Stage) }, func() time.Time { return spent })
	for i, house := range []time.Duration{5, 20, 9} {
		asked(r, discordsim.ID(100+i), now, house*time.Millisecond, time.Second)
	}
	if median, n := r.own(); median != 9*time.Millisecond || n != 3 {
		t.Errorf("the median is %s of %d", median, n)
	}
	if got := strings.Join(steps[:5], " "); got != "queued calling called answered posted" {
		t.Errorf("the page is told %q", got)
	}
	spent = now.Add(time.Hour) // no key has budget: what waits for one is no measure
	asked(r, 200, now, time.Minute, time.Second)
	if _, n := r.own(); n != 3 {
		t.Errorf("a question that waited for a budget was measured")
	}
	if f := r.fate("200"); !f.Done || f.Calls != 1 || f.Posts != 1 || f.Kind != chat.Reply || f.Waited != time.Minute+time.Second {
		t.Errorf("its fate is %+v", f)
	}
}

func TestMetricsAreRead(t *testing.T) {
	t.Parallel()
	text := "# HELP x y\nsalamander_inflight 3\nsalamander_budget_used{key=\"a,\\\"b\",limit=\"10req/30s\"} 7 1700000000\nsalamander_x_bucket{le=\"1\"} 1\ngo_threads 9\nsalamander_broken{\n"
	got, err := parseMetrics(strings.NewReader(text))
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got[0].value != 3 || got[1].labels["key"] != `a,"b` || got[1].labels["limit"] != "10req/30s" || got[1].value != 7 {
		t.Errorf("%+v", got)
	}
}

func TestCountersOutliveTheirProcess(t *testing.T) {
	t.Parallel()
	var c tally
	posted := func(pid int, n float64) {
		c.note(pid, sample{name: "salamander_replies_total", labels: map[string]string{"outcome": "posted"}, value: n})
	}
	posted(10, 3)
	posted(10, 5)
	posted(11, 2) // 10 was killed
	c.note(11, sample{name: "salamander_inflight", value: 7})
	if got := c.of("salamander_replies_total"); got["posted"] != 7 || len(got) != 1 {
		t.Errorf("%v", got)
	}
}
