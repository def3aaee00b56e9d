package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// errLocked says that another process holds a lock.
var errLocked = errors.New("locked")

// lockFolder keeps the folder of the store for this process: two NATS servers on one store would destroy it. The lock is
// held as long as the file is open, so that it ends with the process, however that ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := openLocked(filepath.Join(dir, "playground.lock"))
	switch {
	case errors.Is(err, errLocked):
		return nil, fmt.Errorf("another playground uses the folder %s: end that one, or choose another folder with -store", dir)
	case err != nil:
		return nil, fmt.Errorf("lock the folder of the store: %w", err)
	}
	return f, nil
}
