// Package memory is the step of the road where a question meets what was said before it: the last turns between one
// user and the bot in one channel or thread, bounded by turns, age and tokens.
//
// It holds the arithmetic only: what a stored conversation shows to the next question, and how a turn is added. Where
// it is stored is the edge's business; that the write loses against a $forget in between, too.
package memory

import (
	"slices"
	"time"

	"salamander.dev/shared/chat"
)

// Limits bound a conversation. The zero value remembers nothing.
type Limits struct {
	// Turns is how many questions with their answers are remembered; 0 is none.
	Turns int
	// TTL is how old a turn may be when it is read.
	TTL time.Duration
	// Tokens bounds the text of all remembered turns together, as [Tokens] counts.
	Tokens int
}

// Turn is one question with its answer.
type Turn struct {
	Question chat.QuestionID `json:"q"`
	// Mark orders the turn among commands: one that is not after a server's ForgetBefore is unknown.
	Mark chat.Snowflake `json:"m,string"`
	At   time.Time      `json:"at"`
	// Name is the asker's name at that time.
	Name string `json:"n,omitempty"`
	User string `json:"u"`
	Bot  string `json:"b"`
	// BotTokens is what the provider counted for Bot; 0 when it did not say.
	BotTokens int `json:"t,omitempty"`
	// Prompt is what the whole prompt of the question was counted as; only the newest turn has it, see [Document.Counted].
	Prompt Count `json:"p,omitzero"`
}

// Count is what somebody counted for a prompt, with everything that it showed. The zero value is unknown.
type Count struct {
	Tokens int `json:"n"`
	// By tells who counted, for the one who wrote it.
	By string `json:"by"`
}

// tokens is what the turn costs.
func (t Turn) tokens() int {
	bot := Tokens(t.Bot)
	if t.BotTokens > 0 { // which counts what was thought and not said, too
		bot = min(bot, t.BotTokens)
	}
	return Tokens(t.User) + bot
}

// Document is the stored conversation of one user in one channel. Its zero value is a conversation that never began.
type Document struct {
	// Last is the question of this user and channel that was answered last; the next answer is posted after its.
	Last chat.QuestionID `json:"last,omitempty"`
	// Newest is the highest mark of a question that was answered.
	Newest chat.Snowflake `json:"newest,string,omitempty"`
	// Turns are oldest first.
	Turns []Turn `json:"turns,omitempty"`
	// Cut says that older turns were dropped: the conversation's beginning is not in Turns.
	Cut bool `json:"cut,omitempty"`
	// Forgot is the newest $forget of the user here: a turn whose mark is not after it stays unknown, also when its
	// answer comes later.
	Forgot chat.Snowflake `json:"forgot,string,omitempty"`
}

// maxStoredBytes bounds a document on the bus, whatever the limits say.
const maxStoredBytes = 64 << 10

// Recall returns the turns that the next question may see, oldest first, and whether they reach back to the
// conversation's beginning (also when none is known: then it begins now). Turns that are older than the TTL, or
// whose mark is not after forgetBefore, are unknown.
func (d Document) Recall(l Limits, now time.Time, forgetBefore chat.Snowflake) (turns []Turn, whole bool) {
	before := max(d.Forgot, forgetBefore)
	known := slices.DeleteFunc(slices.Clone(d.Turns), func(t Turn) bool {
		return t.Mark <= before || now.Sub(t.At) > l.TTL
	})
	turns = newest(known, l)
	if len(turns) == 0 {
		return nil, true // a new conversation
	}
	return turns, !d.Cut && len(turns) == len(d.Turns)
}

// Append adds a turn and drops what the limits no longer hold. A turn of a question that is there already takes its
// place: a question that is handled twice is remembered once. A turn that was forgotten before it was stored is not
// added.
func (d Document) Append(t Turn, l Limits, now time.Time, forgetBefore chat.Snowflake) Document {
	turns, whole := d.Recall(l, now, forgetBefore)
	n := Document{Last: t.Question, Newest: max(d.Newest, t.Mark), Cut: !whole, Forgot: d.Forgot}
	all := slices.DeleteFunc(slices.Clone(turns), func(o Turn) bool { return o.Question == t.Question })
	for i := range all {
		all[i].Prompt = Count{} // only the newest is of use
	}
	if t.Mark > max(d.Forgot, forgetBefore) {
		all = append(all, t)
	}
	n.Turns = newest(all, l)
	n.Cut = n.Cut || len(n.Turns) < len(all)
	return n
}

// Counted gives the turn that was just appended the count of its prompt, which showed these turns, and the conversation's
// beginning if whole. The next prompt is that one and what came since, unless the document shows something that it did
// not: a turn that was stored meanwhile, those that were left out because all was too large, a beginning. Then the count
// bounds nothing and is not kept.
func (d Document) Counted(c Count, shown []Turn, whole bool) Document {
	newest := len(d.Turns) - 1
	if newest < 0 || d.Turns[newest].Question != d.Last || !d.Cut && !whole {
		return d
	}
	for _, t := range d.Turns[:newest] {
		if !slices.ContainsFunc(shown, func(s Turn) bool { return s.Question == t.Question }) {
			return d
		}
	}
	d.Turns = slices.Clone(d.Turns)
	d.Turns[newest].Prompt = c
	return d
}

// Ended notes that a question was answered by something that is no turn: a fallback, an apology, a refusal.
func (d Document) Ended(q chat.QuestionID, mark chat.Snowflake) Document {
	d.Last, d.Newest = q, max(d.Newest, mark)
	return d
}

// Knows says whether a question that was answered before is in the document already, as far as can be told: younger
// ones are handled only after it. To take it in again would move it behind them.
func (d Document) Knows(q chat.QuestionID, mark chat.Snowflake) bool {
	return d.Last == q || mark < d.Newest
}

// Forget returns the document without its turns, and how many there were. The command's snowflake stays, so that the
// turn of a question that runs right now is forgotten too.
func (d Document) Forget(command chat.Snowflake) (Document, int) {
	return Document{Last: d.Last, Newest: d.Newest, Forgot: max(d.Forgot, command)}, len(d.Turns)
}

// newest returns the last turns that fit the limits.
func newest(turns []Turn, l Limits) []Turn {
	tokens, size, from := 0, 0, len(turns)
	for from > 0 && len(turns)-from < l.Turns {
		t := turns[from-1]
		tokens, size = tokens+t.tokens(), size+len(t.User)+len(t.Bot)
		if tokens > l.Tokens || size > maxStoredBytes {
			break
		}
		from--
	}
	return turns[from:]
}

// Tokens estimates how many tokens a text has: one for every three bytes of ASCII, one for every other character.
// Models of today need about one for four letters of English, one for two of Cyrillic or Arabic, and one for a
// Chinese character; so it is rather too many than too few. It is no upper bound: what a call reserves is counted
// otherwise.
func Tokens(text string) int {
	ascii, other := 0, 0
	for _, r := range text {
		if r < 0x80 {
			ascii++
		} else {
			other++
		}
	}
	return (ascii+2)/3 + other
}
