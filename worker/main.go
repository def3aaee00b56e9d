// Command worker thinks: it takes questions from the bus, asks a model at Hugging Face under the shared budget, and puts
// the answers back on the bus. README.md shows the road, CONTRACT the settings; `worker help` lists the subcommands.
package main

import (
	"os"

	"salamander.dev/shared/process"
	"salamander.dev/shared/setting"
	"salamander.dev/worker/app"
)

func main() {
	environ := setting.Environ()
	process.OneProcessor(environ)
	os.Exit(app.Main(os.Args[1:], environ))
}
