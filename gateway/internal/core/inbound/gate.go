package inbound

import (
	"context"
	"errors"
	"sync"
	"time"

	"salamander.dev/shared/chat"
)

const (
	// gateFor is how long live messages of a channel wait behind its missed ones: order is worth a wait, but not any
	// wait, when Discord can't tell what was missed.
	gateFor = 30 * time.Second
	// maxGated bounds the live messages that wait behind one gate; what comes then is handled out of turn.
	maxGated = 500
	// fetchAgainMax bounds the wait between two tries to fetch what was missed.
	fetchAgainMax = 30 * time.Second
)

// gap is what a channel is to be caught up on: what was said after one snowflake and up to another.
type gap struct {
	guild       chat.GuildID
	after, upto chat.Snowflake
	began       chat.Snowflake // of the session: what was said before is late
	done        []func()       // called when all of it was handled
}

// gate is the catch-up of one channel, behind which its live messages wait.
type gate struct {
	passing sync.Mutex // whoever lets messages pass does so alone, which keeps their order

	// Guarded by the desk's mutex.
	guild   chat.GuildID
	late    *time.Timer // opens it
	running bool        // somebody fetches, and takes it away in the end
	next    *gap        // not begun yet
	waiting []func()
	open    bool // it took too long: live messages wait no more
}

// add joins a gap with the one that is not begun yet.
func (w *gate) add(s *gap) {
	if o := w.next; o != nil {
		s.after, s.upto, s.done = min(s.after, o.after), max(s.upto, o.upto), append(o.done, s.done...)
	}
	w.next = s
}

// gateLocked returns a channel's gate, a new one if there is none; d.mu is held.
func (d *Desk) gateLocked(g chat.GuildID, c chat.ChannelID) *gate {
	w := d.gates[c]
	if w == nil {
		w = &gate{guild: g}
		w.late = time.AfterFunc(gateFor, func() { d.open(c, w) })
		d.gates[c] = w
	}
	return w
}

// catchUp fetches a channel's messages between two snowflakes and handles them before live ones of that channel. done is
// called after that; not at all if the desk closes or ctx ends first. An earlier session's catch-up of the same channel
// that is under way goes on with this one. What was said before the session began is late.
func (d *Desk) catchUp(ctx context.Context, g chat.GuildID, c SeenChannel, began time.Time, after, upto chat.Snowflake, done func()) {
	s := &gap{guild: g, after: after, upto: upto, began: chat.SnowflakeAt(began), done: []func(){done}}
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.gateLocked(g, c.ID)
	w.add(s)
	d.followLocked(ctx, c.ID, w)
}

func (d *Desk) followLocked(ctx context.Context, c chat.ChannelID, w *gate) {
	if !w.running {
		w.running = true
		d.catching.Go(func() { d.follow(ctx, c, w) })
	}
}

// seen notes that it is known what was missed in a server, or in direct messages.
func (d *Desk) seen(ctx context.Context, s *session, g chat.GuildID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(s.unseen, g)
	for c, w := range d.gates {
		if w.guild == g {
			d.followLocked(ctx, c, w)
		}
	}
}

// follow fetches a channel's gaps until none is left, and then takes its gate away. When the desk closes or ctx ends
// first, what was not handled stays below the mark, and is caught up on by whoever comes next.
func (d *Desk) follow(ctx context.Context, c chat.ChannelID, w *gate) {
	for wait := time.Second; !d.finish(c, w); {
		select {
		case d.fetches <- struct{}{}:
		case <-ctx.Done():
			return
		case <-d.closing:
			return
		}
		s := d.begin(w)
		more, err := d.fetch(ctx, c, s)
		<-d.fetches // others have their turn
		if ctx.Err() != nil || d.closed() {
			return
		}
		if more {
			d.mu.Lock()
			w.add(s)
			d.mu.Unlock()
			continue
		}
		if p, ok := errors.AsType[Passing](err); ok && p.Passing() && s.upto >= d.oldest() {
			d.mu.Lock()
			w.add(s)
			d.mu.Unlock()
			if !d.pause(ctx, wait) {
				return
			}
			wait = min(2*wait, fetchAgainMax)
			continue
		}
		for _, done := range s.done {
			done()
		}
	}
}

// begin takes the gap that is next.
func (d *Desk) begin(w *gate) *gap {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := w.next
	w.next = nil
	return s
}

// fetch handles what was said within a gap, or as much as is fetched at a time; then there is more. After an error the gap is
// what is left of it, too.
func (d *Desk) fetch(ctx context.Context, c chat.ChannelID, s *gap) (more bool, err error) {
	fetching, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-d.closing:
			cancel()
		case <-fetching.Done():
		}
	}()
	missed, err := d.d.History.MessagesAfter(fetching, c, chat.MessageID(s.after.String()), maxFetched)
	for _, m := range missed {
		if d.closed() {
			return false, err
		}
		id := m.ID.Snowflake()
		if id > s.upto {
			return false, nil // said after the session began: it comes by itself, and so does what follows
		}
		m.Guild, m.CaughtUp = s.guild, id < s.began
		done := d.marks.begin(d.home(m.Guild), m)
		if d.command(ctx, m) {
			done(true)
		} else {
			d.admit(ctx, m, done) // past the gate: live ones wait for it
		}
		s.after = id
	}
	if err != nil && !d.closed() {
		d.d.Watcher.Trouble(Message{Guild: s.guild, Channel: c, CaughtUp: true}, err)
	}
	return err == nil && len(missed) >= maxFetched, err
}

// finish takes the gate away once nothing is left to fetch and what waited has passed.
func (d *Desk) finish(c chat.ChannelID, w *gate) bool {
	d.mu.Lock()
	more := w.next != nil
	d.mu.Unlock()
	if more {
		return false
	}
	w.passing.Lock()
	defer w.passing.Unlock()
	d.passAll(w)
	defer d.mu.Unlock()
	if w.next != nil { // it came meanwhile
		return false
	}
	w.late.Stop()
	delete(d.gates, c)
	return true
}

// open lets live messages pass although the missed ones are not there.
func (d *Desk) open(c chat.ChannelID, w *gate) {
	w.passing.Lock()
	defer w.passing.Unlock()
	d.passAll(w)
	defer d.mu.Unlock()
	w.open = true
	if !w.running && d.gates[c] == w {
		delete(d.gates, c)
	}
}

// passAll lets what waits pass, and returns when nothing waits any more, with the desk's mutex held.
func (d *Desk) passAll(w *gate) {
	for {
		d.mu.Lock()
		waiting := w.waiting
		w.waiting = nil
		if len(waiting) == 0 {
			return
		}
		d.mu.Unlock()
		for _, f := range waiting {
			f()
		}
	}
}

// gated lets a live message wait behind its channel's gate, if there is one. A direct message also waits until it is
// known what was missed there; a server's messages come after Discord told of the server.
func (d *Desk) gated(m Message, pass func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.gates[m.Channel]
	if s := d.shards[d.homes[m.Guild]]; w == nil && m.Guild == chat.DM && s != nil && s.unseen[chat.DM] {
		w = d.gateLocked(m.Guild, m.Channel)
	}
	if w == nil || w.open || len(w.waiting) >= maxGated {
		return false
	}
	w.waiting = append(w.waiting, pass)
	return true
}
