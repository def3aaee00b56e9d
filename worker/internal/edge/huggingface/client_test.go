package huggingface

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"salamander.dev/shared/secret"
	"salamander.dev/shared/sim/hfsim"
	"salamander.dev/worker/internal/core/answer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	oneToken = "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345"
	twoToken = "hf_ZyXwVuTsRqPoNmLkJiHgFeDcBa987654"
)

func keys() map[string]secret.String {
	return map[string]secret.String{"one": secret.New(oneToken), "two": secret.New(twoToken)}
}

// bench is a simulated Hugging Face and our client of it.
type bench struct {
	sim    *hfsim.Server
	client *Client
}

func setup(t *testing.T, config Config, change func(*hfsim.Server)) bench {
	t.Helper()
	sim := &hfsim.Server{Reply: hfsim.Echo, Keys: []hfsim.Key{{Name: "one", Token: oneToken}, {Name: "two", Token: twoToken}}}
	if change != nil {
		change(sim)
	}
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	config.BaseURL = sim.URL()
	if config.Model == "" && config.Task != TextGeneration {
		config.Model = "openai/gpt-oss-120b"
	}
	return bench{sim, newClient(t, config)}
}

func newClient(t *testing.T, config Config) *Client {
	t.Helper()
	c, err := New(keys(), nil, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// stage serves with a handler of the test's own.
func stage(t *testing.T, config Config, h http.HandlerFunc) (*Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	config.BaseURL = server.URL + "/v1"
	if config.Model == "" {
		config.Model = "openai/gpt-oss-120b"
	}
	return newClient(t, config), server
}

func ask(question string) answer.Call {
	return answer.Call{Key: "one", MaxTokens: 64, Prompt: answer.Prompt{
		Persona: "Salamander", System: "You live in the fire.",
		Turns: []answer.Turn{
			{Role: answer.RoleUser, Name: "Ann", Text: "hello"},
			{Role: answer.RoleAssistant, Name: "Salamander", Text: "Hi, Ann!"},
			{Role: answer.RoleUser, Name: "Ann", Text: question},
		}}}
}

// mustFail calls and takes the failure apart.
func mustFail(t *testing.T, c *Client, ctx context.Context, call answer.Call) *answer.CallError {
	t.Helper()
	done, err := c.Complete(ctx, call)
	fail, ok := errors.AsType[*answer.CallError](err)
	if !ok {
		t.Fatalf("got %+v, error %v", done, err)
	}
	if done != (answer.Completion{}) {
		t.Errorf("a failure came with a completion: %+v", done)
	}
	return fail
}

func TestChatIsAnswered(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{Model: "openai/gpt-oss-120b:together"}, nil)
	done, err := b.client.Complete(t.Context(), ask("what burns?"))
	if err != nil {
		t.Fatal(err)
	}
	want := answer.Completion{Text: "echo: what burns?", PromptTokens: 31, CompletionTokens: 5, UsageKnown: true,
		Status: 200, RequestID: "sim-00000001", Provider: "together"}
	if done != want {
		t.Errorf("got  %+v\nwant %+v", done, want)
	}
	call := b.sim.Calls(0)[0]
	if call.Key != "one" || call.MaxTokens != 64 || call.Question != "what burns?" || call.Model != "openai/gpt-oss-120b:together" {
		t.Errorf("the other side saw %+v", call)
	}
	short := ask("what burns?")
	short.MaxTokens = 2
	if done, err := b.client.Complete(t.Context(), short); err != nil || !done.Cut || done.CompletionTokens != 2 {
		t.Errorf("a cut answer: %+v, %v", done, err)
	}
}

func TestWhatGoesOverTheWire(t *testing.T) {
	t.Parallel()
	var got []string
	var body map[string]any
	c, _ := stage(t, Config{Temperature: 0.5}, func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(data, &body)
		got = []string{r.Method, r.Proto, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type")}
		_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"x"}}]}`)
	})
	call := ask("first")
	call.Prompt.Turns = append(call.Prompt.Turns, answer.Turn{Role: answer.RoleUser, Text: "second <b> \xff"})
	call.Key = "two"
	if _, err := c.Complete(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if want := []string{"POST", "HTTP/1.1", "/v1/chat/completions", "Bearer " + twoToken, "application/json"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q", got)
	}
	want := map[string]any{"model": "openai/gpt-oss-120b", "max_tokens": 64.0, "temperature": 0.5, "stream": false, "messages": []any{
		map[string]any{"role": "system", "content": "You live in the fire."},
		map[string]any{"role": "user", "content": "hello"},
		map[string]any{"role": "assistant", "content": "Hi, Ann!"},
		map[string]any{"role": "user", "content": "first\nsecond <b> \uFFFD"},
	}}
	if fmt.Sprint(body) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", body, want)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{}, nil)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 20 {
				question := fmt.Sprintf("question %d-%d", i, j)
				if done, err := b.client.Complete(context.Background(), ask(question)); err != nil || done.Text != "echo: "+question {
					t.Errorf("%s: %q, %v", question, done.Text, err)
				}
			}
		})
	}
	wg.Wait()
	if n := b.sim.Books().Calls; n != 640 {
		t.Errorf("640 calls made %d requests", n)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	bad := map[string]Config{
		"no model":  {},
		"scheme":    {Model: "m", BaseURL: "ftp://h"},
		"no host":   {Model: "m", BaseURL: "https://"},
		"unparsed":  {Model: "m", BaseURL: "https://h:x" + oneToken},
		"user":      {Model: "m", BaseURL: "https://me:" + oneToken + "@h/v1"},
		"query":     {Model: "m", BaseURL: "https://h/v1?a=" + oneToken},
		"task":      {Model: "m", Task: "sing"},
		"timeout":   {Model: "m", Timeout: -1},
		"body size": {Model: "m", MaxBody: -1},
	}
	for name, config := range bad {
		if _, err := New(keys(), nil, config); err == nil || strings.Contains(err.Error(), oneToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, token := range map[string]string{"empty": "", "space": "a b", "line": "abc\ndef", "umlaut": "hf_ü"} {
		_, err := New(map[string]secret.String{"mine": secret.New(token)}, nil, Config{Model: "m"})
		if err == nil || !strings.Contains(err.Error(), `"mine"`) || token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(nil, nil, Config{Model: "m"}); err == nil {
		t.Error("no keys were accepted")
	}
}

func TestNothingLeavesWhenItCannot(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{}, nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	unknown, empty, none := ask("hi"), ask("hi"), ask("hi")
	unknown.Key, empty.MaxTokens, none.Prompt.Turns = "three", 0, nil
	for what, test := range map[string]struct {
		ctx   context.Context
		call  answer.Call
		class answer.Class
	}{
		"context ended": {ended, ask("hi"), answer.Retry},
		"unknown key":   {t.Context(), unknown, answer.Fatal},
		"no tokens":     {t.Context(), empty, answer.Fatal},
		"no question":   {t.Context(), none, answer.Fatal},
	} {
		fail := mustFail(t, b.client, test.ctx, test.call)
		if fail.Class != test.class || fail.Sent || fail.Status != 0 || fail.Message == "" {
			t.Errorf("%s: %+v", what, fail)
		}
	}
	if fail := mustFail(t, b.client, ended, ask("hi")); !errors.Is(fail, context.Canceled) {
		t.Errorf("the cause is lost: %v", fail)
	}
	if n := b.sim.Books().Calls; n != 0 {
		t.Errorf("%d requests left", n)
	}

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	_ = closed.Close()
	c := newClient(t, Config{BaseURL: "http://" + address, Model: "m"})
	if fail := mustFail(t, c, t.Context(), ask("hi")); fail.Sent || fail.Class != answer.Retry || !strings.Contains(fail.Message, "refused") {
		t.Errorf("nobody listens: %+v", fail)
	}
}

func TestATransportWithoutHooksCountsAsSent(t *testing.T) {
	t.Parallel()
	broken := roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("who knows") })
	c, err := New(keys(), broken, Config{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if fail := mustFail(t, c, t.Context(), ask("hi")); !fail.Sent || fail.Class != answer.Retry {
		t.Errorf("got %+v", fail)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRedirectsTakeNoTokenAlong(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	b := setup(t, Config{}, nil)
	for _, to := range []string{other.URL + "/v1", "/v1/chat/completions", "::bad"} {
		b.sim.Inject(hfsim.Fault{Kind: hfsim.Redirect, Body: to})
		if fail := mustFail(t, b.client, t.Context(), ask("hi")); fail.Class != answer.Fatal || fail.Status != 307 || !strings.Contains(fail.Message, "base URL") {
			t.Errorf("%s: %+v", to, fail)
		}
	}
	if elsewhere.Load() != 0 || b.sim.Books().Calls != 3 {
		t.Errorf("%d requests elsewhere, %d here", elsewhere.Load(), b.sim.Books().Calls)
	}
}

func TestASwitchOfProtocolsDoesNotHang(t *testing.T) {
	t.Parallel()
	c, _ := stage(t, Config{Timeout: time.Minute}, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: fire\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the client leaves
	})
	if fail := mustFail(t, c, t.Context(), ask("hi")); fail.Status != 101 || fail.Class != answer.Fatal {
		t.Errorf("got %+v", fail)
	}
}
