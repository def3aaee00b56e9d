package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// stranger is a Hugging Face that knows nothing of our simulator: a script of raw answers for each question's text.
type stranger struct {
	*httptest.Server
	mu     sync.Mutex
	script map[string][]http.HandlerFunc // by a word of the question; the last one is repeated
	calls  map[string][]string           // bearer tokens, by the same
	paths  map[string]int
	bodies []map[string]any
}

func newStranger(t *testing.T, k *kit) *stranger {
	s := &stranger{script: map[string][]http.HandlerFunc{}, calls: map[string][]string{}, paths: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.CloseClientConnections)
	t.Cleanup(s.Close)
	k.env["HF_BASE_URL"] = s.URL + "/v1"
	return s
}

func (s *stranger) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	s.mu.Lock()
	s.paths[r.Method+" "+r.URL.Path]++
	s.bodies = append(s.bodies, in)
	var do http.HandlerFunc
	for word, list := range s.script {
		if !strings.Contains(string(body), word) {
			continue
		}
		s.calls[word] = append(s.calls[word], strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		do = list[0]
		if len(list) > 1 {
			s.script[word] = list[1:]
		}
	}
	s.mu.Unlock()
	if do == nil {
		do = answers(`{"choices":[{"message":{"content":"fine"}}]}`)
	}
	do(w, r)
}

// on scripts the answers to the question that holds a word.
func (s *stranger) on(word string, answers ...http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script[word] = answers
}

func (s *stranger) called(word string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.calls[word]...)
}

// answers is a 200 with a body; with status another one, with headers as "Name: value".
func answers(body string) http.HandlerFunc { return says(200, body) }

func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const fine = `{"choices":[{"message":{"role":"assistant","content":"fine"}}]}`

// TestAnswersOfStrangeShapes has each shape once, then a plain answer: what can be read is an answer at the first call.
func TestAnswersOfStrangeShapes(t *testing.T) {
	k := setup(t, map[string]string{"HF_TIMEOUT": "2s", "WORKER_CONCURRENCY": "64"})
	s := newStranger(t, k)
	k.start(nil)
	cases := []struct {
		name  string
		first http.HandlerFunc
		calls int
		text  string
	}{
		{"no finish_reason, no usage", answers(fine), 1, "fine"},
		{"usage of null", answers(`{"choices":[{"message":{"content":"fine"},"finish_reason":null}],"usage":null}`), 1, "fine"},
		{"usage of texts", answers(`{"choices":[{"message":{"content":"fine"}}],"usage":{"prompt_tokens":"7"}}`), 1, "fine"},
		{"half a usage", answers(`{"choices":[{"message":{"content":"fine"}}],"usage":{"prompt_tokens":7}}`), 1, "fine"},
		{"negative usage", answers(`{"choices":[{"message":{"content":"fine"}}],"usage":{"prompt_tokens":-7,"completion_tokens":-1}}`), 1, "fine"},
		{"parts", answers(`{"choices":[{"message":{"content":[{"type":"text","text":"fi"},{"type":"text","text":"ne"}]}}]}`), 1, "fine"},
		{"error of null", answers(`{"error":null,"choices":[{"message":{"content":"fine"}}]}`), 1, "fine"},
		{"status 201", says(201, fine), 1, "fine"},
		{"content type of text", says(200, fine, "Content-Type: text/plain"), 1, "fine"},
		{"content of null", answers(`{"choices":[{"message":{"content":null}}]}`), 2, "fine"},
		{"only a thought", answers(`{"choices":[{"message":{"content":"<think>hm</think>"}}]}`), 2, "fine"},
		{"no choices", answers(`{"choices":[]}`), 2, "fine"},
		{"null", answers(`null`), 2, "fine"},
		{"a list", answers(`[]`), 2, "fine"},
		{"an error as a text", answers(`{"error":"boom"}`), 2, "fine"},
		{"an error as an object", answers(`{"error":{"message":"boom","code":500}}`), 2, "fine"},
		{"an error as an event", says(200, "data: {\"error\":{\"message\":\"boom\"}}\n\n", "Content-Type: text/event-stream"), 2, "fine"},
		{"a page", says(200, "<html><title>Welcome</title></html>", "Content-Type: text/html"), 2, "fine"},
		{"a page with 502", says(502, "<html><title>Bad gateway</title></html>", "Content-Type: text/html"), 2, "fine"},
		{"503 that loads", says(503, `{"error":"Model is currently loading","estimated_time":1.5}`), 2, "fine"},
		{"503 that loads for long", says(503, `{"error":"loading","estimated_time":2}`), 2, "fine"},
		{"500 without a body", says(500, ``), 2, "fine"},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, 2, "fine"},
		{"too large", answers(`{"choices":[{"message":{"content":"` + strings.Repeat("a", 4<<20) + `"}}]}`), 2, "fine"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(w, fine[:30])
		}, 2, "fine"},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 2, "fine"},
		{"trickles", func(w http.ResponseWriter, r *http.Request) {
			for range 1000 {
				select {
				case <-r.Context().Done():
					return
				case <-time.After(50 * time.Millisecond):
					_, _ = w.Write([]byte{' '})
					w.(http.Flusher).Flush()
				}
			}
		}, 2, "fine"},
	}
	var qs []chat.Question
	for i, c := range cases {
		word := fmt.Sprintf("word%03d.", i)
		s.on(word, c.first, answers(fine))
		q := question(fmt.Sprint(100+i), word)
		qs = append(qs, q)
	}
	k.ask(qs...)
	for i, c := range cases {
		a := k.answer(qs[i])
		calls := s.called(fmt.Sprintf("word%03d.", i))
		if a.Kind != chat.Reply || a.Text != c.text || len(calls) != c.calls {
			t.Errorf("%s: %s %q (%s) after %d calls, want %q after %d", c.name, a.Kind, a.Text, a.Reason, len(calls), c.text, c.calls)
		}
	}
}

