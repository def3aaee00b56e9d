package huggingface

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// maxModels is how many bytes of the list of models are read; the router's was seen to be a few hundred KB.
const maxModels = 16 << 20

type modelEntry struct {
	ID        string            `json:"id"`
	Providers []json.RawMessage `json:"providers"`
}

// provider is one that serves a model. A price of which a half is missing is none.
type provider struct {
	Name    string `json:"provider"`
	Status  string `json:"status"`
	Pricing *struct {
		Input  *dollars `json:"input"`
		Output *dollars `json:"output"`
	} `json:"pricing"`
}

// dollars per million tokens, as a number or a number in quotes.
type dollars float64

// UnmarshalJSON implements json.Unmarshaler.
func (d *dollars) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(data), `"`), 64)
	if err != nil || !(v >= 0 && v < 1e6) {
		return fmt.Errorf("price %.20q makes no sense", data)
	}
	*d = dollars(v)
	return nil
}

// Prices asks GET <base>/models what the model costs, in dollars per million tokens. For model:provider it is that
// provider's price. Else the router may choose any, and may change its mind: then it is the highest price among the
// live providers, for input and output each, so that no call costs more. Providers that tell no price, or one that can't be
// read, are left out.
// Failures of the request are *answer.CallError.
func (c *Client) Prices(ctx context.Context, key string) (in, out float64, err error) {
	r, fail := errand{client: c, method: http.MethodGet, url: c.models, key: key, maxBody: maxModels}.run(ctx)
	if fail != nil {
		return 0, 0, fmt.Errorf("read prices: %w", fail)
	}
	return findPrices(r.body, c.config.Model)
}

func findPrices(body []byte, model string) (in, out float64, err error) {
	var list struct {
		Data []json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &list) != nil || list.Data == nil {
		return 0, 0, fmt.Errorf("read prices: the list of models can't be read")
	}
	id, only, _ := strings.Cut(model, ":")
	switch only {
	case "fastest", "cheapest", "preferred": // how to choose, not whom
		only = ""
	}
	for _, raw := range list.Data {
		var named struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(raw, &named) != nil || !strings.EqualFold(named.ID, id) {
			continue
		}
		var m modelEntry
		if err := json.Unmarshal(raw, &m); err != nil {
			return 0, 0, fmt.Errorf("read prices: model %q: an entry can't be read", id)
		}
		return m.prices(only)
	}
	return 0, 0, fmt.Errorf("read prices: model %q is not in the list", id)
}

func (m modelEntry) prices(only string) (in, out float64, err error) {
	found := false
	for _, raw := range m.Providers {
		var p provider
		if json.Unmarshal(raw, &p) != nil || p.Pricing == nil || p.Pricing.Input == nil || p.Pricing.Output == nil ||
			only != "" && p.Name != only || only == "" && p.Status == "error" {
			continue
		}
		found = true
		in, out = max(in, float64(*p.Pricing.Input)), max(out, float64(*p.Pricing.Output))
	}
	switch {
	case !found && only != "":
		return 0, 0, fmt.Errorf("read prices: provider %q tells no price for model %q", only, m.ID)
	case !found:
		return 0, 0, fmt.Errorf("read prices: no live provider tells a price for model %q", m.ID)
	}
	return in, out, nil
}
