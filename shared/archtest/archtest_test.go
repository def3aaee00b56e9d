package archtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"salamander.dev/shared/archtest"
)

func TestShared(t *testing.T) {
	t.Parallel()
	archtest.Check(t, "shared", "..")
}

func TestTheFenceSeesWhatIsForbidden(t *testing.T) {
	t.Parallel()
	tests := []struct {
		module, file, imp string
		forbidden         bool
	}{
		{"worker", "internal/core/answer/a.go", "net/http", true},
		{"worker", "internal/core/answer/a.go", "os", true},
		{"worker", "internal/core/answer/a.go", "strings", false},
		{"worker", "internal/core/answer/a.go", "github.com/rs/zerolog", true},
		{"worker", "internal/core/answer/a.go", "salamander.dev/shared/bus", true},
		{"worker", "internal/core/answer/a.go", "salamander.dev/shared/chat", false},
		{"worker", "internal/core/answer/a.go", "salamander.dev/worker/internal/core/budget", false},
		{"worker", "internal/core/answer/a.go", "salamander.dev/worker/internal/edge/store", true},
		{"worker", "internal/edge/store/a.go", "salamander.dev/worker/internal/edge/huggingface", true},
		{"worker", "internal/edge/store/a.go", "salamander.dev/worker/internal/edge/store", false},
		{"worker", "internal/edge/store/a.go", "salamander.dev/shared/sim/hfsim", true},
		{"worker", "app/a.go", "salamander.dev/worker/internal/edge/huggingface", false},
		{"worker", "app/a.go", "github.com/nats-io/nats-server/v2/server", true},
		{"gateway", "app/a.go", "salamander.dev/shared/bus/bustest", true},
		{"shared", "bus/a.go", "salamander.dev/worker/app", true},
		{"shared", "chat/a.go", "github.com/rs/zerolog", true},
		{"shared", "sim/hfsim/a.go", "salamander.dev/shared/chat", true},
		{"deployments", "local/a.go", "salamander.dev/shared/sim/hfsim", false},
	}
	for _, tt := range tests {
		t.Run(tt.module+"/"+tt.file+" "+tt.imp, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, tt.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("package a\nimport _ \""+tt.imp+"\"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			all, files, err := archtest.Violations(tt.module, dir)
			if err != nil || files != 1 || (len(all) == 1) != tt.forbidden {
				t.Errorf("violations %v of %d files, %v; want forbidden %v", all, files, err, tt.forbidden)
			}
		})
	}
}
