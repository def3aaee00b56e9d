package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/hfsim"
)

// How often the processes are asked for their figures, and how soon a change that we made ourselves is shown.
const (
	measureEvery = 500 * time.Millisecond
	pokeAfter    = 30 * time.Millisecond
)

// stateMessage is the page's picture of everything that runs.
type stateMessage struct {
	Now       int64            `json:"now"` // ms since 1970
	Up        bool             `json:"up"`
	Style     string           `json:"style"`
	Processes []processState   `json:"processes"`
	Keys      []keyState       `json:"keys"`
	Waiting   int              `json:"waiting"`
	OldestMS  int64            `json:"oldest_ms"`
	Dead      int              `json:"dead"`
	Questions map[string]int64 `json:"questions"`
	Replies   map[string]int64 `json:"replies"`
	OwnUS     int64            `json:"own_us"`
	OwnN      int              `json:"own_n"`
	// Calls and Over are Hugging Face's own books: requests that arrived, and those over a limit of their key.
	Calls   int64        `json:"calls"`
	Over    int64        `json:"over"`
	Discord discordState `json:"discord"`
	Trouble troubleState `json:"trouble"`
	Crowd   crowdState   `json:"crowd"`
	Story   storyState   `json:"story"`
	Logs    []logLine    `json:"logs,omitempty"`
}

type processState struct {
	Name     string  `json:"name"`
	Role     string  `json:"role"`
	PID      int     `json:"pid,omitempty"`
	Ready    bool    `json:"ready"`
	Back     int64   `json:"back,omitempty"` // ms since 1970 when it is started again
	Restarts int     `json:"restarts"`
	Inflight int     `json:"inflight"`
	RSS      int64   `json:"rss"`
	AgeMS    int64   `json:"age_ms"`
	CPU      float64 `json:"cpu_s"`
}

type keyState struct {
	Name   string       `json:"name"`
	State  string       `json:"state"`
	Limits []limitState `json:"limits"`
}

type limitState struct {
	Limit string  `json:"limit"`
	Unit  string  `json:"unit"`
	Max   float64 `json:"max"`
	Used  float64 `json:"used"` // in the workers' ledger
	Book  float64 `json:"book"` // in the simulated Hugging Face's own books; -1: it is real
	// Resets is when the window turns, Window its length, both in ms; 0: unknown.
	Resets int64 `json:"resets"`
	Window int64 `json:"window"`
}

type discordState struct {
	Real      bool `json:"real"`
	Connected int  `json:"connected"`
	Limited   int  `json:"limited"`
}

// stateBoard holds the newest figures and tells when they should be read anew.
type stateBoard struct {
	wake chan struct{}

	mu    sync.Mutex
	last  stateMessage
	spent time.Time // until then no key had budget

	counts tally // used by measure alone
}

func (b *stateBoard) init() { b.wake = make(chan struct{}, 1) }

func (b *stateBoard) poke() {
	if b.wake == nil {
		return
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// spentUntil is until when no key had budget, as far as is known; the figures may be as old as their interval.
func (b *stateBoard) spentUntil() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spent
}

// measure reads the figures and sends them to the pages until the playground ends.
func (p *playground) measure() {
	var lastLog int64
	for {
		m := p.read()
		p.state.mu.Lock()
		p.state.last = m
		if len(m.Keys) > 0 && !slices.ContainsFunc(m.Keys, usable) {
			p.state.spent = time.Now().Add(measureEvery)
		}
		p.state.mu.Unlock()
		m.Logs = p.logs.since(lastLog)
		if len(m.Logs) > 0 {
			lastLog = m.Logs[len(m.Logs)-1].N
		}
		p.feed.send("state", m)
		select {
		case <-p.begun.Done():
			return
		case <-time.After(measureEvery):
		case <-p.state.wake:
			select { // several changes at once are one picture
			case <-p.begun.Done():
				return
			case <-time.After(pokeAfter):
			}
		}
	}
}

func usable(k keyState) bool {
	return k.State == "active" && !slices.ContainsFunc(k.Limits, func(l limitState) bool { return l.Used >= l.Max })
}

// read asks every process at once.
func (p *playground) read() stateMessage {
	m := stateMessage{Now: time.Now().UnixMilli(),
		Trouble: p.troubleState(), Crowd: p.crowd.state(), Story: p.story.state()}
	p.mu.Lock()
	m.Up, m.Style = !p.upSince.IsZero(), p.style
	p.mu.Unlock()
	own, n := p.road.own()
	m.OwnUS, m.OwnN, m.Dead = own.Microseconds(), n, p.road.letters()
	keys := map[string]*keyState{}
	p.processes(&m, keys)
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		k := keys[name]
		slices.SortFunc(k.Limits, func(x, y limitState) int { return strings.Compare(x.Limit, y.Limit) })
		m.Keys = append(m.Keys, *k)
	}
	if p.hugging != nil {
		p.books(&m)
	}
	if p.bus != nil {
		ctx, cancel := context.WithTimeout(p.begun, 300*time.Millisecond)
		if open, oldest, err := p.bus.Queue(ctx); err == nil {
			m.Waiting = open
			if !oldest.IsZero() {
				m.OldestMS = time.Since(oldest).Milliseconds()
			}
		}
		cancel()
	}
	m.Discord.Real = p.discord == nil
	if p.discord != nil {
		c := p.discord.Counts()
		m.Discord.Connected, m.Discord.Limited = c.Connected, c.Limited
	}
	return m
}

