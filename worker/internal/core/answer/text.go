package answer

import (
	"fmt"
	"time"

	"salamander.dev/shared/chat"
)

// What people read when there is no answer. Operators read the error beside it in the log.
const (
	textLate     = "I'm sorry, my fire burned too low to get to this one in time. Please ask me again in a little while."
	textNoBudget = "I'm sorry, my firewood is used up and won't be back in time for this one. Please ask me again later."
	textNoKeys   = "I'm sorry, I can't light my fire right now, and somebody has to look after it first. Please ask me again later."
	textTooBig   = "That one is more than my little fire can carry; could you ask it in fewer words?"
)

var textTooLong = fmt.Sprintf("That is longer than the %d characters that I can take in at once; could you make it shorter?", chat.MaxQuestionRunes)

// noticeText says that questions wait; Discord shows the time in the reader's own zone, and counts it down.
func noticeText(until time.Time) string {
	return fmt.Sprintf("My firewood is used up for the moment. I haven't forgotten you: I'll answer <t:%d:R>.", until.Unix())
}

// Why a question ended as it did. A closed set, for logs and counters.
const (
	// Dropped.
	ReasonStopped = "stopped" // the bot is silent in this server
	ReasonOlder   = "older"   // a command dropped what was asked before it
	ReasonMuted   = "muted"
	ReasonDeleted = "deleted"
	ReasonEmptied = "emptied" // edited until nothing was left
	// Refused.
	ReasonTooLong = "too_long"
	ReasonTooBig  = "too_big"
	// Apologies.
	ReasonLate     = "late"
	ReasonNoBudget = "no_budget"
	ReasonNoKeys   = "no_keys"
	// Fallbacks, and of dead letters.
	ReasonFailed    = "model_failed"  // every try failed
	ReasonRejected  = "model_refused" // the model's side will never take it
	ReasonUnknown   = "died_trying"   // every try ended with the process
	ReasonMalformed = "malformed"     // not a question at all
)

// Reasons are all reasons of dead letters, for metrics.
var Reasons = []string{ReasonFailed, ReasonRejected, ReasonUnknown, ReasonMalformed}

// Kinds are all kinds of endings, for metrics.
var Kinds = []chat.Kind{chat.Reply, chat.Fallback, chat.Apology, chat.Refusal, chat.Dropped}
