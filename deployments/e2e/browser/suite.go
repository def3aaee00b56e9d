package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// suite is one run: a playground, and a page of it.
type suite struct {
	config
	*tab
	p *playground
}

// step is one thing that must hold. It returns what it measured.
type step struct {
	name string
	do   func(*suite) (string, error)
}

var steps = []step{
	{"first answer", (*suite).first},
	{"talk", (*suite).talk},
	{"keyboard", (*suite).walk},
	{"end in sight", (*suite).end},
	{"boxes", (*suite).boxes},
	{"slash", (*suite).slash},
	{"stop", (*suite).silence},
	{"rotation", (*suite).rotation},
	{"kill", (*suite).kill},
	{"troubles", (*suite).burns},
	{"thread", (*suite).thread},
	{"story", (*suite).story},
	{"crowd", (*suite).many},
	{"small", (*suite).small},
}

func run(ctx context.Context, c config) (err error) {
	path, err := findBrowser(ctx)
	if err != nil {
		return err
	}
	if c.shots != "" {
		if err := os.MkdirAll(c.shots, 0o755); err != nil {
			return fmt.Errorf("make the folder of the pictures: %w", err)
		}
	}
	s := &suite{config: c}
	if c.url != "" {
		s.p = &playground{url: c.url, began: time.Now()}
	} else {
		if s.p, err = startPlayground(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.p.stop()) }()
	}
	tabCtx, stop, err := openBrowser(ctx, path)
	if err != nil {
		return err
	}
	defer stop()
	s.tab = newTab(tabCtx, c.shots)
	if err := s.viewport(1440, 900, false); err != nil {
		return err
	}
	if err := s.do(30*time.Second, chromedp.Navigate(s.p.url)); err != nil {
		return fmt.Errorf("open the page: %w", err)
	}
	failed := 0
	for _, st := range steps {
		if c.only != "" && st.name != "first answer" && !slices.Contains(strings.Split(c.only, ","), st.name) {
			continue
		}
		began := time.Now()
		told, err := st.do(s)
		took := time.Since(began).Round(100 * time.Millisecond)
		if err != nil {
			failed++
			fmt.Printf("FAILED  %-13s %7s  %v\n", st.name, took, err)
			_ = s.shot("failed-" + strings.ReplaceAll(st.name, " ", "-"))
			if st.name == "first answer" {
				return fmt.Errorf("nothing works without it; the page wrote: %q", s.complaints())
			}
			if err := s.calm(); err != nil {
				return fmt.Errorf("calm down after %s: %w", st.name, err)
			}
			continue
		}
		fmt.Printf("ok      %-13s %7s  %s\n", st.name, took, told)
	}
	if list := s.complaints(); len(list) > 0 {
		return fmt.Errorf("the page wrote errors:\n  %s", strings.Join(list, "\n  "))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d steps failed", failed, len(steps))
	}
	return nil
}

// calm undoes what a step that failed may have left, so that the next one fails for its own reason only.
func (s *suite) calm() error {
	if err := s.do(30*time.Second, chromedp.Navigate(s.p.url)); err != nil {
		return err
	}
	if err := s.viewport(1440, 900, false); err != nil {
		return err
	}
	if err := s.until(60*time.Second, "everything runs", up); err != nil {
		return err
	}
	if err := s.become("Mia"); err != nil { // a stop may hold
		return err
	}
	if _, err := s.write("$start"); err != nil {
		return err
	}
	return s.become("Ann")
}

// up is an expression: the page says that all is well.
const up = `document.querySelector("#lamp").dataset.state === "good"`

// state is an expression: a field of the page's newest picture of everything.
func state(field string) string {
	return `(await import("/js/store.js")).store.state.` + field
}

// figure evaluates an expression over the state, such as "dead".
func figure[T any](s *suite, field string) (T, error) {
	return eval[T](s.tab, `(async () => `+state(field)+`)()`)
}

// untilState waits for an expression over the state s.
func (s *suite) untilState(within time.Duration, what, js string) error {
	if err := s.until(5*time.Second, "the page's store is there", `(window.salamanderState = window.salamanderState || (import("/js/store.js").then(m => { window.salamanderStore = m.store; }), 1)) && window.salamanderStore && window.salamanderStore.state`); err != nil {
		return err
	}
	return s.until(within, what, `(s => `+js+`)(window.salamanderStore.state)`)
}

// first opens the page while the processes start, and asks.
func (s *suite) first() (string, error) {
	if err := s.until(90*time.Second, "the page says that everything runs", up); err != nil {
		return "", fmt.Errorf("%w\n%s", err, s.p.output())
	}
	ready := time.Since(s.p.began)
	if err := s.theme("dark"); err != nil {
		return "", err
	}
	if err := s.shot("tour"); err != nil {
		return "", err
	}
	id, err := s.write("what do salamanders eat? 🦎")
	if err != nil {
		return "", err
	}
	if err := s.until(30*time.Second, "the first question is answered", answered(id)); err != nil {
		return "", err
	}
	took := time.Since(s.p.began)
	if err := s.until(5*time.Second, "the road shows what the sanitizer took out", `document.querySelector("#wash del")`); err != nil {
		return "", err
	}
	return fmt.Sprintf("ready after %.1f s, first answer %.1f s after the command", ready.Seconds(), took.Seconds()), nil
}
