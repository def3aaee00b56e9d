package main

// tally adds up counters over processes that come and go: a process that is killed takes its counters along, what it
// counted stays. It holds one number for each process that ever ran and each outcome.
type tally struct {
	last map[counter]int64
}

type counter struct {
	pid           int
	name, outcome string
}

// note takes the newest value of a process's counter; metrics without an outcome are none of ours.
func (t *tally) note(pid int, s sample) {
	outcome, ok := s.labels["outcome"]
	if !ok {
		return
	}
	if t.last == nil {
		t.last = map[counter]int64{}
	}
	t.last[counter{pid, s.name, outcome}] = int64(s.value)
}

// of is a metric's sum by outcome.
func (t *tally) of(name string) map[string]int64 {
	sum := map[string]int64{}
	for c, n := range t.last {
		if c.name == name {
			sum[c.outcome] += n
		}
	}
	return sum
}
