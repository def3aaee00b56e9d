package huggingface

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"salamander.dev/worker/internal/core/answer"
)

func TestPrices(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in, out float64
		problem string
	}{
		"openai/gpt-oss-120b":           {0.15, 0.75, ""}, // the dearest that lives
		"openai/gpt-oss-120b:cheapest":  {0.15, 0.75, ""}, // it may change its mind
		"openai/gpt-oss-120b:together":  {0.15, 0.60, ""},
		"openai/gpt-oss-120b:expensive": {9, 9, ""}, // named, so its price holds when it is back
		"OpenAI/GPT-oss-120b":           {0.15, 0.75, ""},
		"openai/gpt-oss-120b:unpriced":  {0, 0, `provider "unpriced" tells no price`},
		"openai/gpt-oss-120b:nobody":    {0, 0, `provider "nobody" tells no price`},
		"no/such":                       {0, 0, "not in the list"},
	}
	for model, want := range tests {
		b := setup(t, Config{Model: model}, nil)
		in, out, err := b.client.Prices(t.Context(), "one")
		if in != want.in || out != want.out || (err == nil) != (want.problem == "") || err != nil && !strings.Contains(err.Error(), want.problem) {
			t.Errorf("%s: %v, %v, %v", model, in, out, err)
		}
		if n := b.sim.Books().Calls; n != 0 {
			t.Errorf("%s: asking for prices cost %d calls", model, n)
		}
	}
}

func TestPricesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for body, problem := range map[string]string{
		`{}`: "can't be read", `nope`: "can't be read",
		`{"data":[1,{"id":"m"}]}`: "no live provider",
		`{"data":[{"id":"m","providers":[{"provider":"p","pricing":{"input":-1,"output":1}}]}]}`:         "no live provider tells a price",
		`{"data":[{"id":"m","providers":[{"provider":"p","status":"error","pricing":{"input":1}}]}]}`:    "no live provider",
		`{"data":[{"id":"m","providers":[{"provider":"p","pricing":{"input":"nan","output":1}}]}]}`:      "no live provider tells a price",
		`{"data":[{"id":"other","providers":"odd"},{"id":"x"}]}`:                                         "not in the list",
		`{"data":[{"id":"m","providers":[{"provider":"p","pricing":{"input":"0.1","output":"1e99"}}]}]}`: "no live provider tells a price",
	} {
		c, _ := stage(t, Config{Model: "m"}, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, body) })
		if in, out, err := c.Prices(t.Context(), "one"); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v, %v, %v", body, in, out, err)
		}
	}
	odd := `{"data":[{"id":"m","providers":[{"provider":"a","pricing":{"input":null,"output":2}},{"provider":"b","pricing":{"input":1}},
		{"provider":"c","pricing":"free"},7,{"provider":"good","pricing":{"input":0.1,"output":0.2}}]}]}`
	readable, _ := stage(t, Config{Model: "m"}, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, odd) })
	if in, out, err := readable.Prices(t.Context(), "one"); in != 0.1 || out != 0.2 || err != nil {
		t.Errorf("beside odd providers: %v, %v, %v", in, out, err)
	}
	c, _ := stage(t, Config{Model: "m"}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/models" || r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer "+oneToken {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		http.Error(w, "no, "+oneToken, http.StatusForbidden)
	})
	_, _, err := c.Prices(t.Context(), "one")
	if fail, ok := errors.AsType[*answer.CallError](err); !ok || fail.Class != answer.Refused || strings.Contains(err.Error(), oneToken) {
		t.Errorf("got %v", err)
	}
}

func TestPricesInQuotes(t *testing.T) {
	t.Parallel()
	in, out, err := findPrices([]byte(`{"data":[{"id":"m","providers":[{"provider":"p","status":"live","pricing":{"input":"0.1","output":2}}]}]}`), "m")
	if in != 0.1 || out != 2 || err != nil {
		t.Errorf("got %v, %v, %v", in, out, err)
	}
}
