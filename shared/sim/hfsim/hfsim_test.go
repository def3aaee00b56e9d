package hfsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"salamander.dev/shared/sim/hfsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is one simulator and one client of it.
type bench struct {
	*hfsim.Server
	t    *testing.T
	http *http.Client
}

// setup starts a simulator; change sets its fields before.
func setup(t *testing.T, change func(*hfsim.Server)) *bench {
	t.Helper()
	b := &bench{Server: &hfsim.Server{}, t: t, http: &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if change != nil {
		change(b.Server)
	}
	if err := b.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Close()
		b.http.CloseIdleConnections()
	})
	return b
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of the request or of reading the body
}

func (b *bench) post(ctx context.Context, path, token string, body any) answer {
	b.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.URL()+path, bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	return answer{resp.StatusCode, resp.Header, string(text), err}
}

type object = map[string]any

// ask is a plain chat call.
func (b *bench) ask(token, question string) answer {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	return b.post(ctx, "/chat/completions", token, chat(question))
}

func chat(question string) object {
	return object{"model": "openai/gpt-oss-120b", "max_tokens": 64, "messages": []object{
		{"role": "system", "content": "You are a salamander."}, {"role": "user", "content": question}}}
}

// content is the answer's text and usage.
func (a answer) content(t *testing.T) (text string, prompt, completion int, finish string) {
	t.Helper()
	var v struct {
		Choices []struct {
			Message struct {
				Role    string
				Content string
			}
			FinishReason string `json:"finish_reason"`
		}
		Usage struct {
			Prompt     int `json:"prompt_tokens"`
			Completion int `json:"completion_tokens"`
			Total      int `json:"total_tokens"`
		}
	}
	if a.err != nil || a.status != 200 {
		t.Fatalf("status %d, error %v, body %.200q", a.status, a.err, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %.200q", err, a.body)
	}
	if len(v.Choices) != 1 || v.Choices[0].Message.Role != "assistant" || v.Usage.Total != v.Usage.Prompt+v.Usage.Completion {
		t.Fatalf("unexpected answer %s", a.body)
	}
	return v.Choices[0].Message.Content, v.Usage.Prompt, v.Usage.Completion, v.Choices[0].FinishReason
}

func TestChatAnswersAndTellsItsUsage(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *hfsim.Server) { s.Reply = hfsim.Echo })
	got := b.ask("hf_one", "what burns?")
	text, prompt, completion, finish := got.content(t)
	// "You are a salamander." 1+1+1+3, "what burns?" 1+2, 4 for each message, 2 for the answer.
	if text != "echo: what burns?" || prompt != 19 || completion != 5 || finish != "stop" {
		t.Errorf("got %q, %d+%d tokens, %s", text, prompt, completion, finish)
	}
	if got.header.Get("X-Request-Id") == "" || got.header.Get("X-Inference-Provider") != "groq" {
		t.Errorf("headers %v", got.header)
	}
	calls := b.Calls(0)
	if len(calls) != 1 {
		t.Fatalf("%d calls in the books", len(calls))
	}
	c := calls[0]
	if c.N != 1 || c.Key != "hf_one" || c.Status != 200 || c.PromptTokens != 19 || c.CompletionTokens != 5 ||
		c.MaxTokens != 64 || c.Question != "what burns?" || c.Over || c.NanoUSD != 6600 {
		t.Errorf("books say %+v", c)
	}
}

func TestMaxTokensCutTheAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *hfsim.Server) {
		s.Reply = func(hfsim.Request) string { return "warm embers glow 火火火火火火 in the night" }
	})
	for limit := 1; limit <= 16; limit++ {
		body := chat("hi")
		body["max_tokens"] = limit
		text, _, completion, finish := b.post(t.Context(), "/chat/completions", "k", body).content(t)
		if completion > limit || (finish == "length") != (text != "warm embers glow 火火火火火火 in the night") {
			t.Errorf("limit %d: %d tokens, %s, %q", limit, completion, finish, text)
		}
	}
}

func TestStreamEndsWithUsageAndDone(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *hfsim.Server) { s.Reply = hfsim.Echo })
	for _, include := range []bool{true, false} {
		body := chat("one two three")
		body["stream"] = true
		if include {
			body["stream_options"] = object{"include_usage": true}
		}
		got := b.post(t.Context(), "/chat/completions", "k", body)
		if got.status != 200 || got.header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("got %+v", got)
		}
		var text, finish string
		usage, events := 0, strings.Split(strings.TrimSuffix(got.body, "\n\n"), "\n\n")
		for _, event := range events[:len(events)-1] {
			var chunk struct {
				Choices []struct {
					Delta        struct{ Content string }
					FinishReason string `json:"finish_reason"`
				}
				Usage *struct {
					Total int `json:"total_tokens"`
				}
			}
			data, ok := strings.CutPrefix(event, "data: ")
			if err := json.Unmarshal([]byte(data), &chunk); err != nil || !ok {
				t.Fatalf("event %q: %v", event, err)
			}
			if chunk.Usage != nil {
				usage = chunk.Usage.Total
				if len(chunk.Choices) != 0 {
					t.Errorf("usage came with choices: %s", event)
				}
				continue
			}
			text += chunk.Choices[0].Delta.Content
			finish += chunk.Choices[0].FinishReason
		}
		if text != "echo: one two three" || finish != "stop" || events[len(events)-1] != "data: [DONE]" || (usage > 0) != include {
			t.Errorf("include_usage %v: %q, %q, usage %d, last %q", include, text, finish, usage, events[len(events)-1])
		}
	}
}

