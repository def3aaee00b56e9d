package app

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/lane"
	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/chat"
)

// Bounds of words that are said beside answers.
const (
	maxWords   = 5000 // a crowd that is told all at once
	wordWithin = 20 * time.Second
)

// words says short words to authors of messages, without making anybody wait.
type words struct {
	poster *outbound.Poster
	log    zerolog.Logger
	lanes  *lane.Group[chat.ChannelID]
	ctx    context.Context // ends when nothing more is said
	stop   context.CancelFunc
}

func newWords(p *outbound.Poster, log zerolog.Logger) *words {
	w := &words{poster: p, log: log, lanes: lane.New[chat.ChannelID](maxWords)}
	w.ctx, w.stop = context.WithCancel(context.Background())
	return w
}

// Say implements [inbound.Voice].
func (w *words) Say(m inbound.Message, word inbound.Word, text string, until time.Time) {
	ok := w.lanes.Try(m.Channel, func() {
		if w.ctx.Err() != nil || (!until.IsZero() && time.Now().After(until)) {
			about(w.log.Debug(), m.Guild, m.Channel, string(m.ID)).Msg("a notice came too late to be true")
			return
		}
		ctx, cancel := context.WithTimeout(w.ctx, wordWithin)
		defer cancel()
		unwanted, err := w.poster.Say(ctx, m.Guild, m.Mark(), outbound.Post{
			Channel: m.Channel, Text: text, ReplyTo: m.ID, Nonce: outbound.Nonce(string(m.ID), string(word)), Ping: m.Author,
		})
		if unwanted != "" {
			about(w.log.Debug(), m.Guild, m.Channel, string(m.ID)).Str("reason", unwanted).Msg("a notice is not wanted any more")
			return
		}
		if err != nil {
			e := w.log.Warn().Err(err)
			if f := outbound.AdviceOf(err); f != "" {
				e = e.Str("advice", f)
			}
			about(e, m.Guild, m.Channel, string(m.ID)).Msg("a notice could not be posted")
		}
	})
	if !ok {
		about(w.log.Warn(), m.Guild, m.Channel, string(m.ID)).Msg("a notice was dropped: too many wait")
	}
}

// close says what waits, until ctx ends.
func (w *words) close(ctx context.Context) {
	defer context.AfterFunc(ctx, w.stop)()
	w.lanes.Close()
	w.lanes.Wait()
	w.stop()
}

// about adds what every line about a question carries.
func about(e *zerolog.Event, g chat.GuildID, c chat.ChannelID, question string) *zerolog.Event {
	return e.Str("question", question).Str("guild", string(g)).Str("channel", string(c))
}

var _ inbound.Voice = (*words)(nil)
