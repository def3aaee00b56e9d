package answer

import (
	"context"
	"errors"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/core/memory"
)

// ErrAnswered says that the question has an answer already.
var ErrAnswered = errors.New("the question is answered already")

// ErrTaken says that another process works on the same question right now.
var ErrTaken = errors.New("another process works on this question")

// Answers holds the one answer of every question. It is safe for concurrent use, as everything here.
type Answers interface {
	// Answered returns the stored answer; ok is false when there is none. One that was forgotten at its asker's wish has
	// ok true and no kind.
	Answered(ctx context.Context, q chat.Question) (a chat.Answer, ok bool, err error)
	// PublishAnswer stores the answer if there is none, else it returns [ErrAnswered]. After any other error it may have
	// been stored.
	PublishAnswer(ctx context.Context, a chat.Answer) error
}

// Attempts is what is on record of the calls for one question, over all processes that ever tried.
type Attempts struct {
	// Counted are calls that began and whose end is unknown or worth another try. A process that dies in a call leaves
	// it counted.
	Counted int `json:"counted"`
	// NotBefore is when the next call may be made.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Why, Key and Status tell how the latest of them ended; empty when that is unknown.
	Why    string `json:"why,omitempty"`
	Key    string `json:"key,omitempty"`
	Status int    `json:"status,omitempty"`
	// Revision is the record's, for the compare-and-set.
	Revision uint64 `json:"-"`
}

// Seen is what is on record of an open question.
type Seen struct {
	// Answer is the stored answer, if it is Answered.
	Answer   chat.Answer
	Answered bool
	// Change is the newest edit or deletion, if it was Changed.
	Change  chat.Change
	Changed bool
	// Memory is the conversation of the question's user and channel.
	Memory Memory
}

// Records holds what is stored of a question that is open.
type Records interface {
	// Look begins to read what is on record of a question and returns at once; seen waits for it, and is called once at
	// most. Whether it is answered is read only if asked for.
	Look(q chat.Question, answered bool) (seen func(ctx context.Context) (Seen, error))
	// Attempts reads the record of calls; the zero value when there is none.
	Attempts(ctx context.Context, q chat.Question) (Attempts, error)
	// KeepAttempts replaces the record if its revision is still a.Revision and returns the new one, else [ErrTaken].
	KeepAttempts(ctx context.Context, q chat.Question, a Attempts) (revision uint64, err error)
}

// Memory is a conversation as it was read.
type Memory struct {
	memory.Document
	// Revision is the document's, for the compare-and-set.
	Revision uint64
}

// Memories holds conversations.
type Memories interface {
	// Recall reads the conversation of the question's user and channel.
	Recall(ctx context.Context, q chat.Question) (Memory, error)
	// Remember replaces the conversation by what change makes of it, by compare-and-set: change is called with seen
	// first, and again with what was read anew when somebody else wrote in between.
	Remember(ctx context.Context, q chat.Question, seen Memory, change func(memory.Document) memory.Document) error
}

// Voice says what is no answer.
type Voice interface {
	// Typing tells that the question runs; it may get lost, and returns at once.
	Typing(q chat.Question)
	// Notify publishes a queue notice unless the channel has one that still holds at now; said tells which.
	Notify(ctx context.Context, n chat.Notice, now time.Time) (said bool, err error)
}

// Letters holds questions that failed for good.
type Letters interface {
	// Keep stores a letter; storing it again replaces it.
	Keep(ctx context.Context, l chat.DeadLetter) error
	// Forget removes the letters of a question; none is fine.
	Forget(ctx context.Context, q chat.QuestionID) error
}

// State is what moderators want. Reads are local.
type State interface {
	// Stopped says whether the bot is silent in a server.
	Stopped(g chat.GuildID) bool
	// DropBefore is the newest command that dropped what was asked before it.
	DropBefore(g chat.GuildID) chat.Snowflake
	// ForgetBefore is the newest command that made a server's conversations unknown.
	ForgetBefore(g chat.GuildID) chat.Snowflake
	// Muted says whether a user is muted in a server at a moment.
	Muted(g chat.GuildID, u chat.UserID, now time.Time) bool
}

// Journal is told what happens, for logs and metrics; it must not block.
type Journal interface {
	// Called is told of every call that ended.
	Called(r CallReport)
	// Ended is told of every question that ended here, once the answer is stored.
	Ended(r Report)
	// Buried is told of every dead letter, once it is stored.
	Buried(l chat.DeadLetter)
	// Deferred is told when a question is handed back, and why.
	Deferred(q chat.Question, why Wait, again time.Duration, err error)
}

// Wait says why a question was handed back. It is a closed set.
type Wait string

// Why a question is handed back.
const (
	WaitBudget Wait = "budget"  // no key has budget
	WaitShare  Wait = "share"   // others who were served less come first
	WaitRetry  Wait = "retry"   // a call failed and is tried again later
	WaitDrain  Wait = "drain"   // this process leaves
	WaitTaken  Wait = "taken"   // another process works on it
	WaitStore  Wait = "trouble" // the store can't be reached
)

// CallReport tells of one call to a model.
type CallReport struct {
	Question chat.Question
	Grant    budget.Grant
	// Attempt counts the calls for this question that are worth counting, this one included.
	Attempt int
	Took    time.Duration
	// Completion is valid if Err is nil.
	Completion Completion
	Err        *CallError
}

// Report tells how a question ended.
type Report struct {
	Answer   chat.Answer
	Question chat.Question
	// Calls made by this process for it, and the last one's failure, if that is why it ended as it did.
	Calls int
	Err   *CallError
	// Attempt counts the calls that were worth counting, over all processes.
	Attempt int
	// Model is the raw text of the model, when there was one.
	Model string
	Took  time.Duration
	// Again says that the answer was there already: it was found after a crash or a redelivery.
	Again bool
}

// Deps are the edges that a Service works with. All are required.
type Deps struct {
	Answers  Answers
	Records  Records
	Memories Memories
	Voice    Voice
	Letters  Letters
	State    State
	Budget   budget.Ledger
	Model    Model
	Journal  Journal
}
