//go:build !windows && (!unix || aix || solaris)

package main

import "os"

// openLocked only opens the file: these systems have no lock in Go's library that ends with the process.
func openLocked(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
