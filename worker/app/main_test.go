package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"salamander.dev/worker/app"
)

func execute(t *testing.T, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = app.Execute(t.Context(), args, env, &o, &e)
	return code, o.String(), e.String()
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	ready := http.StatusOK
	health := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(ready) }))
	t.Cleanup(health.Close)
	addr := strings.TrimPrefix(health.URL, "http://")
	plan := []string{"plan", "--users", "20", "--lines", "25", "--hours", "2", "--days", "30", "--limits", "300req/1h,900req/month"}
	for _, c := range []struct {
		name   string
		env    map[string]string
		args   []string
		code   int
		output string // in either of both
	}{
		{"no settings at all", nil, nil, 2, "HF_API_KEYS: expected"},
		{"an empty key", map[string]string{"HF_API_KEYS": " "}, nil, 2, "HF_API_KEYS: expected"},
		{"an unknown subcommand", nil, []string{"dance"}, 2, "worker deadletters"},
		{"help", nil, []string{"help"}, 0, "worker plan"},
		{"healthcheck without a fixed port", nil, []string{"healthcheck"}, 2, `HTTP_ADDR="127.0.0.1:0": expected host:port with a fixed port`},
		{"healthcheck of the ready", map[string]string{"HTTP_ADDR": addr}, []string{"healthcheck"}, 0, ""},
		{"healthcheck of nobody", map[string]string{"HTTP_ADDR": "127.0.0.1:1"}, []string{"healthcheck"}, 1, ""},
		{"plan", nil, plan, 0, "17 keys of this kind would carry it"},
		{"plan with a wrong flag", nil, []string{"plan", "--users", "many"}, 2, "users"},
		{"plan with wrong limits", nil, []string{"plan", "--limits", "300"}, 2, "--limits"},
		{"budget, mistyped", nil, []string{"budget", "spend"}, 2, "worker budget"},
		{"budget with wrong limits", nil, []string{"budget", "set-limits", "primary", "5"}, 2, "want <n>(req|tok|usd)/<window>"},
		{"budget with wrong settings", map[string]string{"NATS_URL": "here"}, []string{"budget"}, 2, `NATS_URL="here"`},
		{"deadletters, mistyped", nil, []string{"deadletters"}, 2, "worker deadletters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := execute(t, c.env, c.args...)
			if code != c.code || !strings.Contains(out+errs, c.output) {
				t.Errorf("exit code %d, want %d with %q; out %q, err %q", code, c.code, c.output, out, errs)
			}
		})
	}
	ready = http.StatusServiceUnavailable
	if code, _, _ := execute(t, map[string]string{"HTTP_ADDR": addr}, "healthcheck"); code != 1 {
		t.Errorf("healthcheck of one that is not ready: exit code %d", code)
	}
}

// logLines are the lines of a log that are about a question; every one must say where it was asked.
func logLines(t *testing.T, w *worker, id string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(w.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q is no JSON: %v", line, err)
		}
		if m["question"] == nil && !strings.Contains(line, id) {
			continue
		}
		if m["question"] == nil || m["guild"] == nil || m["channel"] == nil {
			t.Errorf("a line about a question lacks question, guild or channel: %s", line)
		}
		if m["question"] == id {
			all = append(all, m)
		}
	}
	return all
}

// TestTextStandsWhereItMay asks one question that is answered and one that fails, under each policy.
func TestTextStandsWhereItMay(t *testing.T) {
	for policy, want := range map[string]struct{ answered, failed bool }{
		"never": {false, false}, "failures": {false, true}, "always": {true, true},
	} {
		t.Run(policy, func(t *testing.T) {
			k := setup(t, map[string]string{"LOG_CONTENT": policy})
			s := newStranger(t, k)
			s.on("sunny", says(429, `{"error":"slow down, asked about sunny places"}`), says(401, "who says sunny?"), answers(`{"choices":[{"message":{"content":"beaches"}}]}`))
			s.on("broken", answers(`{"choices":[{"message":{"content":"<think>mumble</think>"}}]}`))
			s.on("odd", says(400, `{"error":"bad input: PLATYPUS, cut sh…"}`))
			k.env["HF_API_KEYS"] += ",third=hf_third_token"
			w := k.start(nil)
			good, bad := question("7", "sunny places?"), question("8", "broken places?")
			good.Guild = "dm"
			k.ask(good)
			k.want(good, "reply", "beaches")
			k.ask(bad)
			k.want(bad, "fallback", "")
			odd := question("9", "an odd platypus, cut short")
			k.ask(odd)
			k.want(odd, "fallback", "")
			k.empty()
			contains := func(id, text string) bool {
				for _, m := range logLines(t, w, id) {
					line, err := json.Marshal(m)
					if err != nil {
						t.Fatal(err)
					}
					if bytes.Contains(line, []byte(text)) {
						return true
					}
				}
				return false
			}
			if got := contains(string(good.ID), "sunny places?"); got != want.answered {
				t.Errorf("the answered question's text is in the log: %v", got)
			}
			if got := contains(string(good.ID), "beaches"); got != want.answered {
				t.Errorf("the answer's text is in the log: %v", got)
			}
			for _, text := range []string{"broken places?", "mumble", "my words"} {
				if got := contains(string(bad.ID), text); got != want.failed {
					t.Errorf("%q of the failed question is in the log: %v", text, got)
				}
			}
			// What a provider says may repeat what was asked, in whatever form.
			if got := contains(string(odd.ID), "PLATYPUS"); got != want.failed {
				t.Errorf("what the provider said of a failed question is in the log: %v", got)
			}
			for _, text := range []string{"slow down", "who says"} {
				if got := contains(string(good.ID), text); got != want.answered {
					t.Errorf("what the provider said of a question that was answered (%q) is in the log: %v", text, got)
				}
			}
			for _, m := range logLines(t, w, string(good.ID)) {
				if m["guild"] != "dm" {
					t.Errorf("guild %v in a DM", m["guild"])
				}
				if m["level"] == "warn" && m["class"] != nil && m["text"] != nil {
					t.Errorf("a cooling or refused key is logged with text: %v", m)
				}
			}
			last := logLines(t, w, string(bad.ID))
			end := last[len(last)-1]
			for _, field := range []string{"key", "attempt", "error"} {
				if end[field] == nil {
					t.Errorf("the failure's line lacks %s: %v", field, end)
				}
			}
		})
	}
}
