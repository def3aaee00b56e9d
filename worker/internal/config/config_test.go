package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/setting"
	"salamander.dev/worker/internal/config"
)

// secretToken is in every environment; no message may show it.
const secretToken = "hf_never_to_be_seen"

func environ(set map[string]string) map[string]string {
	e := map[string]string{"HF_API_KEYS": "primary=" + secretToken, "HF_MODEL": "some/model"}
	maps.Copy(e, set)
	return e
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(environ(nil))
	if err != nil {
		t.Fatal(err)
	}
	if c.HFBaseURL != "https://router.huggingface.co/v1" || c.HFTask != "chat" || c.HFMaxTokens != 256 || c.HFTemperature != 0.8 ||
		c.HFTimeout != time.Minute || c.Concurrency != 8 || c.AnswerWithin != 15*time.Minute || c.MemoryTurns != 8 ||
		c.MemoryTTL != 30*time.Minute || c.MemoryTokens != 1000 || c.LogContent != "failures" || c.DrainTimeout != 25*time.Second {
		t.Errorf("%+v", c)
	}
	if len(c.Keys) != 1 || c.Keys[0].Limits.String() != "300req/1h" || c.Persona.Name == "" {
		t.Errorf("%+v", c.Keys)
	}
}

func TestKeysAreReadInOrderWithTheirLimits(t *testing.T) {
	t.Parallel()
	set := map[string]string{
		"HF_API_KEYS": "", "HF_API_KEYS_FILE": file(t, "zeta=t1\n# the second account\n\nAlpha-2=t2,\r\nmid=t=3=\n"),
		"BUDGET_LIMITS": "0.10usd/month, 300req/1h", "BUDGET_LIMITS_ALPHA_2": "none", "BUDGET_LIMITS_MID": "5req/2s,9tok/day", "HF_PRICE": "0.5/1.5",
	}
	c, err := config.Load(environ(set))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range c.Keys {
		got = append(got, k.Name+" "+k.Token.Reveal()+" "+k.Limits.String())
	}
	want := []string{"zeta t1 300req/1h,0.1usd/month", "Alpha-2 t2 none", "mid t=3= 5req/2s,9tok/day"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSmallValues are unusual, and right.
func TestSmallValues(t *testing.T) {
	t.Parallel()
	c, err := config.Load(environ(map[string]string{
		"HF_MAX_TOKENS": "16", "HF_TIMEOUT": "300ms", "ANSWER_WITHIN": "500ms", "MEMORY_TTL": "1ms", "DRAIN_TIMEOUT": "0.5s",
		"HF_BASE_URL": "http://hf:80/v1", "ALLOW_HTTP_HOSTS": "other, hf", "NATS_URL": "nats://a:1, nats://b:2",
	}))
	if err != nil || c.HFMaxTokens != 16 || c.HFTimeout != 300*time.Millisecond || c.AnswerWithin != 500*time.Millisecond ||
		c.DrainTimeout != 500*time.Millisecond || !slices.Equal(c.NATSURLs, []string{"nats://a:1", "nats://b:2"}) {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestASubcommandChecksOnlyWhatItUses: dead letters need NATS and nothing else.
func TestASubcommandChecksOnlyWhatItUses(t *testing.T) {
	t.Parallel()
	c, err := setting.LoadNATS(map[string]string{"NATS_USER": "admin", "DRAIN_TIMEOUT": "soon", "HTTP_ADDR": "nowhere", "LOG_LEVEL": "loud"})
	if err != nil || c.NATSUser != "admin" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestLimitsAreLabelledAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	c, err := config.Load(environ(map[string]string{
		"HF_API_KEYS": "a=x,b=y", "HF_PRICE": "1/2", "BUDGET_LIMITS": "90req/60s, 0.10usd/month", "BUDGET_LIMITS_B": "7 req/24h",
	}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range c.Keys {
		for _, l := range k.Limits {
			got = append(got, c.LimitText(k.Name, l))
		}
	}
	if want := []string{"90req/60s", "0.10usd/month", "7req/24h"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := c.LimitText("a", c.Keys[1].Limits[0]); got != "7req/day" { // another worker's
		t.Errorf("a limit that is not ours is called %q", got)
	}
}

// TestWrongSettingsAreNamed wants one line for each wrong setting: the variable, the bad value, what is expected.
func TestWrongSettingsAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set   map[string]string
		lines []string // each the beginning of one line, in any order
	}{
		"nothing set":                       {map[string]string{"HF_API_KEYS": "", "HF_MODEL": ""}, []string{"HF_API_KEYS: expected name=token pairs", "HF_MODEL: expected a model id"}},
		"limits of keys that can't be read": {map[string]string{"HF_API_KEYS": "", "BUDGET_LIMITS_PRIMARY": "none"}, []string{"HF_API_KEYS: expected name=token pairs"}},
		"a key without a name":              {map[string]string{"HF_API_KEYS": secretToken}, []string{"HF_API_KEYS: expected name=token pairs, comma or newline separated; pair 1 has no name"}},
		"a name twice":                      {map[string]string{"HF_API_KEYS": "a=" + secretToken + ",a=x"}, []string{`HF_API_KEYS: expected name=token pairs, comma or newline separated; the name "a" is there twice`}},
		"a token with a blank":              {map[string]string{"HF_API_KEYS": "a=x " + secretToken}, []string{"HF_API_KEYS: "}},
		"plain http":                        {map[string]string{"HF_BASE_URL": "http://example.com/v1"}, []string{`HF_BASE_URL="http://example.com/v1": expected https`}},
		"a user in the URL":                 {map[string]string{"HF_BASE_URL": "https://me:" + secretToken + "@example.com"}, []string{`HF_BASE_URL="https://…@example.com": expected`}},
		"task":                              {map[string]string{"HF_TASK": "poetry"}, []string{`HF_TASK="poetry": expected chat or text-generation`}},
		"numbers": {map[string]string{"HF_MAX_TOKENS": "0", "HF_TEMPERATURE": "3.0", "WORKER_CONCURRENCY": "0", "MEMORY_TURNS": "-1", "MEMORY_TOKENS": "1e3"},
			[]string{`HF_MAX_TOKENS="0": expected a whole number`, `HF_TEMPERATURE="3.0": expected a number`, `WORKER_CONCURRENCY="0": expected a whole number`,
				`MEMORY_TURNS="-1": expected a whole number`, `MEMORY_TOKENS="1e3": expected a whole number`}},
		"durations": {map[string]string{"HF_TIMEOUT": "60", "ANSWER_WITHIN": "soon", "MEMORY_TTL": "0.0s", "DRAIN_TIMEOUT": "0s"},
			[]string{`HF_TIMEOUT="60": expected a duration`, `ANSWER_WITHIN="soon": expected a duration`, `MEMORY_TTL="0.0s": expected a duration`, `DRAIN_TIMEOUT="0s": expected a duration`}},
		"limits": {map[string]string{"BUDGET_LIMITS": "300/1h", "BUDGET_LIMITS_PRIMARY": "5req/500ms"},
			[]string{`BUDGET_LIMITS="300/1h": expected comma separated`, `BUDGET_LIMITS_PRIMARY="5req/500ms": expected comma separated`}},
		"limits of nobody":         {map[string]string{"BUDGET_LIMITS_PRIMRAY": "none"}, []string{`BUDGET_LIMITS_PRIMRAY="none": expected the name of a key of HF_API_KEYS`}},
		"dollars for free":         {map[string]string{"BUDGET_LIMITS": "0.10usd/month"}, []string{"HF_PRICE: expected <in>/<out>"}},
		"price":                    {map[string]string{"HF_PRICE": "cheap"}, []string{`HF_PRICE="cheap": expected <in>/<out>`}},
		"logs":                     {map[string]string{"LOG_LEVEL": "loud", "LOG_FORMAT": "xml", "LOG_CONTENT": "some"}, []string{`LOG_LEVEL="loud"`, `LOG_FORMAT="xml"`, `LOG_CONTENT="some": expected never, failures or always`}},
		"NATS":                     {map[string]string{"NATS_URL": "localhost", "NATS_REPLICAS": "2", "NATS_PROVISION": "maybe"}, []string{`NATS_URL="localhost"`, `NATS_REPLICAS="2"`, `NATS_PROVISION="maybe"`}},
		"a file that is not there": {map[string]string{"HF_API_KEYS": "", "HF_API_KEYS_FILE": "/nowhere/keys"}, []string{`HF_API_KEYS_FILE="/nowhere/keys": expected the path of a file`}},
		"both ways":                {map[string]string{"HF_API_KEYS_FILE": "/nowhere/keys"}, []string{`HF_API_KEYS_FILE="/nowhere/keys": expected nothing`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(environ(c.set))
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), secretToken) {
				t.Errorf("a token is shown: %s", err)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.lines) {
				t.Errorf("%d lines, want %d:\n%s", len(lines), len(c.lines), err)
			}
			for _, want := range c.lines {
				if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
					t.Errorf("no line begins with %q:\n%s", want, err)
				}
			}
		})
	}
}

func TestPersonaFiles(t *testing.T) {
	t.Parallel()
	c, err := config.Load(environ(map[string]string{"PERSONA_FILE": file(t, "name: Ember\nsystem: |\n  You are Ember.\nexamples:\n  - user: hi\n    bot: hello\nfallback: Ash.\n")}))
	if err != nil || c.Persona.Name != "Ember" || c.Persona.System != "You are Ember." || c.Persona.Greeting != "" || c.Persona.Fallback != "Ash." || len(c.Persona.Examples) != 1 {
		t.Errorf("%+v, %v", c.Persona, err)
	}
	for name, f := range map[string]struct{ text, want string }{
		"no YAML":          {"name: [", "expected YAML with name, system"},
		"an unknown field": {"name: Ember\nsystem: x\ngreetings: hi\n", "greetings"},
		"a list":           {"- a\n- b\n", "expected YAML with name, system"},
		"nothing":          {"", "expected a file with at least name and system"},
		"half of it":       {"name: Ember\n", "system: expected the character's instructions"},
		"half an example":  {"name: Ember\nsystem: x\nexamples:\n  - user: hi\n", "examples[0].bot: expected a text"},
		"a colon":          {"name: 'Em:ber'\nsystem: x\n", "name: expected a name"},
		"too much":         {"name: Ember\nsystem: " + strings.Repeat("x", 70_000), "at most"},
	} {
		_, err := config.Load(environ(map[string]string{"PERSONA_FILE": file(t, f.text)}))
		if err == nil || !strings.HasPrefix(err.Error(), "PERSONA_FILE=") || !strings.Contains(err.Error(), f.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, f.want)
		}
	}
	if _, err := config.Load(environ(map[string]string{"PERSONA_FILE": "/nowhere/p.yaml"})); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
}
