package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/chromedp/chromedp"
)

// browsers are the names under which Chromium is installed.
var browsers = []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"}

// packages are Debian's: the browser, and fonts with letters and emoji for the pictures.
var packages = []string{"chromium", "fonts-dejavu-core", "fonts-noto-color-emoji"}

// findBrowser is the path of a Chromium; where there is none, it is installed by apt.
func findBrowser(ctx context.Context) (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path, nil
	}
	if path := look(); path != "" {
		return path, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "", errors.New("no Chromium is installed: install it, or set CHROMIUM to its path")
	}
	fmt.Println("installing Chromium by apt-get …")
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)} {
		if out, err := apt(ctx, args).CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out)
		}
	}
	if path := look(); path != "" {
		return path, nil
	}
	return "", errors.New("apt-get installed no Chromium")
}

// apt runs apt-get, by sudo where this user is not root.
func apt(ctx context.Context, args []string) *exec.Cmd {
	name := "apt-get"
	if os.Getuid() != 0 {
		args, name = append([]string{"-n", name}, args...), "sudo"
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return cmd
}

func look() string {
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// openBrowser starts a headless Chromium that ends with ctx; stop ends it earlier and removes what it stored.
func openBrowser(ctx context.Context, path string) (c context.Context, stop func(), err error) {
	dir, err := os.MkdirTemp("", "salamander-browser-")
	if err != nil {
		return nil, nil, fmt.Errorf("make a folder for the browser: %w", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.WindowSize(1440, 900), chromedp.Flag("lang", "en-GB"), chromedp.Env("LANG=en_GB.UTF-8", "HOME="+dir),
	)
	allocator, endAllocator := chromedp.NewExecAllocator(ctx, options...)
	c, endTab := chromedp.NewContext(allocator)
	stop = func() {
		endTab()
		endAllocator()
		_ = os.RemoveAll(dir) // the system's own folder for such things
	}
	if err := chromedp.Do(c); err != nil {
		stop()
		return nil, nil, fmt.Errorf("start %s: %w", path, err)
	}
	return c, stop, nil
}
