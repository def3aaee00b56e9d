package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

func TestMain(m *testing.M) {
	stack.Main()
	os.Exit(m.Run())
}

var (
	sampleLine  = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? `)
	labelPair   = regexp.MustCompile(`([a-z_]+)="`)
	metric      = regexp.MustCompile(`\b(?:salamander|process)_[a-z_]+(?:\{([^}]*)\})?`)
	grouping    = regexp.MustCompile(`\bby \(([a-z, ]*)\)`)
	alertExpr   = regexp.MustCompile(`(?m)^\s+expr: '(.*)'$`)
	scalerQuery = regexp.MustCompile(`(?m)^\s+query: '(.*)'$`)
	runbook     = regexp.MustCompile(`runbook: docs/operations\.md#(\S+)`)
)

// exported asks a question of a running system and returns the metrics of its processes, with the labels of each.
func exported(t *testing.T) map[string]map[string]bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w, err := stack.NewWorld(stack.Config{Dir: t.TempDir()}, &discordsim.Server{}, &hfsim.Server{})
	if err != nil {
		t.Fatal(err)
	}
	place := w.Discord.DefaultWorld()
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		w.Close(end)
	})
	if err := w.Up(ctx, 1, 1); err != nil {
		t.Fatal(err)
	}
	m, err := w.Discord.Say(place.Channel, place.User, fmt.Sprintf("<@%s> hello", w.Discord.BotID()))
	if err != nil {
		t.Fatal(err)
	}
	w.Discord.AskReconnect() // for the metric of ended connections
	found := map[string]map[string]bool{}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for w.Discord.ReplyCount(m.ID) == 0 || found["salamander_discord_connections_ended_total"] == nil {
		select {
		case <-ctx.Done():
			t.Fatal("the question was not answered, or the reconnect not counted")
		case <-tick.C:
		}
		for _, p := range append(w.Running(stack.Gateway), w.Running(stack.Worker)...) {
			scrape(t, ctx, p.Addr, found)
		}
	}
	return found
}

func scrape(t *testing.T, ctx context.Context, addr string, into map[string]map[string]bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		s := sampleLine.FindStringSubmatch(line)
		if s == nil {
			if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" && into[f[2]] == nil {
				into[f[2]] = map[string]bool{} // a family without samples yet
			}
			continue
		}
		if into[s[1]] == nil {
			into[s[1]] = map[string]bool{}
		}
		for _, l := range labelPair.FindAllStringSubmatch(s[2], -1) {
			into[s[1]][l[1]] = true
		}
	}
}

// byNature are metrics with labels that have no sample until what they count happens; they are known by their source.
var byNature = map[string][]string{"salamander_discord_interactions_failed_total": {"reason"}}

// Every metric and label that the dashboard and the alerts ask for is exported by a running gateway or worker.
func TestQueriesAskForWhatIsExported(t *testing.T) {
	t.Parallel()
	found := exported(t)
	for name, labels := range byNature {
		if len(found[name]) > 0 {
			t.Errorf("%s has samples: it needs no exception here", name)
		}
		found[name] = map[string]bool{}
		for _, l := range labels {
			found[name][l] = true
		}
	}
	queries, err := readQueries("../../grafana/dashboards/salamander.json")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := alertExpr.FindAllStringSubmatch(string(rules), -1)
	scaler, err := os.ReadFile("../../kubernetes/scaler.yaml")
	if err != nil {
		t.Fatal(err)
	}
	scaling := scalerQuery.FindStringSubmatch(string(scaler))
	if scaling == nil {
		t.Fatal("the scaler of Kubernetes has no query")
	}
	queries = append(queries, scaling[1])
	if len(queries) < 20 || len(alerts) < 10 {
		t.Fatalf("only %d queries and %d alerts were read", len(queries), len(alerts))
	}
	for _, a := range alerts {
		queries = append(queries, a[1])
	}
	for _, q := range queries {
		any := map[string]bool{"instance": true, "job": true, "le": true} // what Prometheus and histograms add
		for _, m := range metric.FindAllStringSubmatch(q, -1) {
			name, _, _ := strings.Cut(m[0], "{")
			labels, ok := found[name]
			if !ok {
				t.Errorf("nothing exports %s, which is asked for by %s", name, q)
			}
			for l := range labels {
				any[l] = true
			}
			for _, l := range regexp.MustCompile(`([a-z_]+)\s*[!=]`).FindAllStringSubmatch(m[1], -1) {
				if l[1] != "job" && l[1] != "le" && !labels[l[1]] {
					t.Errorf("%s has no label %s, which is asked for by %s", name, l[1], q)
				}
			}
		}
		for _, g := range grouping.FindAllStringSubmatch(q, -1) {
			for _, l := range strings.Split(g[1], ",") {
				if l = strings.TrimSpace(l); !any[l] {
					t.Errorf("nothing has the label %s, by which is grouped: %s", l, q)
				}
			}
		}
	}
}

// Every alert's runbook is a heading of the operations page.
func TestEveryAlertHasARecipe(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if text, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			headings[strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), " ", "-")] = true
		}
	}
	alerts, recipes := strings.Count(string(rules), "- alert:"), runbook.FindAllStringSubmatch(string(rules), -1)
	if alerts == 0 || alerts != len(recipes) {
		t.Errorf("%d alerts, %d recipes", alerts, len(recipes))
	}
	for _, r := range recipes {
		if !headings[r[1]] {
			t.Errorf("docs/operations.md has no heading for #%s", r[1])
		}
	}
}
