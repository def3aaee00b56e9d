// Package huggingface asks a model at Hugging Face (or at anything that speaks its shapes) one question: the step of
// the road between the reservation of budget and the answer.
//
// It promises that one Complete is at most one HTTP request with one key: no retries, no redirects, no streaming; that
// whatever comes back is bounded in bytes and time; and that every failure is an *answer.CallError of a closed set of
// classes whose text holds neither key nor request. It does not choose keys, keep budgets, wait or count: core does.
package huggingface

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"salamander.dev/shared/secret"
	"salamander.dev/worker/internal/core/answer"
)

// Task is which of the two kinds of endpoint is asked.
type Task string

// The tasks, as in HF_TASK.
const (
	Chat           Task = "chat"            // POST <base>/chat/completions
	TextGeneration Task = "text-generation" // POST <base>/models/<model>, or <base> itself
)

// Config is what can be tuned. Whether a base URL may be plain http is the settings' matter and checked there.
type Config struct {
	BaseURL     string        // default https://router.huggingface.co/v1
	Model       string        // model id, also model:provider; required for Chat
	Task        Task          // default Chat
	Temperature float64       // 0 is allowed; text-generation then leaves it out, as servers refuse a 0
	Timeout     time.Duration // of one call, connecting and reading included; default 60s
	MaxBody     int64         // bytes of an answer that are read; default 1 MiB
}

// Client calls one model with any of the keys that it was given. It is safe for concurrent use.
type Client struct {
	config    Config
	keys      map[string]secret.String
	redact    *redactor
	transport http.RoundTripper
	url       string // where questions go
	models    string // where prices are
}

var _ answer.Model = (*Client)(nil)

// New takes keys by name (at least one) and the transport to use; nil: one made by NewTransport.
func New(keys map[string]secret.String, transport http.RoundTripper, config Config) (*Client, error) {
	config.BaseURL = cmp.Or(config.BaseURL, "https://router.huggingface.co/v1")
	config.Task = cmp.Or(config.Task, Chat)
	config.Timeout = cmp.Or(config.Timeout, 60*time.Second)
	config.MaxBody = cmp.Or(config.MaxBody, 1<<20)
	base, err := url.Parse(config.BaseURL)
	switch {
	case err != nil:
		return nil, errors.New("hugging face: the base URL can't be read") // the parser's error would repeat it
	case base.Scheme != "https" && base.Scheme != "http" || base.Host == "":
		return nil, errors.New("hugging face: the base URL must begin with https:// or http:// and name a host")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("hugging face: the base URL must be without user, query and fragment")
	case config.Task != Chat && config.Task != TextGeneration:
		return nil, fmt.Errorf("hugging face: unknown task %q", config.Task)
	case config.Task == Chat && config.Model == "":
		return nil, errors.New("hugging face: the chat task needs a model")
	case config.Timeout < 0 || config.MaxBody < 0 || config.Temperature < 0:
		return nil, errors.New("hugging face: timeout, body bound and temperature must not be negative")
	case len(keys) == 0:
		return nil, errors.New("hugging face: no keys")
	}
	for name, key := range keys {
		if !headerSafe(key.Reveal()) {
			return nil, fmt.Errorf("hugging face: key %q is empty or holds characters that no token has", name)
		}
	}
	if transport == nil {
		transport = NewTransport()
	}
	c := &Client{
		config: config,
		keys:   maps.Clone(keys),
		redact: newRedactor(keys),
		// Not an http.Client: a round trip is one request by definition. Redirects are never followed; they would be a
		// second request, and net/http takes the token along to the same host and its subdomains.
		transport: transport,
		models:    base.JoinPath("models").String(),
	}
	switch {
	case config.Task == Chat:
		c.url = base.JoinPath("chat", "completions").String()
	case config.Model == "":
		c.url = base.String()
	default:
		c.url = modelURL(base, config.Model)
	}
	return c, nil
}

// modelURL escapes every part of a model's id, so that an odd id can't lead to another path.
func modelURL(base *url.URL, model string) string {
	parts := []string{"models"}
	for part := range strings.SplitSeq(model, "/") {
		if part != "" && part != "." && part != ".." {
			parts = append(parts, url.PathEscape(part))
		}
	}
	return base.JoinPath(parts...).String()
}

// headerSafe reports whether a token can stand in a header.
func headerSafe(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}

// NewTransport makes connections as calls need them. HTTP/1.1 only: net/http then sends a POST a second time in no
// case but that nothing of it was written, while its HTTP/2 repeats requests on some errors of the peer. Idle
// connections are dropped after 4s, before servers do (5s is the default of uvicorn and Node): a request that meets
// a closing connection is lost, but charged.
func NewTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        4 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              protocols,
	}
}

// Close closes idle connections. Calls in flight end by their contexts.
func (c *Client) Close() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Complete implements answer.Model.
func (c *Client) Complete(ctx context.Context, call answer.Call) (answer.Completion, error) {
	if call.MaxTokens < 1 || len(call.Prompt.Turns) == 0 {
		return answer.Completion{}, &answer.CallError{Class: answer.Fatal, Key: call.Key, Message: "no tokens to write or no question"}
	}
	t := c.task(call)
	body, err := t.body()
	if err != nil {
		return answer.Completion{}, &answer.CallError{Class: answer.Fatal, Key: call.Key, Message: "the prompt can't be written as JSON"}
	}
	e := errand{c, http.MethodPost, c.url, call.Key, body, c.config.MaxBody, call.Prompt}
	r, fail := e.run(ctx)
	if fail != nil {
		return answer.Completion{}, fail
	}
	done, problem := t.read(r)
	if problem == "" && strings.TrimSpace(done.Text) == "" {
		problem = "the answer is empty"
	}
	if problem != "" {
		return answer.Completion{}, e.failure(r, answer.Retry, problem)
	}
	done.Text = c.redact.text(done.Text)
	done.Status = r.status
	done.RequestID, done.Provider = e.ids(r)
	return done, nil
}

// task is one kind of call: how it is written and how its answer is read.
type task interface {
	body() ([]byte, error)
	// read takes an answer of status 2xx; problem says why it is none.
	read(r response) (done answer.Completion, problem string)
}

func (c *Client) task(call answer.Call) task {
	if c.config.Task == TextGeneration {
		return newTextGeneration(c.config, call)
	}
	return chat{config: c.config, call: call}
}
