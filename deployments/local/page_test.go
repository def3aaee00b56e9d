package main

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

// serve answers one request by the page's handler, as it is served on a loopback address.
func serve(t *testing.T, p *playground, method, host, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://"+host+target, strings.NewReader(body))
	w := httptest.NewRecorder()
	p.handler("127.0.0.1:8080").ServeHTTP(w, r)
	return w
}

func TestThePageIsForThisMachineOnly(t *testing.T) {
	t.Parallel()
	p := simulated(t)
	for host, want := range map[string]int{
		"127.0.0.1:8080": http.StatusOK, "localhost:8080": http.StatusOK, "[::1]:8080": http.StatusOK,
		"evil.example": http.StatusMisdirectedRequest, "192.168.0.9:8080": http.StatusMisdirectedRequest,
	} {
		if got := serve(t, p, http.MethodGet, host, "/", "").Code; got != want {
			t.Errorf("asked as %s: %d, want %d", host, got, want)
		}
	}
}

func TestAnotherSiteGivesNoOrders(t *testing.T) {
	t.Parallel()
	p := simulated(t)
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/api/trouble", strings.NewReader(`{"what":"well"}`))
	r.Header.Set("Origin", "https://evil.example")
	w := httptest.NewRecorder()
	p.handler("127.0.0.1:8080").ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("an order from another site: %d %s", w.Code, w.Body)
	}
}

func TestThePageLoadsFromItselfOnly(t *testing.T) {
	t.Parallel()
	w := serve(t, simulated(t), http.MethodGet, "127.0.0.1:8080", "/", "")
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy %q lets something in", policy)
	}
	for what, re := range map[string]string{
		"an inline style": `\sstyle=|<style`, "an inline script": `<script(?:\s+type="module")?>|\son\w+="`, "another site": `https?://`,
	} {
		if found := regexp.MustCompile(re).FindString(w.Body.String()); found != "" {
			t.Errorf("index.html holds %s: %q", what, found)
		}
	}
}

var (
	imports = regexp.MustCompile(`(?m)^import \{([^}]*)\} from "\./([\w.]+)";`)
	exports = regexp.MustCompile(`(?m)^export (?:async )?(?:function|const|let) ([\w$]+)|^export \{([^}]*)\}`)
	uses    = regexp.MustCompile(`\$\("([\w-]+)"\)`)
)

// TestTheModulesFitTogether finds what a browser would find only when it opens the page: a module or a name that is not
// there, or an element that neither the page nor a module makes.
func TestTheModulesFitTogether(t *testing.T) {
	t.Parallel()
	modules, offered := map[string]string{}, map[string]map[string]bool{}
	list, err := fs.Glob(pageFiles, "page/js/*.js")
	if err != nil || len(list) == 0 {
		t.Fatalf("no modules: %v", err)
	}
	all := ""
	for _, name := range list {
		b, err := fs.ReadFile(pageFiles, name)
		if err != nil {
			t.Fatal(err)
		}
		base := path.Base(name)
		modules[base], offered[base] = string(b), map[string]bool{}
		all += string(b)
		for _, m := range exports.FindAllStringSubmatch(string(b), -1) {
			for _, n := range strings.Split(m[1]+","+m[2], ",") {
				offered[base][strings.TrimSpace(n)] = true
			}
		}
	}
	for name, text := range modules {
		for _, m := range imports.FindAllStringSubmatch(text, -1) {
			for _, n := range strings.Split(m[1], ",") {
				if n = strings.TrimSpace(n); !offered[m[2]][n] {
					t.Errorf("%s imports %s from %s, which has no such export", name, n, m[2])
				}
			}
		}
	}
	index, err := fs.ReadFile(pageFiles, "page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range uses.FindAllStringSubmatch(all, -1) {
		if id := m[1]; !strings.Contains(string(index), `id="`+id+`"`) && !strings.Contains(all, `id: "`+id+`"`) && !strings.HasSuffix(id, "-") {
			t.Errorf("a module asks for #%s, which nothing makes", id)
		}
	}
}