// TestEvery429IsReadAsItIsMeant looks at how long the key cools: that is what the answer told, and nothing else.
func TestEvery429IsReadAsItIsMeant(t *testing.T) {
	for name, c := range map[string]struct {
		headers     []string
		least, most time.Duration
	}{
		"nothing told":                    {nil, 5 * time.Second, 6 * time.Second},
		"seconds":                         {[]string{"Retry-After: 70"}, 69 * time.Second, 71 * time.Second},
		"a date":                          {[]string{"Retry-After: " + time.Now().Add(100*time.Second).UTC().Format(http.TimeFormat)}, 60 * time.Second, 101 * time.Second},
		"r=0":                             {[]string{`RateLimit: "api";r=0;t=55`, `RateLimit-Policy: "fixed window";"api";q=500;w=300`}, 54 * time.Second, 56 * time.Second},
		"r=7":                             {[]string{`RateLimit: "api";r=7;t=3600`}, 5 * time.Second, 6 * time.Second},
		"r=7 beside seconds":              {[]string{`RateLimit: "api";r=7;t=3600`, "Retry-After: 70"}, 69 * time.Second, 71 * time.Second},
		"an older draft":                  {[]string{"RateLimit: limit=100, remaining=0, reset=55"}, 54 * time.Second, 56 * time.Second},
		"an older draft, something left":  {[]string{"RateLimit: limit=100, remaining=3, reset=3600"}, 5 * time.Second, 6 * time.Second},
		"headers of their own":            {[]string{"RateLimit-Remaining: 0", "RateLimit-Reset: 55"}, 54 * time.Second, 56 * time.Second},
		"headers of their own, some left": {[]string{"RateLimit-Remaining: 2", "RateLimit-Reset: 3600"}, 5 * time.Second, 6 * time.Second},
		"a date that makes no sense":      {[]string{"Retry-After: tomorrow"}, 5 * time.Second, 6 * time.Second},
		"a year":                          {[]string{"Retry-After: 31536000"}, 31 * 24 * time.Hour, 33 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			k := setup(t, nil)
			s := newStranger(t, k)
			k.start(nil)
			s.on("who?", says(429, `{"error":"slow down"}`, c.headers...), answers(fine))
			q := question("7", "who?")
			before := time.Now()
			k.ask(q)
			if a := k.want(q, chat.Reply, "fine"); a.Receipt.Key != "second" {
				t.Errorf("answered with %s", a.Receipt.Key)
			}
			after := time.Now()
			report, err := k.bus.Budget(k.ctx, k.order(control.Budget, "10"))
			if err != nil || report.Keys[0].State != "cooling" {
				t.Fatalf("%+v, %v", report, err)
			}
			until := report.Keys[0].Until
			if until.Before(before.Add(c.least)) || until.After(after.Add(c.most)) {
				t.Errorf("cools for %s, want %s to %s", until.Sub(before), c.least, c.most)
			}
		})
	}
}

// TestNoTokenGoesElsewhere has the provider send the call to another host.
func TestNoTokenGoesElsewhere(t *testing.T) {
	k := setup(t, nil)
	s := newStranger(t, k)
	other := newStranger(t, &kit{env: map[string]string{}})
	k.start(nil)
	for i, status := range []int{301, 302, 303, 307, 308} {
		word := fmt.Sprintf("word%03d.", i)
		s.on(word, says(status, "", "Location: "+other.URL+"/v1/chat/completions"))
		q := question(fmt.Sprint(100+i), word)
		k.ask(q)
		k.want(q, chat.Fallback, "")
		if n := len(s.called(word)); n != 1 {
			t.Errorf("%d: %d calls", status, n)
		}
	}
	if len(other.paths) != 0 {
		t.Errorf("the other host saw %v", other.paths)
	}
}
