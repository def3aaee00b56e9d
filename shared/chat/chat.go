// Package chat is the vocabulary of the road: what the gateway asks and what the worker answers, as values and as JSON.
//
// It promises that the JSON of a version is stable (golden files pin it) and that a value that decodes is complete:
// Decode functions refuse what lacks an id. It knows no transport; shared/bus carries these values.
package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxQuestionRunes is the longest question that a model is asked, in runes; a longer one ends with a notice.
const MaxQuestionRunes = 4000

// Question is one taken question.
type Question struct {
	ID      QuestionID `json:"id"`
	Guild   GuildID    `json:"guild"`
	Channel ChannelID  `json:"channel"`
	User    UserID     `json:"user"`
	// UserName is the name to show to the model; never empty.
	UserName string `json:"user_name"`
	// Message is the Discord message that asks and that the answer references.
	Message MessageID `json:"message"`
	// Text is what is left after sanitizing; never blank.
	Text string `json:"text"`
	// InThread says that Channel is a thread (or a direct message), in which no thread can be opened.
	InThread bool `json:"in_thread,omitempty"`
	// Late says that the question was found after a downtime.
	Late bool `json:"late,omitempty"`
	// Mark orders the question among commands: it is the message's snowflake, for a replay that of the replay.
	Mark Snowflake `json:"mark,string"`
	// Previous is the question of the same user and channel that was taken before this one, if the gateway knows it. It
	// is a hint: what rests on it must hold when another one was taken in between.
	Previous QuestionID `json:"previous,omitempty"`
	// Asked is when the clock for ANSWER_WITHIN began: when the gateway saw the question, or the replay's moment.
	Asked time.Time `json:"asked"`
}

// Kind says how a question ended, or that it did not end yet.
type Kind string

// The kinds of answers. Every taken question gets exactly one of Reply, Fallback, Apology, Refusal and Dropped.
const (
	// Reply is the model's answer.
	Reply Kind = "reply"
	// Fallback is what the persona says when the model failed.
	Fallback Kind = "fallback"
	// Apology ends a question that could not be answered in time.
	Apology Kind = "apology"
	// Refusal ends a question that can never be answered (too long, larger than every limit).
	Refusal Kind = "refusal"
	// Dropped ends a question without a word.
	Dropped Kind = "dropped"
)

// Ends says whether k is a kind that ends a question.
func (k Kind) Ends() bool {
	switch k {
	case Reply, Fallback, Apology, Refusal, Dropped:
		return true
	}
	return false
}

