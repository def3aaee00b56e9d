package plan

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"salamander.dev/worker/internal/core/budget"
)

// defaultLimits is the default of BUDGET_LIMITS.
const defaultLimits = "300req/1h"

// Run is `worker plan`: it reads flags, writes the answer, and returns the exit code: 0 (also when it does not fit: that
// is an answer), 2 for wrong flags.
func Run(args []string, stdout, stderr io.Writer) int {
	in, asJSON, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "worker plan: %v\n", err)
		return 2
	}
	r := Compute(in)
	if asJSON {
		_, err = io.WriteString(stdout, JSON(r))
	} else {
		_, err = io.WriteString(stdout, Text(in, r))
	}
	if err != nil {
		fmt.Fprintf(stderr, "worker plan: %v\n", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (in Input, asJSON bool, err error) {
	fs := flag.NewFlagSet("worker plan", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.IntVar(&in.Users, "users", 20, "users who ask on one day")
	fs.IntVar(&in.Lines, "lines", 25, "questions of one user on one day")
	fs.IntVar(&in.Hours, "hours", 2, "hours of a day over which the questions are spread")
	fs.IntVar(&in.Days, "days", 30, "days of a month with such a day")
	fs.IntVar(&in.TokensPerLine, "tokens-per-line", 400, "tokens of one question and its answer, with persona and memory")
	fs.IntVar(&in.AnswerTokens, "answer-tokens", 100, "of these, tokens of the answer (for the price)")
	fs.IntVar(&in.Keys, "keys", 1, "number of keys of this kind")
	limits := fs.String("limits", defaultLimits, "what one key may use, as in BUDGET_LIMITS")
	price := fs.String("price", "", "dollars per million tokens, <in>/<out>, as in HF_PRICE")
	fs.BoolVar(&asJSON, "json", false, "print JSON")
	if err = fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(stderr)
			fmt.Fprintln(stderr, "worker plan: will my keys carry my users?")
			fs.PrintDefaults()
		}
		return in, asJSON, err
	}
	if fs.NArg() > 0 {
		return in, asJSON, fmt.Errorf("%q: want flags only, see worker plan --help", fs.Arg(0))
	}
	if in.Limits, err = budget.ParseLimits(*limits); err != nil {
		return in, asJSON, fmt.Errorf("--limits: %w", err)
	}
	if *price != "" {
		if in.Price, err = budget.ParsePrice(*price); err != nil {
			return in, asJSON, fmt.Errorf("--price: %w", err)
		}
	}
	in.AnswerTokens = min(in.AnswerTokens, max(in.TokensPerLine, 0))
	if err := in.Check(); err != nil {
		return in, asJSON, fmt.Errorf("--%w", err)
	}
	return in, asJSON, nil
}
