package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/chat"
)

// route is a kind of request. Its name is a metric label, so there are no others than these.
type route struct {
	name   string
	method string
	start  budget // of a bucket whose limit is not known yet
	exempt bool   // from the global limit (Discord, Rate Limits: interaction endpoints)
	direct bool   // no limit but what Discord says: a bucket for each interaction token would be used once
	single bool   // tried once: the caller has a loop of its own, and tells what it waits for
	once   bool   // a lost answer may have had an effect that a second try would double
}

// Five posts in five seconds and channel is what is seen live, and is not documented; headers overrule it.
var (
	routeGatewayBot  = &route{name: "get_gateway_bot", method: http.MethodGet, single: true}
	routeGateway     = &route{name: "get_gateway", method: http.MethodGet, single: true}
	routeMe          = &route{name: "get_me", method: http.MethodGet}
	routeApplication = &route{name: "get_application", method: http.MethodGet, single: true}
	routeChannel     = &route{name: "get_channel", method: http.MethodGet}
	routePost        = &route{name: "post_message", method: http.MethodPost, start: budget{5, 5 * time.Second}}
	routeMessages    = &route{name: "get_messages", method: http.MethodGet}
	routeThread      = &route{name: "start_thread", method: http.MethodPost}
	routeTyping      = &route{name: "typing", method: http.MethodPost}
	routeCommands    = &route{name: "get_commands", method: http.MethodGet}
	routePutCommands = &route{name: "put_commands", method: http.MethodPut}
	routeDefer       = &route{name: "defer_interaction", method: http.MethodPost, exempt: true, direct: true}
	routeEditSlash   = &route{name: "edit_interaction", method: http.MethodPatch, exempt: true, start: budget{5, 5 * time.Second}}
	routeFollowup    = &route{name: "followup_interaction", method: http.MethodPost, exempt: true, once: true, start: budget{5, 5 * time.Second}}
)

// defaultDeadline is that of a call whose context has none.
const defaultDeadline = time.Minute

// banPause is how long everything stops after a 429 that is not Discord's own (a ban by Cloudflare) and names no time.
const banPause = 10 * time.Minute

// call is one request: path is below /api/v9/, major is what Discord counts limits by beside the route.
type call struct {
	*route
	path    string
	major   string
	channel chat.ChannelID // whose refusals are remembered; may be empty
	body    any
	token   string // of an interaction, if the path holds one
}

// checkIDs refuses what is no snowflake before it becomes part of a path: ids of answers come over the bus.
func checkIDs(r *route, ids ...string) error {
	for _, text := range ids {
		if parseID(text) == 0 {
			return &APIError{Route: r.name, Class: outbound.ClassBadRequest, Unsent: true, Detail: fmt.Sprintf("%q is no Discord id", clip(text, 40))}
		}
	}
	return nil
}

// do makes a request until it has an answer that trying again would not better, within ctx. out, if not nil, gets the
// answer's JSON. Errors are *APIError.
func (c *Client) do(ctx context.Context, k call, out any) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultDeadline)
		defer cancel()
	}
	var body []byte
	if k.body != nil {
		var err error
		if body, err = json.Marshal(k.body); err != nil {
			return &APIError{Route: k.name, Class: outbound.ClassBadRequest, Detail: "encode: " + err.Error(), Unsent: true}
		}
	}
	var last *APIError
	for attempt := 0; ; attempt++ {
		got, err := c.attempt(ctx, k, body)
		if err == nil {
			return decode(k.name, got, out)
		}
		if last != nil && (err.held || (err.Status == 0 && ctx.Err() != nil)) { // cut short: tells less than the failure before
			last.After = max(last.After, err.After)
			return last
		}
		last = err
		if err.Class != outbound.ClassRetry || k.single || (k.once && !err.Unsent && err.Status != http.StatusTooManyRequests) || ctx.Err() != nil {
			return err
		}
		wait := err.After
		if err.Status != http.StatusTooManyRequests || wait == 0 {
			wait = max(wait, c.backoff(attempt))
		}
		if beyond(ctx, wait) || !pause(ctx, wait, nil) {
			return err
		}
	}
}

func (c *Client) backoff(attempt int) time.Duration {
	d := min(c.cfg.retryMin<<min(attempt, 10), c.cfg.retryMax)
	return d/2 + rand.N(d/2+1)
}

func decode(name string, got answer, out any) error {
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(got.body, out); err != nil {
		return &APIError{Route: name, Status: got.status, Class: outbound.ClassRetry, Detail: "unreadable answer: " + clip(err.Error(), 200)}
	}
	return nil
}

// attempt makes the request once: guard, bucket, global limit, Discord.
func (c *Client) attempt(ctx context.Context, k call, body []byte) (answer, *APIError) {
	if err := c.allowed(k); err != nil {
		return answer{}, err
	}
	b, err := c.admit(ctx, k)
	if err != nil {
		return answer{}, err
	}
	return c.send(ctx, k, body, b)
}

