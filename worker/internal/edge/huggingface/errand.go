package huggingface

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"salamander.dev/worker/internal/core/answer"
)

const (
	maxErrorBody  = 64 << 10        // bytes of an error's body that are read
	errorBodyTime = 5 * time.Second // for which an error's body is waited for: its status says enough
)

// errand is one request with one key.
type errand struct {
	client  *Client
	method  string
	url     string
	key     string // name
	body    []byte
	maxBody int64         // bytes of an answer
	prompt  answer.Prompt // whose texts no failure repeats; may be empty
}

// response is an answer that was read to its end.
type response struct {
	status int
	header http.Header
	body   []byte
}

// run makes exactly one request, and reads the answer within bounds. A status other than 2xx is a failure.
func (e errand) run(ctx context.Context) (response, *answer.CallError) {
	token, ok := e.client.keys[e.key]
	if !ok {
		return response{}, e.unsent("there is no key of this name")
	}
	ctx, cancel := context.WithTimeout(ctx, e.client.config.Timeout)
	defer cancel()
	if ctx.Err() != nil {
		return response{}, e.broken(ctx, false, ctx.Err())
	}
	// Not sent is what provably did not leave: a connection was looked for and none was had. A transport without
	// these hooks leaves it at sent.
	var looked, got atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { looked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { got.Store(true) },
	})
	req, err := http.NewRequestWithContext(traced, e.method, e.url, bytes.NewReader(e.body))
	if err != nil {
		return response{}, e.unsent("the request can't be made")
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "salamander")
	if e.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := e.client.transport.RoundTrip(req)
	if err != nil {
		return response{}, e.broken(ctx, got.Load() || !looked.Load(), err)
	}
	defer func() { _ = resp.Body.Close() }()
	r := response{status: resp.StatusCode, header: resp.Header}
	switch {
	case r.status < 200:
		// A 101: its body is the naked connection, which no deadline of ours would end.
		return r, e.refusal(r)
	case r.status > 299:
		// What the error's body says is a courtesy; the status decides even if the body breaks off.
		defer time.AfterFunc(errorBodyTime, cancel).Stop()
		r.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		return r, e.refusal(r)
	}
	r.body, err = io.ReadAll(io.LimitReader(resp.Body, e.maxBody+1))
	switch {
	case err != nil:
		fail := e.broken(ctx, true, err)
		fail.Status = r.status
		fail.RequestID, fail.Provider = e.ids(r)
		return r, fail
	case int64(len(r.body)) > e.maxBody:
		return r, e.failure(r, answer.Retry, fmt.Sprintf("the answer is larger than %d bytes", e.maxBody))
	}
	return r, nil
}

// ids are the provider's id of the request and who served it.
func (e errand) ids(r response) (request, provider string) {
	redact := e.client.redact
	return redact.id(r.header.Get("X-Request-Id")), redact.id(r.header.Get("X-Inference-Provider"))
}
