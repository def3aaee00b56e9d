package outbound

import (
	"errors"
	"time"
)

// Class says what a failed request to Discord means for the reply that it was part of.
type Class uint8

// The classes of failures. The zero value is for errors that Discord has nothing to do with, a cancelled context for one.
const (
	ClassNone Class = iota
	// ClassRetry is for what passes by itself: rate limits, 5xx, lost connections. The request may have had its effect.
	ClassRetry
	// ClassGone says that the channel, thread, server, message or interaction is no more.
	ClassGone
	// ClassHidden says that the bot can't see the channel: it is hidden from it, or in a server that it has left.
	ClassHidden
	// ClassForbidden says that the bot lacks a permission there; a person has to mend that.
	ClassForbidden
	// ClassArchived says that the thread is archived, and posting did not reopen it.
	ClassArchived
	// ClassLocked says that a moderator locked the thread.
	ClassLocked
	// ClassThreadExists says that the message has a thread already; its id is the message's.
	ClassThreadExists
	// ClassBadRequest says that Discord refused the request as such; the same again is refused again.
	ClassBadRequest
	// ClassUnauthorized says that the token is no longer good.
	ClassUnauthorized
)

// String returns the class as a word for logs and metric labels.
func (c Class) String() string {
	switch c {
	case ClassRetry:
		return "retry"
	case ClassGone:
		return "gone"
	case ClassHidden:
		return "hidden"
	case ClassForbidden:
		return "forbidden"
	case ClassArchived:
		return "archived"
	case ClassLocked:
		return "locked"
	case ClassThreadExists:
		return "thread_exists"
	case ClassBadRequest:
		return "bad_request"
	case ClassUnauthorized:
		return "unauthorized"
	default:
		return "none"
	}
}

// Failure is what the errors of the Discord edge tell the core.
type Failure interface {
	error
	// Kind is the failure's class.
	Kind() Class
	// Wait is the least time after which a try again makes sense; zero when Discord named none.
	Wait() time.Duration
	// Advice is one sentence for a person who can mend the cause; empty when nobody needs to.
	Advice() string
}

// ClassOf returns the class of an error, [ClassNone] when no [Failure] is in its chain.
func ClassOf(err error) Class {
	if f, ok := errors.AsType[Failure](err); ok {
		return f.Kind()
	}
	return ClassNone
}
