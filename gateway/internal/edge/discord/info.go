package discord

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"salamander.dev/gateway/internal/core/outbound"
)

// infoFresh is how long an answer of GET /gateway/bot is believed.
const infoFresh = time.Minute

// gatewayInfo is what GET /gateway/bot tells, with our own IDENTIFYs counted off.
type gatewayInfo struct {
	url            string
	shards         int
	maxConcurrency int
	startsLeft     int // IDENTIFYs left; negative: not told
	startsReset    time.Time
	asked          time.Time
}

type infoCache struct {
	turn chan struct{} // one asks at a time
	mu   sync.Mutex
	info gatewayInfo
}

// gateway returns the gateway's address and limits, asking Discord when the last answer is old.
func (c *Client) gateway(ctx context.Context) (gatewayInfo, error) {
	select {
	case c.info.turn <- struct{}{}:
	case <-ctx.Done():
		return gatewayInfo{}, context.Cause(ctx)
	}
	defer func() { <-c.info.turn }()
	info := c.lastGateway()
	if info.url != "" && time.Since(info.asked) < infoFresh {
		return info, nil
	}
	info, err := c.askGateway(ctx)
	if err != nil {
		return gatewayInfo{}, err
	}
	c.info.mu.Lock()
	defer c.info.mu.Unlock()
	c.info.info = info
	return info, nil
}

// lastGateway returns the last answer, however old; without an address if there was none.
func (c *Client) lastGateway() gatewayInfo {
	c.info.mu.Lock()
	defer c.info.mu.Unlock()
	return c.info.info
}

func (c *Client) askGateway(ctx context.Context) (gatewayInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.cfg.RequestTimeout)
	defer cancel()
	var said struct {
		URL    string `json:"url"`
		Shards int    `json:"shards"`
		Start  *struct {
			Total      int   `json:"total"`
			Remaining  int   `json:"remaining"`
			ResetAfter int64 `json:"reset_after"` // ms
			Max        int   `json:"max_concurrency"`
		} `json:"session_start_limit"`
	}
	err := c.do(ctx, call{route: routeGatewayBot, path: "gateway/bot"}, &said)
	// The address alone is told by another route, also by servers like Discord that lack this one.
	if e, ok := errors.AsType[*APIError](err); ok && e.Status != 0 && e.Class != outbound.ClassUnauthorized && e.Status != http.StatusTooManyRequests {
		err = c.do(ctx, call{route: routeGateway, path: "gateway"}, &said)
	}
	if e, ok := errors.AsType[*APIError](err); ok && e.Class == outbound.ClassUnauthorized {
		return gatewayInfo{}, &FatalError{Sentence: adviceToken + " (HTTP 401)"}
	}
	if err != nil {
		return gatewayInfo{}, err
	}
	if err := c.checkGatewayURL(said.URL); err != nil {
		return gatewayInfo{}, err
	}
	info := gatewayInfo{url: said.URL, shards: max(said.Shards, 1), maxConcurrency: 1, startsLeft: -1, asked: time.Now()}
	if said.Start != nil && said.Start.Total+said.Start.Remaining > 0 {
		info.maxConcurrency, info.startsLeft = max(said.Start.Max, 1), max(said.Start.Remaining, 0)
		info.startsReset = time.Now().Add(time.Duration(said.Start.ResetAfter) * time.Millisecond)
	}
	return info, nil
}

// checkGatewayURL refuses an address that would get the token in the clear although REST is encrypted.
func (c *Client) checkGatewayURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || (u.Scheme != "wss" && u.Scheme != "ws"):
		return &APIError{Route: routeGatewayBot.name, Class: outbound.ClassRetry, Detail: "no usable WebSocket address in the answer"}
	case u.Scheme == "ws" && c.base.Scheme == "https":
		return &APIError{Route: routeGatewayBot.name, Class: outbound.ClassRetry, Detail: "refused: an unencrypted WebSocket address from an encrypted API"}
	}
	return nil
}

// startLeft counts off one IDENTIFY, or returns how long to wait until there are some again.
func (c *Client) startLeft() time.Duration {
	c.info.mu.Lock()
	defer c.info.mu.Unlock()
	i := &c.info.info
	if i.startsLeft < 0 {
		return 0
	}
	if i.startsLeft == 0 {
		i.asked = time.Time{} // ask again after the wait
		return max(time.Until(i.startsReset), time.Second)
	}
	i.startsLeft--
	return 0
}
