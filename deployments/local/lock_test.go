package main

import (
	"strings"
	"testing"
)

func TestAFolderHasOnePlayground(t *testing.T) {
	t.Parallel()
	p := simulated(t)
	if _, err := newPlayground(p.o, nil); err == nil || !strings.Contains(err.Error(), "another playground uses the folder "+p.dir) {
		t.Fatalf("a second one in the same folder: %v", err)
	}
	p.close()
	second, err := newPlayground(p.o, nil)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	second.close()
}
