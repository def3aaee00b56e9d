package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"
)

// pane opens one of the views beside the chat.
func (s *suite) pane(name string) error { return s.click("#tab-" + name) }

// press clicks a button of the Trouble pane.
func (s *suite) press(selector string) error {
	if err := s.pane("trouble"); err != nil {
		return err
	}
	return s.click(selector)
}

// key is an expression over the state s.
func key(name, limit string) string { return `s.keys.find(k => k.name === "` + name + `")` + limit }

// rotation exhausts the first key: the next question takes the second, and the page shows it. When the window turns
// meanwhile, the first key is fresh again and it is tried anew.
func (s *suite) rotation() (string, error) {
	for range 4 {
		turn, err := figure[int64](s, `keys.find(k => k.name === "primary").limits[0].resets`)
		if err != nil {
			return "", err
		}
		turned := key("primary", fmt.Sprintf(".limits[0].resets > %d", turn))
		if err := s.press(`[data-exhaust="primary"]`); err != nil {
			return "", err
		}
		if err := s.pane("road"); err != nil {
			return "", err
		}
		spent := `document.querySelector('[data-key="primary"] .state').textContent === "spent"`
		if err := s.untilState(60*time.Second, "the first key is shown as spent", spent+" || "+turned); err != nil {
			return "", err
		}
		before, err := figure[float64](s, `keys.find(k => k.name === "second").limits[0].book`)
		if err != nil {
			return "", err
		}
		id, err := s.write("who pays for this one?")
		if err != nil {
			return "", err
		}
		used := key("second", fmt.Sprintf(".limits[0].book > %v", before))
		if err := s.untilState(60*time.Second, "the second key is used", used+" || "+turned); err != nil {
			return "", err
		}
		if again, err := eval[bool](s.tab, `(s => `+turned+`)(window.salamanderStore.state)`); err != nil || again {
			if err != nil {
				return "", err
			}
			continue
		}
		return s.rotated(id)
	}
	return "", errors.New("the window turned each time before the first key was spent")
}

// rotated looks at the end of the question that the second key paid for.
func (s *suite) rotated(id string) (string, error) {
	if err := s.shot("rotation"); err != nil {
		return "", err
	}
	if err := s.until(60*time.Second, "the question is answered", answered(id)); err != nil {
		return "", err
	}
	if over, err := figure[int](s, "over"); err != nil || over != 0 {
		return "", errors.Join(err, fmt.Errorf("%d calls were over a limit", over))
	}
	return "the first key was spent, the second took over, 0 calls over a limit", nil
}

// kill kills the worker that has a question in its hands, while the model is slow.
func (s *suite) kill() (string, error) {
	if err := s.press(`[data-ail="slow"]`); err != nil {
		return "", err
	}
	id, err := s.write("will you survive this?")
	if err != nil {
		return "", err
	}
	if err := s.untilState(60*time.Second, "a worker holds the question", `s.processes.some(p => p.role === "worker" && p.inflight > 0)`); err != nil {
		return "", err
	}
	victim, err := figure[string](s, `processes.filter(p => p.role === "worker").sort((a, b) => b.inflight - a.inflight)[0].name`)
	if err != nil {
		return "", err
	}
	began := time.Now()
	if err := s.press("#kill-worker"); err != nil {
		return "", err
	}
	if err := s.untilState(10*time.Second, victim+" is gone", `!s.processes.some(p => p.name === "`+victim+`")`); err != nil {
		return "", err
	}
	if err := s.press(`[data-ail="slow"]`); err != nil { // well again
		return "", err
	}
	if err := s.pane("road"); err != nil {
		return "", err
	}
	if err := s.shot("kill"); err != nil {
		return "", err
	}
	if err := s.until(60*time.Second, "the question of the killed worker is answered", answered(id)); err != nil {
		return "", err
	}
	took := time.Since(began)
	if err := s.press("#add-worker"); err != nil {
		return "", err
	}
	if err := s.untilState(30*time.Second, "there are two workers again", `s.processes.filter(p => p.role === "worker" && p.ready).length === 2`); err != nil {
		return "", err
	}
	if n, err := eval[int](s.tab, `document.querySelectorAll('.message.bot[data-ref="`+id+`"]').length`); err != nil || n != 1 {
		return "", errors.Join(err, fmt.Errorf("it was answered %d times", n))
	}
	return fmt.Sprintf("%s died with the question; another answered it once, %.1f s later", victim, took.Seconds()), nil
}