// processes fills in what every process is and says of itself.
func (p *playground) processes(m *stateMessage, keys map[string]*keyState) {
	type asked struct {
		at   int
		addr string
	}
	var list []asked
	p.keep.mu.Lock()
	for _, x := range p.keep.posts {
		s := processState{Name: x.Name, Role: string(x.Role), Ready: x.ready, Restarts: x.restarts}
		if x.proc != nil {
			s.PID, s.RSS, s.AgeMS, s.CPU = x.proc.PID(), x.proc.RSS(), time.Since(x.proc.Started).Milliseconds(), x.proc.CPU().Seconds()
			if x.Role != stack.NATS {
				list = append(list, asked{len(m.Processes), x.proc.Addr})
			}
		} else {
			s.Back = x.back.UnixMilli()
		}
		m.Processes = append(m.Processes, s)
	}
	p.keep.mu.Unlock()
	results := make([][]sample, len(list))
	var wait sync.WaitGroup
	for i, a := range list {
		wait.Go(func() { results[i], _ = scrape(p.begun, a.addr) }) // it is starting or dying: no figures
	}
	wait.Wait()
	for i, a := range list {
		for _, s := range results[i] {
			take(&m.Processes[a.at], keys, s)
			p.state.counts.note(m.Processes[a.at].PID, s)
		}
	}
	m.Questions, m.Replies = p.state.counts.of("salamander_questions_total"), p.state.counts.of("salamander_replies_total")
}

// take puts one figure where it belongs.
func take(p *processState, keys map[string]*keyState, s sample) {
	key := func() *keyState {
		name := s.labels["key"]
		if keys[name] == nil {
			keys[name] = &keyState{Name: name, State: "active"}
		}
		return keys[name]
	}
	switch s.name {
	case "salamander_inflight":
		p.Inflight = int(s.value)
	case "salamander_budget_key_state":
		if s.value == 1 {
			key().State = s.labels["state"]
		}
	case "salamander_budget_limit":
		key().limit(s.labels["limit"]).Max = s.value
	case "salamander_budget_used": // every worker reads the same ledger; the newest reading is the largest within a window
		l := key().limit(s.labels["limit"])
		l.Used = max(l.Used, s.value)
	}
}

// limit finds the limit of that text, or makes it.
func (k *keyState) limit(text string) *limitState {
	for i := range k.Limits {
		if k.Limits[i].Limit == text {
			return &k.Limits[i]
		}
	}
	l := limitState{Limit: text, Book: -1}
	if x, err := hfsim.ParseLimit(text); err == nil {
		l.Unit = string(x.Unit)
		l.Window, l.Resets = turn(x.Window, time.Now())
	}
	k.Limits = append(k.Limits, l)
	return &k.Limits[len(k.Limits)-1]
}

// turn is a window's length and its end, in ms.
func turn(window string, now time.Time) (length, end int64) {
	now = now.UTC()
	var from, to time.Time
	switch window {
	case "month":
		from = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
		to = from.AddDate(0, 1, 0)
	case "day":
		from = now.Truncate(24 * time.Hour)
		to = from.Add(24 * time.Hour)
	default:
		d, err := time.ParseDuration(window)
		if err != nil || d <= 0 {
			return 0, 0
		}
		// Not Truncate: that counts from the year 1, windows from 1970.
		from = time.UnixMilli(now.UnixMilli() / d.Milliseconds() * d.Milliseconds())
		to = from.Add(d)
	}
	return to.Sub(from).Milliseconds(), to.UnixMilli()
}

// books adds what the simulated Hugging Face counted itself.
func (p *playground) books(m *stateMessage) {
	b := p.hugging.Books()
	m.Calls, m.Over = b.Calls, b.Over
	for i := range m.Keys {
		for j := range m.Keys[i].Limits {
			l := &m.Keys[i].Limits[j]
			l.Book = 0
			for _, w := range b.Key(m.Keys[i].Name).Windows {
				if w.Limit.String() == l.Limit && w.End.After(b.Now) && !w.Start.After(b.Now) {
					l.Book = float64(w.Used())
					if w.Limit.Unit == hfsim.Dollars {
						l.Book /= 1e9
					}
				}
			}
		}
	}
}