// allowed refuses what would get the bot banned. What a channel refused a moment ago is asked again all the same, since a
// permission may be back and an answer is worth the try; until so much was refused that nothing may be tried in vain.
func (c *Client) allowed(k call) *APIError {
	n := c.guard.count(time.Now())
	if k.channel != "" && n >= invalidSoft {
		if err := c.guard.refused(k.name, k.channel); err != nil {
			return err
		}
	}
	if n >= invalidHard {
		return &APIError{Route: k.name, Class: outbound.ClassRetry, After: time.Minute, Unsent: true,
			Detail: fmt.Sprintf("held back: %d requests were refused within 10 minutes, and Discord bans at 10,000", n)}
	}
	return nil
}

// admit waits for the bucket first and the global limit then, so that a busy channel delays no other.
func (c *Client) admit(ctx context.Context, k call) (*bucket, *APIError) {
	var b *bucket
	if !k.direct {
		b = c.limits.bucket(k.route, k.major)
		if err := b.take(ctx, k.name); err != nil {
			return nil, err
		}
	}
	if !k.exempt {
		if err := c.global.take(ctx, k.name); err != nil {
			if b != nil {
				b.answered(0, nil, 0)
			}
			return nil, err
		}
	}
	return b, nil
}

// send makes the admitted request and learns from the answer.
func (c *Client) send(ctx context.Context, k call, body []byte, b *bucket) (answer, *APIError) {
	got, err := c.raw(ctx, k.method, k.path, body)
	if !k.exempt {
		c.global.answered()
	}
	if err != nil {
		c.metrics.request(k.name, "error")
		if b != nil {
			b.answered(0, nil, 0)
		}
		e := &APIError{Route: k.name, Class: outbound.ClassRetry, Detail: plain(err), cause: context.Cause(ctx)}
		if e.cause == nil {
			e.cause = withoutURL(err)
		}
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			e.Unsent = true
		}
		if errors.Is(err, errElsewhere) {
			e.Class = outbound.ClassBadRequest
		}
		return got, e
	}
	c.metrics.request(k.name, strconv.Itoa(got.status))
	var e *APIError
	if got.status < 200 || got.status > 299 {
		e = readError(k.name, got.status, got.header, c.redacted(got.body, k.token))
	}
	var wait time.Duration
	if e != nil {
		wait = e.After
	}
	if b != nil {
		b.answered(got.status, bucketHeaders(got), wait)
		c.limits.learn(k.route, k.major, b, got.header)
	}
	if e == nil && k.channel != "" {
		c.guard.allow(k.name, k.channel)
	}
	if e == nil && k.route == routePost {
		_, limits := readLimit(got.header)
		c.global.told(limits)
	}
	if e != nil {
		c.refused(k, got, e)
	}
	return got, e
}

// bucketHeaders are the answer's headers as far as they are about its bucket: those of a global 429 are not.
func bucketHeaders(got answer) http.Header {
	if got.status == http.StatusTooManyRequests && isGlobal(got) {
		return nil
	}
	return got.header
}

func isGlobal(got answer) bool {
	var said struct {
		Global bool `json:"global"`
	}
	return strings.EqualFold(got.header.Get("X-RateLimit-Global"), "true") || got.header.Get("X-RateLimit-Scope") == "global" ||
		(json.Unmarshal(got.body, &said) == nil && said.Global)
}

// refused draws the consequences of a refusal beyond the request itself.
func (c *Client) refused(k call, got answer, e *APIError) {
	switch got.status {
	case http.StatusTooManyRequests:
		c.onRateLimited(k, got, e)
	case http.StatusUnauthorized, http.StatusForbidden:
		c.noteInvalid(k.name)
		if k.channel != "" && (e.Code == codeMissingAccess || e.Code == codeMissingPermissions) {
			c.guard.refuse(k.name, k.channel, e)
		}
	}
}

func (c *Client) onRateLimited(k call, got answer, e *APIError) {
	scope := got.header.Get("X-RateLimit-Scope")
	if scope != "shared" {
		c.noteInvalid(k.name)
	}
	switch {
	case !json.Valid(got.body) || len(got.body) == 0:
		// Discord's own answers are JSON; this is its shield, which bans addresses (Rate Limits, "Invalid Request Limit").
		e.After = max(e.After, orDefault(retryAfter(got.header, 0), banPause))
		c.global.pauseFor(e.After)
		c.log.Error().Str("route", k.name).Dur("pause", e.After).
			Msg("Discord's shield blocks this address (429 without Discord's own body): all requests pause; if it repeats, look for another program that uses the same address or token")
	case isGlobal(got):
		e.After = orDefault(e.After, time.Second)
		c.global.pauseFor(e.After)
		c.log.Warn().Str("route", k.name).Dur("pause", e.After).Msg("Discord's global rate limit was hit; all requests pause")
	default:
		c.log.Debug().Str("route", k.name).Str("scope", scope).Dur("wait", e.After).Msg("rate limited by Discord")
	}
}

func (c *Client) noteInvalid(name string) {
	n := c.guard.note(time.Now())
	if n == invalidSoft || n == invalidHard {
		c.log.Error().Str("route", name).Int("refused", n).
			Msg("many requests were refused within 10 minutes; Discord bans an address at 10,000: look at the status labels of salamander_discord_requests_total")
	}
}
