package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/bwmarrin/discordgo"
)

// maxAnswerBytes bounds what is read of an answer: a hundred messages with everything on them are far below.
const maxAnswerBytes = 16 << 20

var errElsewhere = errors.New("refused: the request does not go to Discord's API")

// answer is what a request got back. discordgo drops headers, and the body of whatever it can't read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

type answerKey struct{}

// transport carries discordgo's requests to the configured Discord and nowhere else, and keeps the whole answer for
// the caller that put an *answer into the request's context.
type transport struct {
	base *url.URL
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	path, ok := strings.CutPrefix(req.URL.String(), discordgo.EndpointAPI)
	if !ok {
		return nil, errElsewhere
	}
	target, err := url.Parse(t.base.String() + "/api/v" + discordgo.APIVersion + "/" + path)
	if err != nil || target.Host != t.base.Host {
		return nil, errElsewhere
	}
	out := req.Clone(req.Context())
	out.URL, out.Host = target, target.Host
	resp, err := t.next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	resp.Body.Close()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(body) > maxAnswerBytes:
		return nil, fmt.Errorf("read the answer: over %d bytes", maxAnswerBytes)
	}
	if a, ok := req.Context().Value(answerKey{}).(*answer); ok {
		*a = answer{resp.StatusCode, resp.Header, body}
	}
	// discordgo fails on rate-limit headers that it can't read; it gets none.
	resp.Header = http.Header{"Content-Type": resp.Header["Content-Type"]}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// noRedirect keeps the token from following a redirect to another host.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// addressBook answers the one request that discordgo makes while it opens a session, GET /gateway, from what is known
// already: no network under the session's lock, and a session can be sent to its resume_gateway_url, which discordgo
// 0.29.0 ignores.
type addressBook func() string

// RoundTrip implements http.RoundTripper.
func (b addressBook) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.String() != discordgo.EndpointGateway {
		return nil, errElsewhere
	}
	body, err := json.Marshal(map[string]string{"url": b()})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// raw makes one request through discordgo's bypass, past its rate limiter and its retries, and returns the whole
// answer. The error is about the way to Discord; any status is an answer.
func (c *Client) raw(ctx context.Context, method, path string, body []byte) (answer, error) {
	var got answer
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, answerKey{}, &got), c.cfg.RequestTimeout)
	defer cancel()
	bucket := discordgo.NewRatelimiter().LockBucket("") // a new one never waits
	_, err := c.rest.RequestWithLockedBucket(method, discordgo.EndpointAPI+path, "application/json", body, bucket, 0,
		discordgo.WithContext(ctx), discordgo.WithRetryOnRatelimit(false), discordgo.WithRestRetries(0))
	if got.status != 0 { // discordgo's error for it holds the request with the token: it ends here
		return got, nil
	}
	if err == nil {
		err = errors.New("no answer")
	}
	return got, err
}
