package app_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"salamander.dev/shared/control"
	"salamander.dev/worker/app"
)

// doctor runs `worker doctor`.
func (k *kit) doctor(env map[string]string, args ...string) (code int, out string) {
	k.t.Helper()
	all := maps.Clone(k.env)
	maps.Copy(all, env)
	var text, errs bytes.Buffer
	code = app.Execute(k.ctx, append([]string{"doctor"}, args...), all, &text, &errs)
	for _, token := range []string{"hf_primary_token", "hf_second_token"} {
		if strings.Contains(text.String()+errs.String(), token) {
			k.t.Error("a token was printed")
		}
	}
	return code, text.String()
}

// lineOf is the doctor's line about something.
func lineOf(out, what string) string {
	for line := range strings.Lines(out) {
		if len(line) > 4 && strings.HasPrefix(line[4:], what) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func TestDoctor(t *testing.T) {
	k := setup(t, nil)
	k.nats.Connect(control.Worker) // provisions
	code, out := k.doctor(nil)
	if code != 0 || k.hf.Books().Calls != 0 {
		t.Errorf("exit code %d, %d calls without --call:\n%s", code, k.hf.Books().Calls, out)
	}
	for _, what := range []string{"settings", "limits of primary", "NATS", "streams and buckets", "NATS rights", "clock", "keys"} {
		if !strings.HasPrefix(lineOf(out, what), "ok") {
			t.Errorf("no good line about %s in\n%s", what, out)
		}
	}
	code, out = k.doctor(nil, "--call")
	if code != 0 || k.hf.Books().Calls != 2 || !strings.HasPrefix(lineOf(out, "key second"), "ok") {
		t.Errorf("exit code %d, %d calls with two keys:\n%s", code, k.hf.Books().Calls, out)
	}
	code, out = k.doctor(map[string]string{"HF_API_KEYS": "primary=hf_primary_token,old=hf_gone"}, "--call")
	if line := lineOf(out, "key old"); code != 1 || !strings.HasPrefix(line, "--") || !strings.Contains(line, "Make calls to Inference Providers") {
		t.Errorf("a key that Hugging Face refuses: exit code %d, %q", code, line)
	}
	if code, _ = k.doctor(map[string]string{"HF_MODEL": ""}); code != 2 {
		t.Errorf("a wrong setting: exit code %d", code)
	}
	if code, out = k.doctor(map[string]string{"NATS_URL": "nats://127.0.0.1:1"}, "--call"); code != 1 || !strings.HasPrefix(lineOf(out, "NATS"), "--") {
		t.Errorf("no NATS: exit code %d\n%s", code, out)
	}
}

// A worker with these settings would refuse to start beside the one that lives.
func TestDoctorComparesTheLimits(t *testing.T) {
	k := setup(t, map[string]string{"BUDGET_LIMITS": "10req/24h"})
	k.start(nil)
	if code, out := k.doctor(nil); code != 0 {
		t.Errorf("exit code %d with the same limits:\n%s", code, out)
	}
	code, out := k.doctor(map[string]string{"BUDGET_LIMITS": "11req/24h"})
	if line := lineOf(out, "limits  "); code != 1 || !strings.HasPrefix(line, "--") || !strings.Contains(line, "10req/day") {
		t.Errorf("exit code %d with others:\n%s", code, out)
	}
	if code, out = k.doctor(nil); code != 0 {
		t.Errorf("exit code %d after that:\n%s", code, out)
	}
}

// What the doctor calls is counted like everything else: no limit is passed for its sake.
func TestDoctorKeepsTheBudget(t *testing.T) {
	k := setup(t, map[string]string{"BUDGET_LIMITS": "1req/24h"})
	if code, out := k.doctor(nil, "--call"); code != 0 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	code, out := k.doctor(nil, "--call")
	if line := lineOf(out, "key primary"); code != 1 || !strings.Contains(line, "no budget before") {
		t.Errorf("exit code %d, %q", code, line)
	}
	if n := k.hf.Books().Calls; n != 2 {
		t.Errorf("%d calls, want one for each key", n)
	}
}