func TestTextGenerationShapes(t *testing.T) {
	t.Parallel()
	const inputs = "A fire salamander.\nAnn: hello\nSalamander: hi\nAnn: what burns?\nSalamander:"
	tests := map[string]struct {
		shape hfsim.TextGen
		path  string
		want  string
	}{
		"list":   {hfsim.TextGen{}, "/models/me/my-model", `[{"generated_text":" echo: what burns?"}]`},
		"base":   {hfsim.TextGen{}, "", `[{"generated_text":" echo: what burns?"}]`},
		"object": {hfsim.TextGen{Object: true}, "/models/me/my-model", `{"generated_text":" echo: what burns?"}`},
		"repeat": {hfsim.TextGen{Repeat: true}, "/models/me/my-model",
			`[{"generated_text":"A fire salamander.\nAnn: hello\nSalamander: hi\nAnn: what burns?\nSalamander: echo: what burns?"}]`},
		"run on": {hfsim.TextGen{RunOn: true}, "/models/me/my-model",
			`[{"generated_text":" echo: what burns?\nAnn: and then?\nSomeone: I do not know"}]`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(s *hfsim.Server) { s.Reply, s.TextGen = hfsim.Echo, test.shape })
			got := b.post(t.Context(), test.path, "k", object{"inputs": inputs, "parameters": object{"max_new_tokens": 50}})
			if got.status != 200 || got.body != test.want {
				t.Fatalf("status %d, body %s", got.status, got.body)
			}
			c := b.Calls(0)[0]
			if c.Task != hfsim.TextGeneration || c.Question != "what burns?" || c.MaxTokens != 50 || got.header.Get("X-Prompt-Tokens") != "19" {
				t.Errorf("books say %+v, headers %v", c, got.header)
			}
		})
	}
}

func TestWrongCallsAreRefusedAndBooked(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *hfsim.Server) { s.Models = hfsim.DefaultModels() })
	tests := []struct {
		path   string
		body   any
		status int
		want   string
	}{
		{"/chat/completions", "no object", 422, "Input validation error"},
		{"/chat/completions", object{"model": "openai/gpt-oss-120b"}, 422, "must not be empty"},
		{"/chat/completions", object{"messages": []object{{"role": "user", "content": "x"}}}, 422, "missing field `model`"},
		{"/chat/completions", object{"model": "no/such", "messages": []object{{"role": "user", "content": "x"}}}, 400, "model_not_supported"},
		{"/chat/completions", object{"model": "openai/gpt-oss-120b:expensive", "messages": []object{{"role": "user", "content": "x"}}}, 400, "model_not_supported"},
		{"/chat/completions", object{"model": "openai/gpt-oss-120b", "max_tokens": 0, "messages": []object{{"role": "user", "content": "x"}}}, 422, "strictly positive"},
		{"/chat/completions", object{"model": "openai/gpt-oss-120b", "max_tokens": 200000, "messages": []object{{"role": "user", "content": "x"}}}, 400, "maximum context length"},
		{"/models/salamander/simulated", object{"input": "x"}, 422, "missing field `inputs`"},
		{"/models/salamander/simulated", object{"inputs": "x", "parameters": object{"temperature": 0}}, 422, "strictly positive"},
	}
	for _, test := range tests {
		got := b.post(t.Context(), test.path, "k", test.body)
		if got.status != test.status || !strings.Contains(got.body, test.want) {
			t.Errorf("%v: status %d, body %s", test.body, got.status, got.body)
		}
	}
	book := b.Books().Key("k")
	if book.Calls != int64(len(tests)) || book.PromptTokens != 0 || book.InFlight != 0 {
		t.Errorf("books say %+v", book)
	}
	if got := b.post(t.Context(), "/embeddings", "k", object{}); got.status != 404 {
		t.Errorf("an unknown path answered %d", got.status)
	}
}

func TestModelsTellPrices(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	resp, err := b.http.Get(b.URL() + "/models")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var list struct{ Data []hfsim.Model }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	if len(list.Data) != 2 || list.Data[0].Providers[0].Pricing.Output != 0.75 || list.Data[0].Providers[2].Status != "error" {
		t.Errorf("got %+v", list)
	}
	for path, status := range map[string]int{"/models/openai/gpt-oss-120b": 200, "/models/no/such": 404} {
		resp, err := b.http.Get(b.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}
