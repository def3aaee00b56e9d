package main

import (
	"testing"

	"salamander.dev/shared/archtest"
)

// TestEveryRoomImportsOnlyWhatItMay holds this module to the house rules; the reasons stand in the fence.
func TestEveryRoomImportsOnlyWhatItMay(t *testing.T) {
	t.Parallel()
	archtest.Check(t, "gateway", ".")
}
