package config_test

import (
	"testing"

	"salamander.dev/shared/setting/settingtest"
)

func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	settingtest.Documented(t, "../../../docs/settings.md", "worker", "config.go", "Config")
}
