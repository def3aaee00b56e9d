package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPromisesHaveTests holds docs/promises.md against the tests that exist.
func TestPromisesHaveTests(t *testing.T) {
	t.Parallel()
	const root = "../.."
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, module := range []string{"shared", "gateway", "worker", "deployments"} {
		err := filepath.WalkDir(filepath.Join(root, module), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			for _, m := range function.FindAllSubmatch(b, -1) {
				declared[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "promises.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(page, -1)
	if len(named) < 100 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !declared[string(m[1])] {
			t.Errorf("docs/promises.md names %s, which is no test", m[1])
		}
	}
	promising := false // within a table of promises
	for i, line := range strings.Split(string(page), "\n") {
		switch {
		case strings.HasPrefix(line, "| promise "):
			promising = true
			continue
		case !strings.HasPrefix(line, "|"):
			promising = false
		}
		if promising && strings.HasPrefix(line, "| ") && !strings.Contains(line, "`Test") && !strings.Contains(line, "`Fuzz") {
			t.Errorf("line %d promises something without a test: %s", i+1, line)
		}
	}
}
