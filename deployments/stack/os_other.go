//go:build !linux

package stack

import (
	"syscall"
	"time"
)

// attributes are the system's defaults: other systems have no signal for a parent's death.
func attributes() *syscall.SysProcAttr { return nil }

func rss(int) int64 { return 0 }

func peak(int) int64 { return 0 }

func cpu(int) time.Duration { return 0 }
