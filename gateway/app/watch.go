package app

import (
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/chat"
)

// Outcome implements [inbound.Watcher].
func (a *App) Outcome(o inbound.Outcome, m inbound.Message) {
	a.meters.questions.WithLabelValues(string(o)).Inc()
	switch o {
	case inbound.Ignored, inbound.Taken: // the first is everybody's talk, the second has a line of its own
	default:
		about(a.log.Debug(), m.Guild, m.Channel, string(m.ID)).Str("outcome", string(o)).Msg("a message was not taken")
	}
}

// Takes implements [inbound.Watcher].
func (a *App) Takes(q chat.Question) { a.titles.Note(q.ID, q.Text) }

// Took implements [inbound.Watcher].
func (a *App) Took(q chat.Question, duplicate bool) {
	if duplicate {
		return
	}
	a.typist.Waiting(q.Guild, q.Channel, q.ID)
	e := about(a.log.Info(), q.Guild, q.Channel, string(q.ID)).Str("user", string(q.User)).Bool("late", q.Late)
	a.content.Always(e, "text", q.Text).Msg("question taken")
}

// Trouble implements [inbound.Watcher].
func (a *App) Trouble(m inbound.Message, err error) {
	if m.ID == "" {
		a.log.Warn().Err(err).Str("guild", string(m.Guild)).Str("channel", string(m.Channel)).Msg("missed messages could not be fetched")
		return
	}
	about(a.log.Warn(), m.Guild, m.Channel, string(m.ID)).Err(err).Msg("a question is held until NATS takes it")
}

// Ended implements [outbound.Watcher].
func (a *App) Ended(e outbound.End) {
	if !e.Queue || e.Outcome == outbound.Noticed { // what becomes of a question without its queue notice is still to be counted
		a.meters.replies.WithLabelValues(string(e.Outcome)).Inc()
	}
	q := e.Answer
	line := a.log.Info()
	switch {
	case e.Outcome == outbound.Failed:
		line = a.log.Error()
		line = a.content.Failure(a.content.Failure(line, "prompt", q.Prompt), "text", q.Text)
		if q.Receipt != nil {
			line = line.Str("key", q.Receipt.Key)
		}
		if q.Attempt > 0 {
			line = line.Int("attempt", q.Attempt)
		}
	case q.Kind == chat.Fallback || q.Kind == chat.Apology || q.Kind == chat.Refusal:
		line = a.content.Failure(line, "text", q.Text)
	default:
		line = a.content.Always(line, "text", q.Text)
	}
	line = about(line, q.Guild, q.Channel, string(q.Question)).Str("outcome", string(e.Outcome))
	if e.Reason != "" {
		line = line.Str("reason", e.Reason)
	}
	if e.Err != nil {
		line = line.Err(e.Err)
	}
	if e.Advice != "" {
		line = line.Str("advice", e.Advice)
	}
	if e.Queue {
		line.Msg("queue notice")
		return
	}
	if e.Outcome == outbound.Posted || e.Outcome == outbound.Noticed {
		took := time.Since(q.Asked)
		a.meters.seconds.Observe(max(took.Seconds(), 0))
		line = line.Int("parts", e.Parts).Dur("took_ms", took)
	}
	if e.Outcome == outbound.Failed {
		line.Msg("an answer could not be posted")
		return
	}
	line.Str("kind", string(q.Kind)).Msg("answer " + past(e.Outcome))
}

func past(o outbound.Outcome) string {
	if o == outbound.Dropped {
		return "dropped"
	}
	return "posted"
}

// Fallback implements [outbound.Watcher].
func (a *App) Fallback(q chat.Answer, way string, err error) {
	line := about(a.log.Warn(), q.Guild, q.Channel, string(q.Question)).Err(err).Str("way", way)
	if advice := outbound.AdviceOf(err); advice != "" {
		line = line.Str("advice", advice)
	}
	line.Msg("the answer is posted in another way than set up")
}

// Again implements [outbound.Watcher].
func (a *App) Again(q chat.Answer, attempt int, wait time.Duration, err error) {
	line := a.log.Debug()
	if attempt > 1 {
		line = a.log.Warn()
	}
	about(line, q.Guild, q.Channel, string(q.Question)).Err(err).Int("attempt", attempt).Dur("wait_ms", wait).Msg("an answer could not be posted yet; trying on")
}

var (
	_ inbound.Watcher  = (*App)(nil)
	_ outbound.Watcher = (*App)(nil)
)