// Answer ends one question.
type Answer struct {
	Question QuestionID `json:"question"`
	Guild    GuildID    `json:"guild"`
	Channel  ChannelID  `json:"channel"`
	User     UserID     `json:"user"`
	Message  MessageID  `json:"message"`
	Kind     Kind       `json:"kind"`
	// Text is what to post; empty only for Dropped.
	Text     string `json:"text,omitempty"`
	InThread bool   `json:"in_thread,omitempty"`
	Late     bool   `json:"late,omitempty"`
	// Mark is the question's.
	Mark Snowflake `json:"mark,string"`
	// After is the question of the same user and channel that was answered before this one; it is posted first.
	After QuestionID `json:"after,omitempty"`
	// Reason says why a question was dropped, refused or fell back: a word of a closed set, for logs and counters.
	Reason string    `json:"reason,omitempty"`
	Asked  time.Time `json:"asked"`
	// Answered is when the worker ended the question.
	Answered time.Time `json:"answered"`
	// Prompt is the question's text, for the log line of an answer that can't be posted; empty for Dropped. Attempt counts the
	// calls that were made for it.
	Prompt  string `json:"prompt,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	// Receipt is what the call cost, so that whoever finds the answer after a crash can settle it.
	Receipt *Receipt `json:"receipt,omitempty"`
}

// Receipt tells which reservation paid for an answer and what the model reported.
type Receipt struct {
	Key   string `json:"key"`
	Lease string `json:"lease"`
	// Prompt and Completion are tokens as the model's usage says; Known is false when it said nothing.
	Prompt     int  `json:"prompt"`
	Completion int  `json:"completion"`
	Known      bool `json:"known"`
}

// Notice is a queue notice: a word to a channel that its questions wait. It ends no question.
type Notice struct {
	Question QuestionID `json:"question"`
	Guild    GuildID    `json:"guild"`
	Channel  ChannelID  `json:"channel"`
	User     UserID     `json:"user"`
	Message  MessageID  `json:"message"`
	// Until is the time that the notice names.
	Until time.Time `json:"until"`
	Text  string    `json:"text"`
}

// Change says that a taken question was edited or deleted before it was answered.
type Change struct {
	Question QuestionID `json:"question"`
	Deleted  bool       `json:"deleted,omitempty"`
	// Text is the new sanitized text of an edit.
	Text string `json:"text,omitempty"`
	// Refused says that a gateway found no room for the question. If it stands in the queue all the same, since another
	// gateway was luckier, it ends with the notice of which its author was told.
	Refused bool `json:"refused,omitempty"`
}

// How a question ends for which the queue has no room: [ReasonFull] and [TextFull] of an answer, and WordFull for the
// nonce of its post, whoever makes it.
const (
	ReasonFull = "queue_full"
	TextFull   = "I can't take that question: too many are waiting already. Please ask again in a few minutes."
	WordFull   = "f"
)

// DeadLetter is a question that failed for good, with its cause.
type DeadLetter struct {
	Question Question `json:"question"`
	// Raw is what lay on the bus when it could not be read as a question.
	Raw      string    `json:"raw,omitempty"`
	Stage    string    `json:"stage"`
	Reason   string    `json:"reason"`
	Cause    string    `json:"cause"`
	Attempts int       `json:"attempts"`
	Key      string    `json:"key,omitempty"`
	At       time.Time `json:"at"`
}

// Typing says that a question runs right now; it is lossy by design.
type Typing struct {
	Question QuestionID `json:"question"`
	Guild    GuildID    `json:"guild"`
	Channel  ChannelID  `json:"channel"`
}

// ErrIncomplete says that JSON was read but lacks what every value of its kind has.
var ErrIncomplete = errors.New("incomplete")

// DecodeQuestion reads a question and checks that it is complete.
func DecodeQuestion(b []byte) (Question, error) {
	var q Question
	if err := json.Unmarshal(b, &q); err != nil {
		return Question{}, fmt.Errorf("decode question: %w", err)
	}
	if !complete(string(q.ID), string(q.Guild), string(q.Channel), string(q.User), string(q.Message)) || q.Mark == 0 {
		return Question{}, fmt.Errorf("decode question: %w: an id is missing or no subject token", ErrIncomplete)
	}
	if strings.TrimSpace(q.Text) == "" || q.Asked.IsZero() {
		return Question{}, fmt.Errorf("decode question: %w: no text or no time", ErrIncomplete)
	}
	return q, nil
}

// DecodeAnswer reads an answer and checks that it is complete.
func DecodeAnswer(b []byte) (Answer, error) {
	var a Answer
	if err := json.Unmarshal(b, &a); err != nil {
		return Answer{}, fmt.Errorf("decode answer: %w", err)
	}
	if !complete(string(a.Question), string(a.Guild), string(a.Channel), string(a.User), string(a.Message)) || !a.Kind.Ends() {
		return Answer{}, fmt.Errorf("decode answer: %w: an id or the kind is missing", ErrIncomplete)
	}
	if a.Kind != Dropped && strings.TrimSpace(a.Text) == "" {
		return Answer{}, fmt.Errorf("decode answer: %w: no text", ErrIncomplete)
	}
	return a, nil
}

// complete says whether every id can stand as a token of a subject.
func complete(ids ...string) bool {
	for _, id := range ids {
		if id == "" || len(id) > 40 || strings.ContainsAny(id, ".*> \t\r\n") {
			return false
		}
	}
	return true
}

// AnswerTo begins the answer that ends q: all of it but the text, the reason and the receipt.
func AnswerTo(q Question, kind Kind, at time.Time) Answer {
	a := Answer{
		Question: q.ID, Guild: q.Guild, Channel: q.Channel, User: q.User, Message: q.Message, Kind: kind,
		InThread: q.InThread, Late: q.Late, Mark: q.Mark, Asked: q.Asked, Answered: at,
	}
	if kind != Dropped {
		a.Prompt = q.Text
	}
	return a
}
