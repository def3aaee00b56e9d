package answer

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Role says on whose side of the conversation a turn stands.
type Role string

// The two roles of a turn. The persona's instructions are not a turn: they are Prompt.System.
const (
	RoleUser      Role = "user"      // what a person wrote
	RoleAssistant Role = "assistant" // what the persona said
)

// Turn is one utterance of a conversation.
type Turn struct {
	Role Role
	Name string // the speaker's display name; may be empty, then the model's edge picks a neutral one
	Text string // as sanitized; may hold line breaks
}

// Prompt is everything that a model needs to see to answer one question.
type Prompt struct {
	Persona string // the persona's name, e.g. "Salamander"
	System  string // the persona's instructions; may be empty
	Turns   []Turn // oldest first; the last one is the question
}

// Call is one request to a model with one key.
type Call struct {
	// Key is the NAME of the key to use, as in HF_API_KEYS. The token itself never enters core: the edge looks it up.
	Key    string
	Prompt Prompt
	// MaxTokens is the most that the model may write, in its own tokens. It was reserved together with the prompt.
	MaxTokens int
}

// Completion is a model's answer to one call.
type Completion struct {
	Text             string // never empty, valid UTF-8, not yet cleaned of <think> and of the persona's name
	PromptTokens     int    // as the provider counted; 0 unless UsageKnown
	CompletionTokens int    // as the provider counted; 0 unless UsageKnown
	UsageKnown       bool   // false: the provider did not say (credibly), settle at the reservation
	Status           int    // HTTP status
	RequestID        string // the provider's id of this request, for its support; may be empty
	Provider         string // who computed the answer, behind a router; may be empty
	Cut              bool   // the answer ended because MaxTokens was reached
}

// Model answers calls. One Complete is at most one request to the other side: nothing underneath retries.
//
// Every error is a *CallError (find it with errors.As), also when ctx ended; then errors.Is(err, ctx.Err()) holds too.
// Model is safe for concurrent use.
type Model interface {
	Complete(ctx context.Context, call Call) (Completion, error)
}

// Class says what a failed call means for the question and for the key. It is a closed set and fit for a metric label.
type Class string

// The classes. CONTRACT's table of section 6 says what each leads to.
const (
	// RateLimited: 429. The key cools; the question goes on with the next key.
	RateLimited Class = "rate_limited"
	// NoCredit: 402. The key rests until the month turns; the question goes on with the next key.
	NoCredit Class = "no_credit"
	// Refused: 401 or 403. The key is refused until someone acts; the question goes on with the next key.
	Refused Class = "refused"
	// Retry: nobody's fault that lasts: 5xx, 408, 409, 425, a timeout, a lost connection, a broken, oversized or
	// empty body, an error inside a 200. Tried again, within bounds.
	Retry Class = "retry"
	// Fatal: this call can never succeed (400, 404, 413, 422, other 4xx, a redirect, an unknown key name). No retry,
	// no harm to the key.
	Fatal Class = "fatal"
)

// CallError is a failed call. Its text holds no key and no request; where texts of people may not be logged, neither may what is
// Quoted. It is for operators.
type CallError struct {
	Class  Class
	Status int // HTTP status; 0 when no answer came
	// RetryAfter is how long the other side asks to be left alone, from now on; 0 when it did not say.
	// Already bounded: at most 32 days of a 429 (the longest window is a month), 5 minutes of a loading model.
	RetryAfter time.Duration
	// Sent is false only when the request provably never left this machine (no connection was made): then, and only
	// then, the whole reservation may be given back.
	Sent      bool
	Message   string // what the other side said, or what went wrong; one line, at most 300 runes, no secrets
	Quoted    bool   // Message is the other side's words, which may repeat what people wrote
	Key       string // the name of the key that was used
	RequestID string // the provider's id of this request; may be empty
	Provider  string // who served it, behind a router; may be empty
	Cause     error  // context.Canceled, context.DeadlineExceeded or nil: never an error that holds a request
}

// Error implements error.
func (e *CallError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "model call with key %q: %s", e.Key, e.Class)
	if e.Status != 0 {
		fmt.Fprintf(&b, ", status %d", e.Status)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	return b.String()
}

// Plain is the error without the other side's words.
func (e *CallError) Plain() error {
	if !e.Quoted {
		return e
	}
	p := *e
	p.Message, p.Quoted = "", false
	return &p
}

// Unwrap makes errors.Is(err, context.Canceled) and errors.Is(err, context.DeadlineExceeded) work.
func (e *CallError) Unwrap() error { return e.Cause }

// Unbilled reports whether the provider answered with an error status. Such a request counts as a request, but only
// answers below 400 are billed (Hugging Face, register-as-a-provider), so its tokens may be settled at zero.
func (e *CallError) Unbilled() bool { return e.Status >= 400 }

// NextKey reports whether the same question should go on with another key at once: the trouble is the key's.
func (e *CallError) NextKey() bool {
	switch e.Class {
	case RateLimited, NoCredit, Refused:
		return true
	}
	return false
}
