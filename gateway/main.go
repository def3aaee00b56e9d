// Command gateway is everything of Salamander that touches Discord: it takes questions and posts answers.
package main

import (
	"context"
	"os"

	"salamander.dev/gateway/app"
	"salamander.dev/shared/process"
	"salamander.dev/shared/setting"
)

func main() {
	environ := setting.Environ()
	process.OneProcessor(environ)
	os.Exit(app.Main(context.Background(), os.Args[1:], environ, os.Stdout, os.Stderr))
}
