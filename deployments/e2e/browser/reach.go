package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// focused is an expression: the id of the message that has the focus.
const focused = `(document.activeElement.closest("#messages > .message") || {dataset: {id: ""}}).dataset.id`

// walk reaches the messages by the keyboard alone: it replies to one and deletes another.
func (s *suite) walk() (string, error) {
	first, err := s.write("$ignore the first of two")
	if err != nil {
		return "", err
	}
	second, err := s.write("$ignore the second of two")
	if err != nil {
		return "", err
	}
	back := func(to string) error { // from the box
		for range 3 {
			if err := s.keys(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)); err != nil {
				return err
			}
			if at, err := eval[string](s.tab, focused); err != nil || at != "" {
				return errors.Join(err, s.until(5*time.Second, "Shift and Tab reach the message", focused+` === "`+to+`"`))
			}
		}
		return errors.New("no message is reached by Shift and Tab")
	}
	press := func(key, what, js string) error { return errors.Join(s.keys(key), s.until(5*time.Second, what, js)) }
	const reply = `!document.querySelector("#context").hidden && document.querySelector("#context").textContent.includes("first of two")`
	for _, do := range []func() error{
		func() error { return back(second) },
		func() error { return press(kb.ArrowUp, "the arrow goes up", focused+` === "`+first+`"`) },
		func() error { return press("r", "a reply is begun", reply) },
		func() error {
			return press(kb.Escape, "the reply is given up", `document.querySelector("#context").hidden && document.activeElement.id === "box"`)
		},
		func() error { return back(first) }, // where the focus was
		func() error { return press(kb.ArrowDown, "the arrow goes down", focused+` === "`+second+`"`) },
		func() error {
			return press(kb.Delete, "the message is gone", `!document.querySelector('.message[data-id="`+second+`"]')`)
		},
		func() error { return press(kb.Escape, "Escape goes to the box", `document.activeElement.id === "box"`) },
	} {
		if err := do(); err != nil {
			return "", err
		}
	}
	return "Tab, arrows, r, Delete and Escape, without a mouse", nil
}

// atEnd is an expression: the newest message is in sight.
const atEnd = `(e => e.scrollHeight > e.clientHeight && e.scrollHeight - e.scrollTop - e.clientHeight < 2)(document.querySelector("#scroll"))`

// end opens the page anew with the tour over many messages, makes it smaller and speaks: the newest message stays in sight.
func (s *suite) end() (string, error) {
	if err := s.viewport(1440, 480, false); err != nil {
		return "", err
	}
	if err := s.do(30*time.Second, chromedp.Navigate(s.p.url)); err != nil {
		return "", err
	}
	if err := s.until(10*time.Second, "the tour is open and the newest message in sight", up+` && !document.querySelector("#tour").hidden && `+atEnd); err != nil {
		return "", err
	}
	if err := s.viewport(1440, 400, false); err != nil {
		return "", err
	}
	if err := s.until(5*time.Second, "it is in sight in a smaller window", atEnd); err != nil {
		return "", err
	}
	if err := s.until(5*time.Second, "the messages are scrolled up", `(e => (e.scrollTop = 0, e.scrollTop === 0))(document.querySelector("#scroll"))`); err != nil {
		return "", err
	}
	if _, err := s.write("$ignore where am I?"); err != nil {
		return "", err
	}
	if err := s.until(5*time.Second, "one's own message is in sight", atEnd+` && document.querySelector("#newer").hidden`); err != nil {
		return "", err
	}
	return "after a reload with the tour, in a smaller window, and after one's own message", s.viewport(1440, 900, false)
}

// roomy is an expression: the words in the empty box are whole, and nothing scrolls.
const roomy = `(b => {
  const s = getComputedStyle(b), words = document.createElement("span");
  words.style.cssText = "position: fixed; visibility: hidden; white-space: nowrap; font: " + s.font;
  words.textContent = b.placeholder;
  document.body.append(words);
  const width = words.getBoundingClientRect().width;
  words.remove();
  return b.placeholder && width <= b.clientWidth - parseFloat(s.paddingLeft) - parseFloat(s.paddingRight) && b.scrollHeight <= b.clientHeight;
})(document.querySelector("#box"))`

// boxes looks at the words in the empty message box at several widths, and at the commands of direct messages.
func (s *suite) boxes() (string, error) {
	for _, width := range []int64{1440, 1024, 320} {
		if err := s.viewport(width, 700, false); err != nil {
			return "", err
		}
		if err := s.until(5*time.Second, fmt.Sprintf("the words in the box fit at a width of %d", width), roomy); err != nil {
			return "", err
		}
	}
	if err := s.viewport(1440, 900, false); err != nil {
		return "", err
	}
	if err := errors.Join(s.click(`#rail button[aria-label="Direct messages"]`), s.focus("#box"), s.keys("/")); err != nil {
		return "", err
	}
	const offered = `[...document.querySelectorAll("#suggest [role=option] b")].map(b => b.textContent)`
	if err := s.until(10*time.Second, "the picker offers what Discord offers in direct messages", `(o => o.includes("/help") && !o.includes("/stop") && !o.includes("/mute"))(`+offered+`)`); err != nil {
		return "", err
	}
	return "no word is cut; no moderators' command in direct messages", errors.Join(s.keys(kb.Backspace), s.click(`#rail button[aria-label="Ember Café"]`))
}