// thread has answers come in threads, asks, and goes on in the thread.
func (s *suite) thread() (string, error) {
	if err := s.press(`[data-style="thread"]`); err != nil {
		return "", err
	}
	if err := s.untilState(60*time.Second, "the gateway is back with the new style", `s.style === "thread" && s.discord.connected > 0 && s.processes.every(p => p.ready)`); err != nil {
		return "", err
	}
	id, err := s.write("tell me a story about a lake")
	if err != nil {
		return "", err
	}
	chip := `.thread-chip[data-thread="` + id + `"]`
	if err := s.until(60*time.Second, "the answer stands in a thread on the question", `(document.querySelector('`+chip+`') || {textContent: ""}).textContent.includes("1 message")`); err != nil {
		return "", err
	}
	if err := s.click(chip); err != nil {
		return "", err
	}
	if err := s.until(5*time.Second, "the thread is open with the answer", `document.querySelector("#room .crumb") && document.querySelector("#messages .message.bot")`); err != nil {
		return "", err
	}
	next, err := s.write("and then?")
	if err != nil {
		return "", err
	}
	if err := s.until(60*time.Second, "the question in the thread is answered there", answered(next)); err != nil {
		return "", err
	}
	if err := s.pane("road"); err != nil {
		return "", err
	}
	if err := s.shot("thread"); err != nil {
		return "", err
	}
	if err := s.open("ask-salamander"); err != nil {
		return "", err
	}
	if err := s.press(`[data-style="reply"]`); err != nil {
		return "", err
	}
	return "answered in a thread, asked on in it, answered there", s.untilState(60*time.Second, "the gateway is back", `s.style === "reply" && s.discord.connected > 0 && s.processes.every(p => p.ready)`)
}

// story has the story told to its end.
func (s *suite) story() (string, error) {
	if err := s.press("#tell"); err != nil {
		return "", err
	}
	if err := s.until(5*time.Second, "the story's banner is there", `!document.querySelector("#story").hidden`); err != nil {
		return "", err
	}
	if err := s.pane("road"); err != nil {
		return "", err
	}
	began := time.Now()
	for chapter := range 6 {
		if err := s.untilState(2*time.Minute, fmt.Sprintf("chapter %d is told", chapter+1), fmt.Sprintf("s.story.chapter >= %d || (!s.story.on && s.story.verdict)", chapter+1)); err != nil {
			return "", err
		}
		if chapter == 3 {
			if err := s.shot("story"); err != nil {
				return "", err
			}
		}
	}
	if err := s.untilState(3*time.Minute, "the story ends", "!s.story.on && s.story.verdict"); err != nil {
		return "", err
	}
	verdict, err := figure[string](s, "story.verdict")
	if err != nil {
		return "", err
	}
	if good, err := figure[bool](s, "story.good || false"); err != nil || !good {
		facts, _ := eval[string](s.tab, `(async () => { const s = `+state("story")+`, all = `+state("processes")+`, keys = `+state("keys")+`; return JSON.stringify([s.facts, keys, all.map(p => [p.name, p.ready, p.inflight])]); })()`)
		return "", errors.Join(err, fmt.Errorf("%s %s", verdict, facts))
	}
	if err := s.shot("story-end"); err != nil {
		return "", err
	}
	took := time.Since(began)
	if err := errors.Join(s.click("#story button:last-child"), s.do(30*time.Second, chromedp.Navigate(s.p.url))); err != nil {
		return "", err
	}
	if err := s.untilState(10*time.Second, "the page knows the verdict again", "!!s.story.verdict"); err != nil {
		return "", err
	}
	if shown, err := eval[bool](s.tab, `new Promise(r => requestAnimationFrame(() => r(!document.querySelector("#story").hidden)))`); err != nil || shown {
		return "", errors.Join(err, errors.New("the verdict that was closed is there again"))
	}
	return fmt.Sprintf("%s It took %.0f s.", verdict, took.Seconds()), nil
}
