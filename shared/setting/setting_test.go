package setting_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/secret"
	"salamander.dev/shared/setting"
)

type config struct {
	setting.Common
	Token  secret.String `env:"DISCORD_TOKEN,required" expect:"the bot's token"`
	Number int           `env:"NUMBER" envDefault:"7"`
}

func load(t *testing.T, environ map[string]string) (config, []setting.Problem) {
	t.Helper()
	var c config
	var p setting.Problems
	p.Merge(setting.Load(&c, environ))
	c.Check(&p)
	err := p.Err()
	var e *setting.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("an error of another type: %v", err)
	}
	if e == nil {
		return c, nil
	}
	return c, e.Problems
}

func TestDefaultsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	c, problems := load(t, map[string]string{"DISCORD_TOKEN": "abc"})
	if problems != nil {
		t.Fatal(problems)
	}
	if c.NATSURLs[0] != "nats://127.0.0.1:4222" || c.NATSReplicas != 1 || c.NATSProvision != "auto" || c.HTTPAddr != "127.0.0.1:0" ||
		c.LogLevel != "info" || c.LogFormat != "json" || c.LogContent != "failures" || c.DrainTimeout != 25*time.Second || c.Number != 7 {
		t.Errorf("%+v", c)
	}
}

func TestEveryWrongSettingHasALineOfItsOwn(t *testing.T) {
	t.Parallel()
	tests := []struct{ variable, value, wantInLine string }{
		{"NATS_URL", "localhost:4222", "nats://"},
		{"NATS_URL", "nats://ann:hunter2@host:4222", "NATS_USER"},
		{"NATS_REPLICAS", "two", "1, 3 or 5"},
		{"NATS_REPLICAS", "2", "1, 3 or 5"},
		{"NATS_PROVISION", "sometimes", "auto or never"},
		{"HTTP_ADDR", "8080", "host:port"},
		{"HTTP_ADDR", "127.0.0.1:80800", "host:port"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "http://"},
		{"NATS_CA_FILE", "/nowhere/ca.pem", "no such file"},
		{"LOG_LEVEL", "loud", "trace"},
		{"LOG_FORMAT", "xml", "json or console"},
		{"LOG_CONTENT", "all", "failures"},
		{"DRAIN_TIMEOUT", "soon", "25s"},
		{"DRAIN_TIMEOUT", "0s", "25s"},
		{"NUMBER", "x", "whole number"},
		{"NATS_PASSWORD_FILE", "/nowhere/hunter2-file", "path of a file"},
	}
	for _, tt := range tests {
		t.Run(tt.variable+"="+tt.value, func(t *testing.T) {
			t.Parallel()
			_, problems := load(t, map[string]string{"DISCORD_TOKEN": "abc", "NATS_USER": "u", tt.variable: tt.value})
			if len(problems) != 1 {
				t.Fatalf("problems: %v", problems)
			}
			line := problems[0].String()
			if !strings.HasPrefix(line, tt.variable) || !strings.Contains(line, tt.wantInLine) || strings.Contains(line, ":hunter2@") || strings.Contains(line, "\n") {
				t.Errorf("line %q", line)
			}
		})
	}
	_, problems := load(t, map[string]string{"LOG_LEVEL": "loud", "NUMBER": "x"})
	if len(problems) != 3 {
		t.Errorf("two wrong and one missing give %v", problems)
	}
}

func TestSecretsComeFromFilesAndShowNowhere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := load(t, map[string]string{"DISCORD_TOKEN_FILE": path})
	if problems != nil || c.Token.Reveal() != "hunter2" {
		t.Errorf("%q, %v", c.Token.Reveal(), problems)
	}
	_, problems = load(t, map[string]string{"DISCORD_TOKEN_FILE": path, "DISCORD_TOKEN": "hunter2"})
	if len(problems) != 1 || strings.Contains(problems[0].String(), "hunter2") {
		t.Errorf("both given: %v", problems)
	}
}

func TestBaseURLSendsNoTokenInTheClear(t *testing.T) {
	t.Parallel()
	for raw, ok := range map[string]bool{
		"https://discord.com": true, "http://127.0.0.1:8080": true, "http://localhost:1/v1": true, "http://[::1]:2": true,
		"http://sim:8080": true, "http://discord.com": false, "http://127.0.0.1.evil.com": false, "ftp://x": false,
		"discord.com": false, "": false, "https://user:pw@discord.com": false, "://": false, "https://a?x=1": false,
	} {
		if got := setting.BaseURL(raw, []string{"sim"}); (got == "") != ok {
			t.Errorf("BaseURL(%q) = %q, want ok %v", raw, got, ok)
		}
	}
}

func TestWhatIsSetToNothingIsNotSet(t *testing.T) {
	t.Parallel()
	c, problems := load(t, map[string]string{"DISCORD_TOKEN": " ", "NUMBER": "", "NATS_URL": ""})
	if len(problems) != 1 || problems[0].Variable != "DISCORD_TOKEN" || c.Number != 7 || len(c.NATSURLs) != 1 {
		t.Errorf("%v, %+v", problems, c)
	}
	_, problems = load(t, map[string]string{"DISCORD_TOKEN_FILE": filepath.Join(t.TempDir(), "nowhere")})
	if len(problems) != 1 || problems[0].Variable != "DISCORD_TOKEN_FILE" {
		t.Errorf("a file that can't be read: %v", problems)
	}
}
