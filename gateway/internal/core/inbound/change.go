package inbound

import (
	"context"
	"time"

	"salamander.dev/shared/chat"
)

// edited tells the workers of a question's new text. An edit makes no question of what was none, and one that leaves
// nothing, or a command, takes the question back, until the next edit.
func (d *Desk) edited(ctx context.Context, m Message) {
	t, known := d.known.find(m.ID)
	if m.Author == "" && known { // the update did not name the author
		m.Author, m.AuthorIsUser = t.lane.user, true
	}
	if !m.AuthorIsUser {
		return
	}
	if t.deleted || !known && (!d.young(m.ID) || !d.cfg.Audience.Includes(m)) {
		return
	}
	text := ""
	if !d.d.Commands.Is(m) {
		text = d.text(m)
	}
	if known && d.known.edited(m.ID, text) {
		return
	}
	if text == "" {
		d.withdraw(ctx, m.Channel, m.ID, t, known)
		return
	}
	if t.pending != nil {
		t.pending.amend(text)
	}
	key := laneKey{m.Channel, m.Author}
	if known {
		key = t.lane
	}
	d.change(ctx, key, chat.Change{Question: chat.QuestionID(m.ID), Text: text})
}

// deleted takes questions back.
func (d *Desk) deleted(ctx context.Context, e Deleted) {
	for _, id := range e.Messages {
		if t, known := d.known.deleted(id); known || d.young(id) {
			d.withdraw(ctx, e.Channel, id, t, known)
		}
	}
}

func (d *Desk) withdraw(ctx context.Context, channel chat.ChannelID, id chat.MessageID, t trace, known bool) {
	if t.pending != nil && t.pending.withdraw() {
		return // never sent: nobody needs to know
	}
	key := laneKey{channel: channel}
	if known {
		key = t.lane
	}
	d.change(ctx, key, chat.Change{Question: chat.QuestionID(id), Deleted: true})
}

// young says whether a question of that age may still be open.
func (d *Desk) young(id chat.MessageID) bool {
	return time.Since(id.Snowflake().Time()) < d.cfg.EditWithin
}

// change is told behind the question itself, in the same lane. It is worth no notice: while the queue is away and the
// desk full, it is dropped.
func (d *Desk) change(ctx context.Context, key laneKey, c chat.Change) {
	job := func() {
		for wait := 50 * time.Millisecond; ; wait = min(2*wait, d.cfg.RetryMax) {
			if d.d.Queue.Change(ctx, c) == nil || ctx.Err() != nil {
				return
			}
			if !pause(ctx, wait) || d.d.Link.Await(ctx) != nil {
				return
			}
		}
	}
	if !d.lanes.Try(key, job) && d.d.Link.Up() {
		_ = d.lanes.Go(ctx, key, job)
	}
}
