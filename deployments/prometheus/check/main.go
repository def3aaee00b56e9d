// Command check prints every query of the Grafana dashboard as a Prometheus rules file, so that promtool, which knows
// PromQL, can check them:
//
//	go run ./deployments/prometheus/check > queries.yml && promtool check rules queries.yml
//
// Its tests hold the queries and alerts against the metrics that running services export.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

const dashboard = "deployments/grafana/dashboards/salamander.json"

func main() {
	queries, err := readQueries(dashboard)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	rules := make([]rule, 0, len(queries))
	for i, q := range queries {
		rules = append(rules, rule{fmt.Sprintf("query:%d", i), q})
	}
	// JSON is YAML.
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
}

// readQueries returns the PromQL of every panel and annotation, with Grafana's variable filled in.
func readQueries(path string) ([]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var d struct {
		Panels []struct {
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
		Annotations struct {
			List []struct {
				Expr string `json:"expr"`
			} `json:"list"`
		} `json:"annotations"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var queries []string
	add := func(q string) { queries = append(queries, strings.ReplaceAll(q, "$__rate_interval", "1m")) }
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			add(t.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		add(a.Expr)
	}
	return queries, nil
}
