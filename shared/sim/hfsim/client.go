package hfsim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Client steers a simulator that runs in another process, over its admin API.
type Client struct {
	base string
	http *http.Client
}

// NewClient takes what Server.AdminURL or Server.URL returned, and the http.Client to use (nil: a default one whose
// idle connections Close closes).
func NewClient(url string, h *http.Client) *Client {
	if h == nil {
		h = &http.Client{Transport: &http.Transport{}}
	}
	return &Client{base: strings.TrimSuffix(strings.TrimSuffix(url, "/"), "/v1"), http: h}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Books sums up all calls so far.
func (c *Client) Books(ctx context.Context) (b Books, err error) {
	return b, c.do(ctx, http.MethodGet, "books", nil, &b)
}

// ResetBooks forgets all calls and uses.
func (c *Client) ResetBooks(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "books", nil, nil)
}

// Calls returns the remembered calls whose number is greater than after.
func (c *Client) Calls(ctx context.Context, after int64) (calls []Call, err error) {
	return calls, c.do(ctx, http.MethodGet, fmt.Sprintf("calls?after=%d", after), nil, &calls)
}

// SetKeys adds or changes keys.
func (c *Client) SetKeys(ctx context.Context, keys ...Key) error {
	return c.do(ctx, http.MethodPut, "keys", keys, nil)
}

// SetState changes what Hugging Face thinks of a key.
func (c *Client) SetState(ctx context.Context, name string, state State) error {
	return c.do(ctx, http.MethodPut, "states", map[string]State{name: state}, nil)
}

// Inject orders faults.
func (c *Client) Inject(ctx context.Context, orders ...Fault) error {
	return c.do(ctx, http.MethodPost, "faults", orders, nil)
}

// Faults are the orders that still wait.
func (c *Client) Faults(ctx context.Context) (orders []Fault, err error) {
	return orders, c.do(ctx, http.MethodGet, "faults", nil, &orders)
}

// ClearFaults takes back all orders and rates.
func (c *Client) ClearFaults(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "faults", nil, nil)
}

// Apply changes latency, answering function and random faults.
func (c *Client) Apply(ctx context.Context, set Settings) error {
	return c.do(ctx, http.MethodPut, "settings", set, nil)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("hfsim client: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/_sim/"+path, body)
	if err != nil {
		return fmt.Errorf("hfsim client: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("hfsim client: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("hfsim client: %s %s: %s: %s", method, path, resp.Status, text)
	}
	if out == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("hfsim client: %s %s: %w", method, path, err)
	}
	return nil
}
