// Replay lives the original bot's day once more, in virtual time and with the same arithmetic that the workers use: a
// server of 1,000 members with 40 % online asks 2,400 questions, and there are two keys of 300 requests an hour and
// 30,000 tokens a month. It prints who was answered, at once, after waiting or not at all, beside the original's ways,
// and draws the day as SVG:
//
//	go run ./worker/internal/core/plan/replay -svg docs/img/original-day.svg
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	fs := flag.NewFlagSet("replay", flag.ContinueOnError)
	var d day
	fs.IntVar(&d.members, "members", 1000, "members of the server")
	fs.Float64Var(&d.online, "online", 0.4, "share of them that is online")
	fs.IntVar(&d.questions, "questions", 2400, "questions of the day")
	fs.IntVar(&d.tokens, "tokens", 23, "mean tokens of a question and its answer: lines were short, and nothing was sent along")
	fs.Uint64Var(&d.seed, "seed", 1, "of the day's chances")
	limitText := fs.String("limits", "300req/1h,30000tok/month", "of one key")
	within := fs.Duration("answer-within", 15*time.Minute, "how long a question may wait")
	svg := fs.String("svg", "", "file to draw the day into")
	if err := fs.Parse(args); err != nil {
		return err
	}
	limits, err := budget.ParseLimits(*limitText)
	if err != nil {
		return err
	}
	asked := d.ask()
	results := []result{
		original("original, one key", asked, limits, 1),
		original("original, two keys with a switch", asked, limits, 2),
		ledger("Salamander, two keys", asked, limits, 2, *within),
	}
	fmt.Fprintf(out, "%d questions of %.0f users; two keys of %s; a question may wait %s\n\n", len(asked), float64(d.members)*d.online, limits, *within)
	fmt.Fprintln(out, "| | at once | after waiting | not at all | calls that a limit refused | wait p50 / p99 |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	for _, r := range results {
		fmt.Fprintln(out, r.row())
	}
	if *svg == "" {
		return nil
	}
	return os.WriteFile(*svg, []byte(draw(results, limits)), 0o644)
}
