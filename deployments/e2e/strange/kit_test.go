package strange

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"salamander.dev/deployments/stack"
)

func TestMain(m *testing.M) {
	stack.Main()
	os.Exit(m.Run())
}

// huggingFace answers chat completions without usage, names or anything that an answer can do without.
func huggingFace(t *testing.T) string {
	end := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Messages []struct{ Role, Content string } `json:"messages"`
		}
		if r.Method != http.MethodPost || r.URL.Path != "/chat/completions" || json.NewDecoder(r.Body).Decode(&asked) != nil || len(asked.Messages) == 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		last := asked.Messages[len(asked.Messages)-1].Content
		if strings.Contains(last, "never") {
			select {
			case <-r.Context().Done():
			case <-end:
			}
			return
		}
		answer(w, http.StatusOK, object{"choices": []object{{"message": object{"role": "assistant", "content": "answer to " + last}}}})
	}))
	t.Cleanup(func() {
		close(end)
		s.Close()
	})
	return s.URL
}

// fleet is NATS, gateways and workers as processes of their own, with what they wrote.
type fleet struct {
	*stack.Stack
	t *testing.T

	mu    sync.Mutex
	lines []string
}

// programs runs NATS, one gateway and one worker.
func programs(t *testing.T, d *discord, settings map[string]string) *fleet {
	t.Helper()
	f := &fleet{t: t}
	worker := map[string]string{"HF_API_KEYS": "one=hf_strange", "HF_BASE_URL": huggingFace(t), "HF_MODEL": "strange/model", "BUDGET_LIMITS": "none"}
	maps.Copy(worker, settings)
	s, err := stack.New(stack.Config{
		Dir: t.TempDir(),
		Env: map[string]string{
			"DISCORD_TOKEN": "strange-token", "DISCORD_BASE_URL": d.http.URL, "USER_RATE": "1000/1m", "MODERATOR_ROLE_IDS": modRole,
		},
		GatewayEnv: settings,
		WorkerEnv:  worker,
		Lines: func(name, line string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.lines = append(f.lines, name+" "+line)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		s.Close(end)
		f.mu.Lock()
		defer f.mu.Unlock()
		text := strings.Join(f.lines, "\n")
		if strings.Contains(text, "strange-token") || strings.Contains(text, "hf_strange") {
			t.Error("a secret is in the log")
		}
		if t.Failed() {
			t.Log(text)
		}
	})
	f.Stack = s
	for _, r := range []stack.Role{stack.NATS, stack.Worker, stack.Gateway} {
		f.start(r)
	}
	return f
}

// start runs one process and waits until it is ready.
func (f *fleet) start(r stack.Role) *stack.Process {
	f.t.Helper()
	p, err := f.Start(r, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	if err := f.Ready(ctx, p); err != nil {
		f.t.Fatal(err)
	}
	return p
}

// about are the log lines about a question, by the service that wrote them; what is no JSON fails the test.
func (f *fleet) about(question string) map[string][]map[string]any {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string][]map[string]any{}
	for _, l := range f.lines {
		_, text, _ := strings.Cut(l, " ")
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			f.t.Errorf("a log line is no JSON: %s", l)
			continue
		}
		if line["question"] == question {
			service, _ := line["service"].(string)
			all[service] = append(all[service], line)
		}
	}
	return all
}

// metric sums a metric's values over the labels that it is given, as /metrics of a service shows them.
func (f *fleet) metric(r stack.Role, name string, labels ...string) (sum float64, found bool) {
	f.t.Helper()
	for _, p := range f.Running(r) {
		res, err := http.Get("http://" + p.Addr + "/metrics")
		if err != nil {
			f.t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			f.t.Fatal(err)
		}
	lines:
		for l := range strings.SplitSeq(string(body), "\n") {
			rest, ok := strings.CutPrefix(l, name)
			if !ok || (rest[0] != '{' && rest[0] != ' ') {
				continue
			}
			for _, x := range labels {
				if !strings.Contains(rest, x) {
					continue lines
				}
			}
			v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
			if err != nil {
				f.t.Fatalf("%q: %v", l, err)
			}
			sum, found = sum+v, true
		}
	}
	return sum, found
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
