package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

func TestTheDayEndsForEveryQuestionAndPassesNoLimit(t *testing.T) {
	t.Parallel()
	limits, err := budget.ParseLimits("300req/1h,30000tok/month")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(5) {
		asked := day{members: 1000, online: 0.4, questions: 2400, tokens: 23, seed: seed}.ask()
		one := original("one", asked, limits, 1)
		ours := ledger("ours", asked, limits, 2, 15*time.Minute)
		for _, r := range []result{one, ours} {
			if n := r.count(atOnce) + r.count(waited) + r.count(unanswered); n != len(asked) {
				t.Errorf("seed %d, %s: %d ends of %d questions", seed, r.name, n, len(asked))
			}
		}
		if ours.refused != 0 || one.refused == 0 {
			t.Errorf("seed %d: %d calls of ours passed a limit, %d of the original's", seed, ours.refused, one.refused)
		}
		if ours.count(unanswered) >= one.count(unanswered)/2 {
			t.Errorf("seed %d: %d unanswered, the original left %d", seed, ours.count(unanswered), one.count(unanswered))
		}
	}
}

func TestThePictureIsXML(t *testing.T) {
	t.Parallel()
	limits, err := budget.ParseLimits("300req/1h")
	if err != nil {
		t.Fatal(err)
	}
	asked := day{members: 10, online: 0.5, questions: 50, tokens: 20, seed: 1}.ask()
	d := xml.NewDecoder(strings.NewReader(draw([]result{original("<one>", asked, limits, 1)}, limits)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
