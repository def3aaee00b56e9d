package discordsim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Client drives a Server that runs in another process. URL is the Server's own; HTTP
// nil means http.DefaultClient. Methods do what the Server's of the same name do.
type Client struct {
	URL  string
	HTTP *http.Client
}

func (c *Client) http() *http.Client { return orDefault(c.HTTP, http.DefaultClient) }

// invoke runs one action and decodes its result.
func invoke[T any](ctx context.Context, c *Client, name string, a args) (T, error) {
	var out T
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/_sim/"+name, bytes.NewReader(mustJSON(a)))
	if err != nil {
		return out, fmt.Errorf("discordsim %s: %w", name, err)
	}
	res, err := c.http().Do(req)
	if err != nil {
		return out, fmt.Errorf("discordsim %s: %w", name, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return out, fmt.Errorf("discordsim %s: %w", name, err)
	}
	if res.StatusCode != http.StatusOK {
		return out, adminFailure(name, res.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return out, fmt.Errorf("discordsim %s: %w", name, err)
	}
	return out, nil
}

func adminFailure(name string, status int, raw []byte) error {
	var e adminError
	if json.Unmarshal(raw, &e) != nil || e.Error == "" {
		return fmt.Errorf("discordsim %s: status %d: %s", name, status, bytes.TrimSpace(raw))
	}
	if known := errorKinds[e.Kind]; known != nil {
		return fmt.Errorf("discordsim %s: %s: %w", name, strings.TrimSuffix(e.Error, ": "+known.Error()), known)
	}
	return fmt.Errorf("discordsim %s: %s", name, e.Error)
}

func (c *Client) run(ctx context.Context, name string, a args) error {
	_, err := invoke[struct{}](ctx, c, name, a)
	return err
}

// WaitFor asks cond at once and then after changes of the world or the books, until it
// holds, fails, or ctx ends.
func (c *Client) WaitFor(ctx context.Context, cond func() (bool, error)) error {
	var version uint64
	for {
		v, err := c.version(ctx, version)
		if err != nil {
			return err
		}
		version = v
		ok, err := cond()
		if err != nil || ok {
			return err
		}
	}
}

func (c *Client) version(ctx context.Context, known uint64) (uint64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/_sim/wait?version=%d", c.URL, known), nil)
	if err != nil {
		return 0, fmt.Errorf("discordsim wait: %w", err)
	}
	res, err := c.http().Do(req)
	if err != nil {
		return 0, fmt.Errorf("discordsim wait: %w", err)
	}
	defer res.Body.Close()
	var out struct{ Version uint64 }
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return 0, fmt.Errorf("discordsim wait: %w", err)
	}
	return out.Version, nil
}

// Events calls f for each event until ctx ends, the server closes (nil) or f fails.
func (c *Client) Events(ctx context.Context, f func(Event) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/_sim/events", nil)
	if err != nil {
		return fmt.Errorf("discordsim events: %w", err)
	}
	res, err := c.http().Do(req)
	if err != nil {
		return fmt.Errorf("discordsim events: %w", err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("discordsim events: %w", err)
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("discordsim events: %w", err)
		}
		if err := f(e); err != nil {
			return err
		}
	}
}

// WaitAnswer waits until the user of a slash command sees an answer.
func (c *Client) WaitAnswer(ctx context.Context, id ID) (Interaction, error) {
	var out Interaction
	err := c.WaitFor(ctx, func() (bool, error) {
		i, err := c.Interaction(ctx, id)
		out = i
		return i.Answered(), err
	})
	return out, err
}

// Refuse answers every new request and connection with a TCP reset for d.
func (c *Client) Refuse(ctx context.Context, d time.Duration) error {
	return c.run(ctx, "refuse", args{Duration: d})
}
