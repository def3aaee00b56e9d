// Package docker_test holds the compose files to the settings that the services really have.
package docker_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestEverySettingReachesItsService: what docs/settings.md names (a test of each module holds that page to the structs
// that read the environment) is passed on by docker-compose.yml, so that a line in .env is never without effect.
func TestEverySettingReachesItsService(t *testing.T) {
	t.Parallel()
	page := read(t, "../../docs/settings.md")
	var file struct {
		Services map[string]struct {
			Environment map[string]any `yaml:"environment"`
		} `yaml:"services"`
	}
	text := read(t, "../../docker-compose.yml")
	// To goccy/go-yaml a key beside a merged one is a duplicate; to YAML it wins.
	if err := yaml.NewDecoder(strings.NewReader(text), yaml.AllowDuplicateMapKey()).Decode(&file); err != nil {
		t.Fatal(err)
	}
	// Set by the files that need them: an overlay (TLS), or a NATS that is not this one.
	elsewhere := map[string]bool{"NATS_CREDS_FILE": true, "NATS_CA_FILE": true}
	for _, service := range []string{"gateway", "worker"} {
		environment := file.Services[service].Environment
		if len(environment) == 0 {
			t.Fatalf("no environment of %s", service)
		}
		n := 0
		for _, table := range []string{"both", service} {
			for _, alternatives := range settings(t, page, table) {
				n++
				passed := elsewhere[alternatives[0]]
				for _, name := range alternatives {
					_, has := environment[name]
					passed = passed || has
				}
				if !passed {
					t.Errorf("docker-compose.yml does not pass %s to %s", strings.Join(alternatives, " or "), service)
				}
			}
		}
		if n < 20 {
			t.Errorf("only %d settings of %s were found in docs/settings.md", n, service)
		}
	}
}

// settings are the variables of one table, each with its other forms.
func settings(t *testing.T, page, table string) (all [][]string) {
	t.Helper()
	_, rest, ok := strings.Cut(page, "<!-- begin "+table+" -->")
	rows, _, closed := strings.Cut(rest, "<!-- end "+table+" -->")
	if !ok || !closed {
		t.Fatalf("docs/settings.md has no table %q", table)
	}
	name := regexp.MustCompile("`([A-Z][A-Z0-9_]*)`")
	for line := range strings.Lines(rows) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		var names []string
		for _, m := range name.FindAllStringSubmatch(cells[1], -1) {
			names = append(names, m[1])
		}
		if len(names) > 0 {
			all = append(all, names)
		}
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
