package inbound

import (
	"context"
	"errors"
	"time"

	"salamander.dev/shared/chat"
)

// ErrFull is what a [Queue] returns when a bound refuses a question.
var ErrFull = errors.New("the queue of questions is full")

// Queue takes questions. Safe for concurrent use.
type Queue interface {
	// Publish stores a question; nil means that it is taken. duplicate says that it was taken before. ErrFull means that
	// a bound refuses it; after any other error the same question may be published again.
	Publish(ctx context.Context, q chat.Question) (duplicate bool, err error)
	// Answered says whether a question has its answer already; Ended, whether it has or was refused.
	Answered(ctx context.Context, q chat.Question) (bool, error)
	Ended(ctx context.Context, q chat.Question) (bool, error)
	// Refuse notes for good that there is no room for a question, so that no catch-up takes it, and that it ends with the
	// same notice if another gateway does.
	Refuse(ctx context.Context, q chat.QuestionID) error
	// Change tells that a question was edited or deleted.
	Change(ctx context.Context, c chat.Change) error
}

// Link is the connection to the queue.
type Link interface {
	// Up says whether the queue can be reached right now.
	Up() bool
	// Await returns when the queue can be reached, or with ctx's error.
	Await(ctx context.Context) error
}

// Counter counts questions over all gateways. Safe for concurrent use.
type Counter interface {
	// Count notes a message under a key, once however often it is told, unless limit others are there already. It
	// returns whether the message is among those counted.
	Count(ctx context.Context, key string, m chat.MessageID, limit int) (bool, error)
}

// Claims let one of several gateways do what all of them see. Safe for concurrent use.
type Claims interface {
	// Claim is create-only: true for the first who claims a name, until ttl has passed.
	Claim(ctx context.Context, name string, ttl time.Duration) (bool, error)
}

// State is what moderators want. Reads are local. Safe for concurrent use.
type State interface {
	Stopped(g chat.GuildID) bool
	Muted(g chat.GuildID, u chat.UserID, now time.Time) bool
	// DropBefore is the newest command that dropped what was asked before it.
	DropBefore(g chat.GuildID) chat.Snowflake
}

// Commands reads commands before anything else does.
type Commands interface {
	// Take says whether a message is a command, and if so has it carried out under ctx without blocking. ignored says
	// that nothing at all happens ($ignore).
	Take(ctx context.Context, m Message) (command, ignored bool)
	// Is says whether a text would be a command.
	Is(m Message) bool
}

// Voice says a word to the author of a message. It does not block for long and reports its own failures.
type Voice interface {
	// Say says a word, but not after until, when it is no longer true; zero: it stays true.
	Say(m Message, word Word, text string, until time.Time)
}

// Word tells the words that a message may get apart, for nonces.
type Word string

// The words.
const (
	// TooMany says that the user has asked enough in this window.
	TooMany Word = "r"
	// NoRoom says that the question could not be taken.
	NoRoom Word = chat.WordFull
)

// Outcome is what became of a message: a label of salamander_questions_total.
type Outcome string

// The outcomes.
const (
	Taken       Outcome = "taken"
	Ignored     Outcome = "ignored"
	Empty       Outcome = "empty"
	Muted       Outcome = "muted"
	Stopped     Outcome = "stopped"
	RateLimited Outcome = "rate_limited"
)

// Watcher hears what became of messages. It must not block. Safe for concurrent use.
type Watcher interface {
	// Outcome is told once for every message that this gateway judged.
	Outcome(o Outcome, m Message)
	// Takes is told of a question just before it is published, maybe at several tries: its answer may come before the
	// publish has returned.
	Takes(q chat.Question)
	// Took is told once for every question that this gateway published; duplicate says that another one was first.
	Took(q chat.Question, duplicate bool)
	// Trouble tells that a question waits because of an error.
	Trouble(m Message, err error)
}
