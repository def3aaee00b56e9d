package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// benchstat compares benchmarks; pinned, so that its output is the same everywhere.
const benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"

// hotPath are the packages whose benchmarks stand for one step of the road each.
var hotPath = []string{
	"salamander.dev/gateway/internal/core/sanitize",
	"salamander.dev/gateway/internal/core/outbound",
	"salamander.dev/gateway/internal/edge/discord",
	"salamander.dev/shared/chat",
	"salamander.dev/worker/internal/edge/store",
}

// micro runs the benchmarks of the hot path and compares them with the recorded ones, or records them.
func (b *bench) micro(ctx context.Context) error {
	args := []string{"test", "-run=^$", "-bench=.", "-benchmem", "-count=" + pick(b, "8", "3"), "-benchtime=" + pick(b, "200ms", "20ms")}
	cmd := exec.CommandContext(ctx, "go", append(args, hotPath...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go test -bench: %w\n%s%s", err, out, stderr.String())
	}
	if b.record != "" {
		return os.WriteFile(b.record, benchLines(out), 0o644)
	}
	now := filepath.Join(b.dir, "now.txt")
	if err := os.WriteFile(now, benchLines(out), 0o600); err != nil {
		return err
	}
	files := []string{"now=" + now}
	if _, err := os.Stat(b.baseline); err == nil {
		files = []string{"recorded=" + b.baseline, "now=" + now}
	}
	stat := exec.CommandContext(ctx, "go", append([]string{"run", benchstat}, files...)...)
	stat.Stderr = os.Stderr
	text, err := stat.Output()
	if err != nil {
		return fmt.Errorf("benchstat: %w", err)
	}
	b.say("## Micro-benchmarks\n\nReported, not judged: machines differ.\n\n```\n%s```\n", text)
	return nil
}

// benchLines keeps what benchstat reads.
func benchLines(out []byte) []byte {
	var kept strings.Builder
	for line := range strings.Lines(string(out)) {
		for _, prefix := range []string{"goos:", "goarch:", "pkg:", "cpu:", "Benchmark"} {
			if strings.HasPrefix(line, prefix) {
				kept.WriteString(line)
			}
		}
	}
	return []byte(kept.String())
}
