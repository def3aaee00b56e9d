package hfsim

import (
	"net/http"
	"strings"
)

// State is what Hugging Face thinks of a key, apart from its limits.
type State string

// The states of a key.
const (
	Active       State = ""             // served
	Unauthorized State = "unauthorized" // 401: no such token
	Forbidden    State = "forbidden"    // 403: a token without the right to call inference
	Depleted     State = "depleted"     // 402: the account's money is gone
)

// Key is one token that exists.
type Key struct {
	Name   string  `json:"name"`             // in the books
	Token  string  `json:"token,omitempty"`  // what clients send; never given out again
	Limits []Limit `json:"limits,omitempty"` // empty: the server's; for none at all use one that is never reached
	State  State   `json:"state,omitempty"`
}

// unknownKey is the name in the books of whoever came without a valid token.
const unknownKey = "(unknown)"

// Bodies that Hugging Face was seen to send.
const (
	body401 = "Invalid username or password."
	body402 = `{"error":"You have depleted your monthly included credits. Purchase pre-paid credits to continue using Inference Providers. Alternatively, subscribe to PRO to get 20x more included credits."}`
	body403 = `{"error":"This authentication method does not have sufficient permissions to call Inference Providers on behalf of user salamander"}`
	body429 = `{"error":{"message":"Too many requests. Please slow down.","type":"rate_limit_exceeded","code":"rate_limit_exceeded"}}`
)

// SetKey adds a key or changes the one of that name; an empty Token keeps the token, empty Limits keep the limits.
// What was counted for a limit that stays is kept.
func (s *Server) SetKey(k Key) {
	s.once.Do(s.setup)
	s.books.setKey(k)
}

// SetState changes what Hugging Face thinks of a key. A key that was never seen may be named too.
func (s *Server) SetState(name string, state State) {
	s.once.Do(s.setup)
	s.books.setState(name, state)
}

// bearer is the token of a request.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
