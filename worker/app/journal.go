package app

import (
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/logging"
	"salamander.dev/worker/internal/core/answer"
)

// journal writes what core tells to the log and counts it. Text of users and models stands only where LOG_CONTENT
// allows, and tokens nowhere: errors of calls hold none.
type journal struct {
	log     zerolog.Logger
	content logging.Content
	metrics *metrics
}

var _ answer.Journal = (*journal)(nil)

// about begins every line about a question.
func about(e *zerolog.Event, q chat.Question) *zerolog.Event {
	return e.Str("question", string(q.ID)).Str("guild", string(q.Guild)).Str("channel", string(q.Channel))
}

// Called implements answer.Journal.
func (j *journal) Called(r answer.CallReport) {
	j.metrics.called(r)
	if r.Err == nil {
		about(j.log.Debug(), r.Question).Str("key", r.Grant.Key).Dur("took_ms", r.Took).Int("attempt", r.Attempt).
			Int("prompt_tokens", r.Completion.PromptTokens).Int("completion_tokens", r.Completion.CompletionTokens).
			Str("request_id", r.Completion.RequestID).Str("provider", r.Completion.Provider).Msg("the model answered")
		return
	}
	about(j.log.Warn(), r.Question).Str("key", r.Grant.Key).Dur("took_ms", r.Took).Int("attempt", r.Attempt).
		Str("class", string(r.Err.Class)).Int("status", r.Err.Status).Str("request_id", r.Err.RequestID).
		Str("provider", r.Err.Provider).Err(j.told(r.Err, false)).Msg("a model call failed")
}

// told is a failed call as the policy lets it stand in a line: what a provider says may repeat what people wrote.
func (j *journal) told(e *answer.CallError, failed bool) error {
	if j.content == logging.Always || (failed && j.content == logging.Failures) {
		return e
	}
	return e.Plain()
}

// Ended implements answer.Journal.
func (j *journal) Ended(r answer.Report) {
	a := r.Answer
	failed := a.Kind == chat.Fallback || a.Kind == chat.Apology
	e := j.log.Info()
	if failed {
		e = j.log.Warn()
	}
	about(e, r.Question).Str("user", string(r.Question.User)).Str("kind", string(a.Kind)).Dur("took_ms", r.Took).Int("calls", r.Calls)
	if a.Reason != "" {
		e.Str("reason", a.Reason)
	}
	if a.Receipt != nil {
		e.Str("key", a.Receipt.Key)
	}
	if r.Err != nil {
		e.Str("key", r.Err.Key).Int("status", r.Err.Status).Str("request_id", r.Err.RequestID).Err(j.told(r.Err, failed))
	}
	text := j.content.Always
	if failed {
		text = j.content.Failure
	}
	text(e, "text", r.Question.Text)
	if r.Model != "" {
		text(e, "model_text", r.Model)
	}
	if failed {
		text(e.Int("attempt", r.Attempt), "response", a.Text)
	}
	if r.Again {
		e.Msg("answered already")
		return
	}
	j.metrics.ended.WithLabelValues(string(a.Kind)).Inc()
	e.Msg(sentences[a.Kind])
}

// sentences say how a question ended.
var sentences = map[chat.Kind]string{
	chat.Reply: "answered", chat.Fallback: "the model failed; said the fallback", chat.Apology: "not answered in time; apologised",
	chat.Refusal: "can't be answered; said so", chat.Dropped: "dropped",
}

// Buried implements answer.Journal.
func (j *journal) Buried(l chat.DeadLetter) {
	j.metrics.buried.WithLabelValues(l.Reason).Inc()
	e := about(j.log.Error(), l.Question).Str("reason", l.Reason).Int("attempts", l.Attempts).Str("key", l.Key)
	j.content.Failure(e, "cause", l.Cause)
	if l.Raw != "" {
		j.content.Failure(e, "raw", l.Raw)
	}
	j.content.Failure(e, "text", l.Question.Text).
		Msg("dead letter: look at the cause, then 'worker deadletters replay' or 'purge'")
}

// Deferred implements answer.Journal.
func (j *journal) Deferred(q chat.Question, why answer.Wait, again time.Duration, err error) {
	e := j.log.Debug()
	if err != nil {
		e = j.log.Warn().Err(err)
	}
	about(e, q).Str("why", string(why)).Dur("again_ms", again).Msg("handed back")
}

// status is a call's label: the HTTP status, or none when no answer came.
func status(r answer.CallReport) string {
	code := r.Completion.Status
	if r.Err != nil {
		code = r.Err.Status
	}
	if code < 100 || code > 599 {
		return "none"
	}
	return strconv.Itoa(code)
}
