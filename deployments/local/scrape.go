package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sample is one line of Prometheus' text format.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// maxMetrics bounds what is read of one process, in bytes.
const maxMetrics = 4 << 20

var scraper = &http.Client{Timeout: time.Second}

// scrape reads the salamander_ metrics of one process.
func scrape(ctx context.Context, addr string) ([]sample, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := scraper.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics: %s", res.Status)
	}
	return parseMetrics(io.LimitReader(res.Body, maxMetrics))
}

// parseMetrics reads the lines that begin with salamander_; others, comments and buckets are left out.
func parseMetrics(r io.Reader) ([]sample, error) {
	var out []sample
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "salamander_") {
			continue
		}
		if s, ok := parseSample(lines.Text()); ok && !strings.HasSuffix(s.name, "_bucket") {
			out = append(out, s)
		}
	}
	return out, lines.Err()
}

// parseSample reads `name{label="value",…} 1.5`.
func parseSample(line string) (s sample, ok bool) {
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return s, false
	}
	s.name, line = line[:end], line[end:]
	s.labels = map[string]string{}
	if line[0] == '{' {
		line = line[1:]
		for !strings.HasPrefix(line, "}") {
			name, rest, found := strings.Cut(line, "=")
			if !found {
				return s, false
			}
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return s, false
			}
			value, err := strconv.Unquote(quoted)
			if err != nil {
				return s, false
			}
			s.labels[name] = value
			line = strings.TrimPrefix(rest[len(quoted):], ",")
		}
		line = line[1:]
	}
	number, _, _ := strings.Cut(strings.TrimSpace(line), " ") // a time may follow
	v, err := strconv.ParseFloat(number, 64)
	s.value = v
	return s, err == nil
}
