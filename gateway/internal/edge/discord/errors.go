package discord

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/outbound"
)

// APIError is a request to Discord that failed. It holds neither the request nor the token. Status is 0 when no answer
// came or the request was never sent; Code is Discord's JSON error code, 0 when it gave none.
type APIError struct {
	Route  string
	Status int
	Code   int
	Class  outbound.Class
	Detail string        // Discord's words, or the network's; bounded
	After  time.Duration // least wait of ClassRetry, 0 when unknown
	// Unsent says that Discord can't have seen the request: a refused dial, or a limit of our own.
	Unsent bool
	held   bool // by a limit of our own, beyond the deadline
	cause  error
}

// Unwrap returns the context's error where one ended the wait, or the network's, else nil.
func (e *APIError) Unwrap() error { return e.cause }

// Error implements error.
func (e *APIError) Error() string {
	switch {
	case e.Status == 0:
		return fmt.Sprintf("discord %s: %s", e.Route, e.Detail)
	case e.Code == 0:
		return fmt.Sprintf("discord %s: HTTP %d: %s", e.Route, e.Status, e.Detail)
	default:
		return fmt.Sprintf("discord %s: HTTP %d, code %d: %s", e.Route, e.Status, e.Code, e.Detail)
	}
}

// Kind implements [outbound.Failure].
func (e *APIError) Kind() outbound.Class { return e.Class }

// Wait implements [outbound.Failure].
func (e *APIError) Wait() time.Duration { return e.After }

// Passing implements [inbound.Passing].
func (e *APIError) Passing() bool { return e.Class == outbound.ClassRetry }

// Advice implements [outbound.Failure].
func (e *APIError) Advice() string {
	switch {
	case e.Class == outbound.ClassUnauthorized:
		return adviceToken
	case e.Code == codeMissingAccess:
		return "The bot can't see this channel: give its role View Channel there, or invite it again with the link that `gateway invite` prints."
	case e.Code == codeMissingPermissions:
		return "The bot lacks a permission in this channel: give its role View Channel, Send Messages, Read Message History and Send Messages in Threads (for threads also Create Public Threads); `gateway invite` prints a link with exactly these."
	case e.Code == codeReplyNeedsHistory:
		return "The bot can't reply here: give its role Read Message History in this channel."
	case e.Code == codeCannotDM:
		return "The user does not accept direct messages from the bot; only the user can change that."
	case e.Class == outbound.ClassForbidden:
		return "Discord forbids the bot this: check its role and the channel's permission overwrites against the link that `gateway invite` prints."
	default:
		return ""
	}
}

var (
	_ outbound.Failure = (*APIError)(nil)
	_ inbound.Passing  = (*APIError)(nil)
)

// Discord's JSON error codes that make a difference (Discord, Opcodes and Status Codes, "JSON").
const (
	codeUnknownChannel      = 10003
	codeUnknownGuild        = 10004
	codeUnknownMessage      = 10008
	codeUnknownWebhook      = 10015
	codeUnknownInteraction  = 10062
	codeSlowmode            = 20016
	codeChannelWriteLimit   = 20028
	codeInteractionAcked    = 40060
	codeMissingAccess       = 50001
	codeCannotDM            = 50007
	codeMissingPermissions  = 50013
	codeInvalidToken        = 50014
	codeInvalidWebhookToken = 50027
	codeInvalidForm         = 50035
	codeThreadArchived      = 50083
	codeReplyNeedsHistory   = 160002
	codeThreadExists        = 160004
	codeThreadLocked        = 160005
)

func classify(status, code int) outbound.Class {
	switch code {
	case codeUnknownChannel, codeUnknownGuild, codeUnknownMessage, codeUnknownWebhook, codeUnknownInteraction, codeInvalidWebhookToken:
		return outbound.ClassGone
	case codeSlowmode, codeChannelWriteLimit:
		return outbound.ClassRetry
	case codeMissingAccess:
		return outbound.ClassHidden
	case codeMissingPermissions, codeReplyNeedsHistory, codeCannotDM:
		return outbound.ClassForbidden
	case codeThreadArchived:
		return outbound.ClassArchived
	case codeThreadLocked:
		return outbound.ClassLocked
	case codeThreadExists:
		return outbound.ClassThreadExists
	case codeInvalidToken:
		return outbound.ClassUnauthorized
	}
	switch {
	case status == http.StatusUnauthorized:
		return outbound.ClassUnauthorized
	case status == http.StatusForbidden:
		return outbound.ClassForbidden
	case status == http.StatusNotFound, status == http.StatusGone:
		return outbound.ClassGone
	case status == http.StatusNotImplemented: // the same again is answered the same
		return outbound.ClassBadRequest
	case status == http.StatusTooManyRequests, status >= 500, status == http.StatusRequestTimeout:
		return outbound.ClassRetry
	default:
		return outbound.ClassBadRequest
	}
}

// maxDetailBytes bounds what an error keeps of an answer: enough for Discord's validation errors.
const maxDetailBytes = 600

// readError makes an APIError of an answer. The body may be anything: Discord's JSON, a proxy's HTML, nothing.
func readError(route string, status int, header http.Header, body []byte) *APIError {
	var said struct {
		Code       int             `json:"code"`
		Message    string          `json:"message"`
		Errors     json.RawMessage `json:"errors"`
		RetryAfter float64         `json:"retry_after"`
	}
	e := &APIError{Route: route, Status: status}
	discords := json.Unmarshal(body, &said) == nil && (said.Code != 0 || said.Message != "")
	if discords {
		e.Code, e.Detail = said.Code, clip(said.Message+" "+string(said.Errors), maxDetailBytes)
	} else {
		e.Detail = clip(http.StatusText(status)+" (an answer that is no JSON of Discord's)", maxDetailBytes)
	}
	e.Class = classify(status, e.Code)
	if status == http.StatusNotFound && !discords { // a proxy's page, on the way to what is there
		e.Class = outbound.ClassRetry
	}
	if e.Class == outbound.ClassRetry {
		e.After = retryAfter(header, said.RetryAfter)
	}
	return e
}

// redacted takes the bot's token, and that of an interaction, out of an answer: proxies were seen to repeat what they refuse.
func (c *Client) redacted(body []byte, interaction string) []byte {
	for _, token := range []string{c.cfg.Token.Reveal(), interaction} {
		if token != "" {
			body = bytes.ReplaceAll(body, []byte(token), []byte("[redacted]"))
		}
	}
	return body
}

// clip cuts a text to at most maxBytes, never inside a rune, and drops what would break a log line.
func clip(s string, maxBytes int) string {
	out := make([]rune, 0, min(len(s), maxBytes))
	n := 0
	for _, r := range s {
		if r < ' ' {
			r = ' '
		}
		size := len(string(r))
		if n+size > maxBytes {
			break
		}
		n += size
		out = append(out, r)
	}
	for len(out) > 0 && out[len(out)-1] == ' ' {
		out = out[:len(out)-1]
	}
	return string(out)
}
