// Package outbound is the last decision on the road: an answer becomes posts, once, in order, in the right place.
// [Poster] posts answers and notices, [Typist] shows that one is on its way, [Split] cuts what is too long.
//
// It promises that no part is posted twice, whatever is delivered again; that answers of one user in one channel are
// posted in the order of their questions; that no channel waits for another; and that nothing of a stopped server is
// posted once [Poster.Halt] has returned. It decides nothing about what is answered.
package outbound

import (
	"context"
	"errors"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
)

// Delivery is one answer or one queue notice in hand: exactly one of Answer and Notice is set.
type Delivery struct {
	Answer *chat.Answer
	Notice *chat.Notice
	// Stored is when it was published.
	Stored time.Time
	// Fresh says that nobody was handed it before, as far as NATS knows.
	Fresh bool
	// Settle ends the delivery or hands it back. It is called once.
	Settle func(retry.Verdict)
}

// Post is one message to post.
type Post struct {
	Channel chat.ChannelID
	Text    string
	// ReplyTo is the message that the post references; empty: none.
	ReplyTo chat.MessageID
	// Nonce is the same at every try of the same part, and at most 25 characters.
	Nonce string
	// Ping is the only user whom the post may ping.
	Ping chat.UserID
}

// Own is a message that the bot posted earlier.
type Own struct {
	ID      chat.MessageID
	Text    string
	ReplyTo chat.MessageID
}

// Discord posts. Errors are [Failure] values. Safe for concurrent use.
type Discord interface {
	// Post posts a message and returns its id; with a nonce that was used minutes ago, that of the earlier message.
	Post(ctx context.Context, p Post) (chat.MessageID, error)
	// OpenThread opens a thread on a message, or returns the one that is there.
	OpenThread(ctx context.Context, c chat.ChannelID, m chat.MessageID, name string) (chat.ChannelID, error)
	// OwnAfter lists the bot's own messages behind a message, oldest first.
	OwnAfter(ctx context.Context, c chat.ChannelID, after chat.MessageID) ([]Own, error)
}

// Record is what is known for good of a question's posts.
type Record struct {
	// Parts are the posted messages, in order.
	Parts []chat.MessageID `json:"parts,omitempty"`
	// Thread is where the parts stand, if that is a thread opened for them.
	Thread chat.ChannelID `json:"thread,omitempty"`
	// Done says that nothing more will be posted: all is there, or it was given up.
	Done bool `json:"done"`
	// Revision is what the records call what was read or stored; 0: nothing is there.
	Revision uint64 `json:"-"`
}

// ErrOvertaken says that another gateway stored a record in between.
var ErrOvertaken = errors.New("another gateway stored a record in between")

// Records keep what was posted, over restarts and for all gateways. Safe for concurrent use.
type Records interface {
	// Posted reads a record; the zero Record when there is none.
	Posted(ctx context.Context, q chat.QuestionID) (Record, error)
	// SetPosted stores a record over that of its revision, else [ErrOvertaken], and returns the new revision. After any other
	// error it may be stored.
	SetPosted(ctx context.Context, q chat.QuestionID, r Record) (revision uint64, err error)
	// Close stores that a question ends without a post; first is false when something is on record already.
	Close(ctx context.Context, q chat.QuestionID) (first bool, err error)
	// Answered says whether the answer to an earlier question of the same user and channel as a's is among the answers.
	Answered(ctx context.Context, a chat.Answer, earlier chat.QuestionID) (bool, error)
}

// State is what moderators want. Reads are local. Safe for concurrent use.
type State interface {
	Stopped(g chat.GuildID) bool
	Muted(g chat.GuildID, u chat.UserID, now time.Time) bool
	DropBefore(g chat.GuildID) chat.Snowflake
}

// Outcome is what became of an answer or notice: a label of salamander_replies_total.
type Outcome string

// The outcomes.
const (
	Posted  Outcome = "posted"
	Noticed Outcome = "notice"
	Dropped Outcome = "dropped"
	Failed  Outcome = "failed"
)

// End tells how one answer or notice ended.
type End struct {
	// Answer is what ended; for a queue notice it has the notice's ids and text.
	Answer  chat.Answer
	Outcome Outcome
	// Reason is a word of a closed set for what was not posted.
	Reason string
	// Err and Advice tell why it failed, or was refused, and what a person can do.
	Err    error
	Advice string
	Parts  int
	// Queue says that it was a queue notice.
	Queue bool
}

// Watcher hears what becomes of answers. It must not block. Safe for concurrent use.
type Watcher interface {
	// Ended is told once for everything that ended here.
	Ended(e End)
	// Fallback is told when an answer goes on in another way than the settings say, and why.
	Fallback(a chat.Answer, way string, err error)
	// Again is told when a try failed in a way that passes.
	Again(a chat.Answer, attempt int, wait time.Duration, err error)
}

// Style is REPLY_STYLE.
type Style string

// The styles.
const (
	StyleReply  Style = "reply"
	StyleThread Style = "thread"
)

// AdviceOf is what a person can do about a failure of Discord's; empty for others.
func AdviceOf(err error) string {
	if f, ok := errors.AsType[Failure](err); ok {
		return f.Advice()
	}
	return ""
}
