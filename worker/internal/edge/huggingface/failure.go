package huggingface

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"salamander.dev/worker/internal/core/answer"
)

const (
	maxCooling = 32 * 24 * time.Hour // of a 429: a little more than the longest window, a month
	maxLoading = 5 * time.Minute     // of a model that loads or a service that is away
)

// classOf is CONTRACT's table (section 6) for statuses other than 2xx.
func classOf(status int) answer.Class {
	switch status {
	case http.StatusTooManyRequests:
		return answer.RateLimited
	case http.StatusPaymentRequired:
		return answer.NoCredit
	case http.StatusUnauthorized, http.StatusForbidden:
		return answer.Refused
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly:
		return answer.Retry // told to try again, and nothing is wrong with the question
	}
	if status >= 500 {
		return answer.Retry
	}
	return answer.Fatal // other 4xx, and redirects: the address is wrong
}

// refusal is the failure that an answer of a status other than 2xx tells.
func (e errand) refusal(r response) *answer.CallError {
	class := classOf(r.status)
	told := readError(r.body)
	if r.status/100 == 3 {
		told.message = "redirects are not followed; check the base URL (" + http.StatusText(r.status) + ")"
	}
	fail := e.failure(r, class, told.message)
	fail.Quoted = fail.Quoted && r.status/100 != 3
	switch {
	case class == answer.RateLimited:
		fail.RetryAfter = min(told429(r.header, time.Now()), maxCooling)
	case r.status >= 500:
		fail.RetryAfter = min(max(told.estimated, retryAfter(r.header, time.Now())), maxLoading)
	}
	return fail
}

// unsent is a call that could not even be made.
func (e errand) unsent(message string) *answer.CallError {
	return &answer.CallError{Class: answer.Fatal, Key: e.key, Message: message}
}

// failure is a failed call to which an answer came.
func (e errand) failure(r response, class answer.Class, message string) *answer.CallError {
	fail := &answer.CallError{Class: class, Status: r.status, Sent: true, Key: e.key}
	said := e.client.redact.message(message, e.prompt)
	fail.Message, fail.Quoted = cmp.Or(said, http.StatusText(r.status), "no reason told"), said != ""
	fail.RequestID, fail.Provider = e.ids(r)
	return fail
}

// broken is a failed call to which no whole answer came. The error of net/http is never kept, only its cleaned
// text: what it wraps is not ours.
func (e errand) broken(ctx context.Context, sent bool, err error) *answer.CallError {
	fail := &answer.CallError{Class: answer.Retry, Sent: sent, Key: e.key}
	switch cause := ctx.Err(); {
	case errors.Is(cause, context.DeadlineExceeded):
		fail.Cause, fail.Message = cause, fmt.Sprintf("no whole answer in time (a call may take %s)", e.client.config.Timeout)
	case cause != nil:
		fail.Cause, fail.Message = cause, "the call was cancelled"
	default:
		fail.Message = e.client.redact.message(err.Error(), e.prompt)
	}
	return fail
}
