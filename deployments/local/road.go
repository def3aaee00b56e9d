package main

import (
	"slices"
	"strings"
	"sync"
	"time"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/sim/discordsim"
)

// The stations of a question, as the page shows them.
const (
	stageQueued   = "queued"   // JetStream has it
	stageCalling  = "calling"  // a worker asks the model with a key
	stageCalled   = "called"   // the model answered, or failed
	stageAnswered = "answered" // the answer is on the bus
	stagePosted   = "posted"   // it stands on Discord
	stageNotice   = "notice"   // somebody was told to wait
	stageDead     = "dead"     // a dead letter
)

// Bounds of what is remembered.
const (
	keepTrips   = 4000 // questions
	keepTyped   = 2000 // messages that may become questions
	keepSamples = 200  // of the page's own number
)

// step is what the page is told of a question.
type step struct {
	ID      string `json:"id"`
	Stage   string `json:"stage"`
	Channel string `json:"channel,omitempty"`
	User    string `json:"user,omitempty"`
	Worker  string `json:"worker,omitempty"`
	Key     string `json:"key,omitempty"`
	Status  int    `json:"status,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Typed and Asked are what the user wrote and what the model is asked.
	Typed string `json:"typed,omitempty"`
	Asked string `json:"asked,omitempty"`
	// OwnUS is what the house itself took of the whole, in microseconds; with posted only.
	OwnUS int64 `json:"own_us,omitempty"`
	TotMS int64 `json:"total_ms,omitempty"`
}

// trip is one question on its way.
type trip struct {
	id, channel, user, text string
	typed                   time.Time
	calls                   []*modelCall
	kind                    chat.Kind
	answers, posts, notices int
	late                    bool // not seen when it was typed, or long ago: no measure of the house
	done                    bool
	waited                  time.Duration // from the message to the post that ended it
}

// road follows every question from the message to the reply, by what others can see of it: the simulated Discord's
// events, the bus, and the calls that reach the model.
type road struct {
	tell func(step)
	// spent is until when no key had budget, as far as is known: a question that meets that waits for a reason.
	spent func() time.Time

	mu      sync.Mutex
	typed   map[string]typedMessage
	typing  []string // ids in typed, oldest first
	trips   map[string]*trip
	order   []string
	open    map[string][]*trip // by text: taken, and no call of theirs runs
	running map[*byte]*trip
	samples []time.Duration
	dead    int // letters written since the start
}

type typedMessage struct {
	at   time.Time
	text string
}

func newRoad(tell func(step), spent func() time.Time) *road {
	return &road{tell: tell, spent: spent, typed: map[string]typedMessage{}, trips: map[string]*trip{},
		open: map[string][]*trip{}, running: map[*byte]*trip{}}
}

// message takes an event of the simulated Discord.
func (r *road) message(e discordsim.Event, bot discordsim.ID) {
	if e.Message == nil {
		return
	}
	m := e.Message
	if m.Author != bot {
		if m.Type == discordsim.Default || m.Type == discordsim.Reply {
			r.mu.Lock()
			id := m.ID.String()
			r.typed[id] = typedMessage{e.At, m.Content}
			r.typing = append(r.typing, id)
			if len(r.typing) > keepTyped {
				delete(r.typed, r.typing[0])
				r.typing = r.typing[1:]
			}
			r.mu.Unlock()
		}
		return
	}
	r.posted(m, e.At)
}

// posted looks whose answer a post of the bot is: it references the question, or stands in the thread on it.
func (r *road) posted(m *discordsim.Message, at time.Time) {
	spent := r.spent()
	r.mu.Lock()
	t := r.trips[m.Reference.String()]
	if t == nil {
		t = r.trips[m.Channel.String()]
	}
	if t == nil {
		r.mu.Unlock()
		return
	}
	s := step{ID: t.id, Stage: stagePosted, Channel: t.channel, User: t.user, Kind: string(t.kind)}
	t.posts++
	// A queue notice names a time; the bus may show the answer a moment after Discord does.
	notice := t.kind == "" && strings.Contains(m.Content, "<t:")
	if notice || t.done { // a later part of the answer ends nothing
		if notice {
			s.Stage = stageNotice
			t.notices++
		}
		r.mu.Unlock()
		r.tell(s)
		return
	}
	t.done = true
	total := at.Sub(t.typed)
	t.waited, s.TotMS = total, total.Milliseconds()
	if (t.kind == chat.Reply || t.kind == "") && !t.late && spent.Before(t.typed) && len(t.calls) == 1 && !t.calls[0].Ended.IsZero() {
		own := total - t.calls[0].Ended.Sub(t.calls[0].Began)
		s.OwnUS = max(own.Microseconds(), 1)
		r.samples = append(r.samples, own)
		if len(r.samples) > keepSamples {
			r.samples = r.samples[1:]
		}
	}
	r.mu.Unlock()
	r.tell(s)
}

// sight takes what is published on the bus.
func (r *road) sight(s bus.Sight) {
	switch {
	case s.Question != nil:
		r.taken(*s.Question)
	case s.Answer != nil:
		r.answered(*s.Answer)
	case s.Dead != nil:
		r.mu.Lock()
		r.dead++
		r.mu.Unlock()
		r.tell(step{ID: string(s.Dead.Question.ID), Stage: stageDead, Reason: s.Dead.Reason, Channel: string(s.Dead.Question.Channel)})
	}
}

func (r *road) taken(q chat.Question) {
	id := string(q.ID)
	r.mu.Lock()
	if r.trips[id] != nil { // published again: another gateway, or a retry
		r.mu.Unlock()
		return
	}
	typed, known := r.typed[string(q.Message)]
	if !known {
		typed = typedMessage{q.Asked, ""}
	}
	t := &trip{id: id, channel: string(q.Channel), user: string(q.User), text: q.Text, typed: typed.at, late: !known || q.Late}
	r.trips[id] = t
	r.order = append(r.order, id)
	r.open[t.text] = append(r.open[t.text], t)
	if len(r.order) > keepTrips {
		if old := r.trips[r.order[0]]; old != nil {
			r.closed(old)
		}
		delete(r.trips, r.order[0])
		r.order = r.order[1:]
	}
	r.mu.Unlock()
	r.tell(step{ID: id, Stage: stageQueued, Channel: t.channel, User: t.user, Typed: typed.text, Asked: q.Text})
}

// closed takes a trip out of those that wait for a call. r.mu is held.
func (r *road) closed(t *trip) {
	list := slices.DeleteFunc(r.open[t.text], func(x *trip) bool { return x == t })
	if len(list) == 0 {
		delete(r.open, t.text)
		return
	}
	r.open[t.text] = list
}

// call takes the beginning and the end of a model call and finds its question by the text. Of several questions with
// the same text the oldest is meant.
func (r *road) call(c modelCall) {
	r.mu.Lock()
	s := step{Stage: stageCalling, Worker: c.Worker, Key: c.Key, Status: c.Status}
	var t *trip
	if c.Ended.IsZero() {
		if list := r.find(c.Question); len(list) > 0 {
			t = list[0]
			r.closed(t)
			r.running[c.id] = t
			t.calls = append(t.calls, &c)
		}
	} else {
		s.Stage = stageCalled
		if t = r.running[c.id]; t != nil {
			delete(r.running, c.id)
			for _, x := range t.calls {
				if x.id == c.id {
					x.Ended, x.Status = c.Ended, c.Status
				}
			}
			if c.Status != 200 && !t.done { // it will be asked again
				r.open[t.text] = append(r.open[t.text], t)
			}
		}
	}
	if t != nil {
		s.ID, s.Channel, s.User = t.id, t.channel, t.user
	}
	r.mu.Unlock()
	if t != nil {
		r.tell(s)
	}
}

// find returns the questions that a prompt's last user message can mean; neighbouring turns of one role are joined by
// line breaks in it.
func (r *road) find(text string) []*trip {
	for {
		if list := r.open[text]; len(list) > 0 {
			return list
		}
		_, rest, ok := strings.Cut(text, "\n")
		if !ok {
			return nil
		}
		text = rest
	}
}

func (r *road) answered(a chat.Answer) {
	r.mu.Lock()
	t := r.trips[string(a.Question)]
	if t != nil {
		t.kind, t.answers = a.Kind, t.answers+1
		r.closed(t)
		if a.Kind == chat.Dropped {
			t.done = true
		}
	}
	r.mu.Unlock()
	if t != nil {
		r.tell(step{ID: t.id, Stage: stageAnswered, Kind: string(a.Kind), Reason: a.Reason, Channel: t.channel, User: t.user})
	}
}

// own is the median of what the house itself took, from the message on Discord to the reply on Discord without the
// model's time; only of replies that came at the first call and had not to wait for a budget.
func (r *road) own() (median time.Duration, n int) {
	r.mu.Lock()
	all := slices.Clone(r.samples)
	r.mu.Unlock()
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], len(all)
}

// letters counts the dead letters since the start; the processes' own counters end with them.
func (r *road) letters() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dead
}

// fate is what became of a question.
type fate struct {
	Taken, Done bool
	Kind        chat.Kind
	// Calls reached the model; Posts stand on Discord, queue notices not counted.
	Calls, Posts int
	// Waited is from the message to the reply, both as they stand on Discord.
	Waited time.Duration
}

func (r *road) fate(id string) fate {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.trips[id]
	if t == nil {
		return fate{}
	}
	return fate{Taken: true, Done: t.done, Kind: t.kind, Calls: len(t.calls), Posts: t.posts - t.notices, Waited: t.waited}
}

// callsOf are the questions whose call runs in a worker now.
func (r *road) callsOf(worker string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, t := range r.running {
		if c := t.calls[len(t.calls)-1]; c.Worker == worker {
			ids = append(ids, t.id)
		}
	}
	return ids
}
