package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/answer"
)

// deadletters is `worker deadletters`.
func deadletters(ctx context.Context, args []string, environ map[string]string, out, _ io.Writer) error {
	var do func(context.Context, *bus.Bus, io.Writer) error
	switch {
	case len(args) == 1 && args[0] == "list":
		do = listLetters
	case len(args) == 2 && args[0] == "list" && args[1] == "--json":
		do = listLettersJSON
	case len(args) >= 1 && args[0] == "replay":
		do = func(ctx context.Context, b *bus.Bus, out io.Writer) error { return replay(ctx, b, args[1:], out) }
	case len(args) == 1 && args[0] == "purge":
		do = purge
	default:
		return errUsage
	}
	b, err := open(ctx, environ)
	if err != nil {
		return err
	}
	defer b.Close()
	return do(ctx, b, out)
}

func listLettersJSON(ctx context.Context, b *bus.Bus, out io.Writer) error {
	enc := json.NewEncoder(out)
	var failed error
	err := b.DeadLetters(ctx, func(l bus.StoredLetter) bool {
		failed = enc.Encode(l)
		return failed == nil
	})
	if err != nil {
		return err
	}
	return failed
}

func listLetters(ctx context.Context, b *bus.Bus, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	n := 0
	err := b.DeadLetters(ctx, func(s bus.StoredLetter) bool {
		if n++; n == 1 {
			fmt.Fprintln(w, "ID\tAT\tGUILD\tCHANNEL\tSTAGE\tREASON\tATTEMPTS\tKEY\tCAUSE")
		}
		l := s.Letter
		id := string(l.Question.ID)
		if id == "" {
			id = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%.200q\n", id, l.At.UTC().Format(time.RFC3339), l.Question.Guild,
			l.Question.Channel, l.Stage, l.Reason, l.Attempts, l.Key, l.Cause)
		return true
	})
	if err != nil {
		return err
	}
	if n == 0 {
		fmt.Fprintln(out, "no dead letters")
	}
	return w.Flush()
}

// replay asks again, each as an attempt of its own. A letter leaves the list when its replay was answered. What could
// not be read as a question can't be asked.
func replay(ctx context.Context, b *bus.Bus, ids []string, out io.Writer) error {
	var letters []chat.DeadLetter
	if err := b.DeadLetters(ctx, func(s bus.StoredLetter) bool {
		if len(ids) == 0 || slices.ContainsFunc(ids, func(id string) bool { return names(id, s.Letter) }) {
			letters = append(letters, s.Letter)
		}
		return true
	}); err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(letters, func(l chat.DeadLetter) bool { return names(id, l) }) {
			return fmt.Errorf("%s: no such dead letter; see 'worker deadletters list'", id)
		}
	}
	asked := 0
	for _, l := range letters {
		q, ok := again(l.Question, time.Now())
		if !ok {
			fmt.Fprintf(out, "skipped %q: it can't be read as a question; 'purge' removes it\n", l.Question.ID)
			continue
		}
		q, running, err := askAgain(ctx, b, q)
		switch {
		case err != nil:
			return fmt.Errorf("ask %s again (%d asked before it): %w", l.Question.ID, asked, err)
		case running:
			fmt.Fprintf(out, "skipped %s: it is being asked as %s already\n", l.Question.ID, q.ID)
			continue
		}
		asked++
		fmt.Fprintf(out, "asked %s again as %s\n", l.Question.ID, q.ID)
	}
	fmt.Fprintf(out, "%d asked again; a letter leaves the list when its replay was answered\n", asked)
	return nil
}

// names says whether an id means a letter: its own, or that of the question that was asked at first.
func names(id string, l chat.DeadLetter) bool {
	base, _ := answer.Replay(l.Question.ID)
	return id == string(l.Question.ID) || id == string(base)
}

// askAgain asks under the first number that has not ended yet: a replay that ended in an apology, or that a stop dropped, in a
// worker's hands or out of the queue, leaves the letter where it is. running says that the one without an end is in the queue already.
func askAgain(ctx context.Context, b *bus.Bus, q chat.Question) (asked chat.Question, running bool, err error) {
	base, n := answer.Replay(q.ID)
	for ; ; n++ {
		q.ID = answer.ReplayID(base, n)
		_, ended, err := b.Answered(ctx, q)
		if err == nil && !ended {
			ended, err = b.Ended(ctx, q.ID)
		}
		if err != nil {
			return q, false, err
		}
		if !ended {
			running, err = b.PublishQuestion(ctx, q)
			return q, running, err
		}
	}
}

// again is the next replay of a question; ok is false for what is not complete.
func again(q chat.Question, now time.Time) (next chat.Question, ok bool) {
	base, n := answer.Replay(q.ID)
	q.ID, q.Mark, q.Asked, q.Late = answer.ReplayID(base, n+1), chat.SnowflakeAt(now), now.UTC(), false
	body, err := json.Marshal(q)
	if err != nil {
		return q, false
	}
	_, err = chat.DecodeQuestion(body)
	return q, err == nil
}

func purge(ctx context.Context, b *bus.Bus, out io.Writer) error {
	n, err := b.PurgeDeadLetters(ctx, control.Fleet)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d dead letters removed\n", n)
	return nil
}
