package main

import (
	"fmt"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// run types a slash command, chooses it in the picker by Enter, and waits for its answer.
func (s *suite) run(command string) (answer string, err error) {
	const answers = `document.querySelectorAll('#messages .message:not([data-command=""])').length`
	before, err := eval[int](s.tab, answers)
	if err != nil {
		return "", err
	}
	if err := s.focus("#box"); err != nil {
		return "", err
	}
	if err := s.keys("/" + command); err != nil {
		return "", err
	}
	if err := s.until(30*time.Second, "the picker offers /"+command, `!document.querySelector("#suggest").hidden && document.querySelector("#suggest [aria-selected=true] b")?.textContent === `+quote("/"+command)); err != nil {
		return "", err
	}
	if err := s.keys(kb.Enter); err != nil {
		return "", err
	}
	form, err := eval[bool](s.tab, `!document.querySelector("#slash").hidden`)
	if err != nil {
		return "", err
	}
	if form {
		if err := s.keys(kb.Enter); err != nil {
			return "", err
		}
	}
	if err := s.until(20*time.Second, "the answer to /"+command, answers+fmt.Sprintf(" > %d", before)); err != nil {
		return "", err
	}
	return eval[string](s.tab, `[...document.querySelectorAll('#messages .message:not([data-command=""]) .text')].at(-1).textContent`)
}

// slash asks for help: the picker has descriptions, the answer is for one's own eyes.
func (s *suite) slash() (string, error) {
	if err := s.focus("#box"); err != nil {
		return "", err
	}
	if err := s.keys("/"); err != nil {
		return "", err
	}
	const offered = `[...document.querySelectorAll("#suggest [role=option]")].filter(o => o.querySelector("small").textContent.length > 5).length`
	if err := s.until(30*time.Second, "the picker describes nine commands", offered+" >= 9"); err != nil {
		return "", err
	}
	n, err := eval[int](s.tab, offered)
	if err != nil {
		return "", err
	}
	if err := s.shot("picker"); err != nil {
		return "", err
	}
	if err := s.keys(kb.Backspace); err != nil {
		return "", err
	}
	if _, err := s.run("help"); err != nil {
		return "", err
	}
	if err := s.become("Ben"); err != nil {
		return "", err
	}
	if n, err := eval[int](s.tab, `document.querySelectorAll("#messages .message.secret").length`); err != nil || n != 0 {
		return "", fmt.Errorf("somebody else sees %d answers that were for Ann alone (%v)", n, err)
	}
	if _, err := s.run("stop"); err != nil {
		return "", err
	}
	if err := s.become("Ann"); err != nil {
		return "", err
	}
	id, err := s.write("did Ben stop you?")
	if err != nil {
		return "", err
	}
	if err := s.until(30*time.Second, "a member's /stop stops nothing", answered(id)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d commands with descriptions, ephemeral answers, a member's /stop refused", n), nil
}

// silence stops the bot as the moderator: it is silent in this server, and answers in the other.
func (s *suite) silence() (string, error) {
	if err := s.become("Mia"); err != nil {
		return "", err
	}
	said, err := s.run("stop")
	if err != nil {
		return "", err
	}
	if err := s.become("Ann"); err != nil {
		return "", err
	}
	stopped, err := figure[int](s, "questions.stopped || 0")
	if err != nil {
		return "", err
	}
	silent, err := s.write("are you there?")
	if err != nil {
		return "", err
	}
	if err := s.untilState(20*time.Second, "the gateway counted a stopped question", fmt.Sprintf("(s.questions.stopped || 0) > %d", stopped)); err != nil {
		return "", err
	}
	if err := s.click(`#rail button[aria-label="Night Lodge"]`); err != nil {
		return "", err
	}
	id, err := s.write("and you next door?")
	if err != nil {
		return "", err
	}
	if err := s.until(30*time.Second, "the other server is answered", answered(id)); err != nil {
		return "", err
	}
	if err := s.click(`#rail button[aria-label="Ember Café"]`); err != nil {
		return "", err
	}
	if n, err := eval[int](s.tab, `document.querySelectorAll('.message.bot[data-ref="`+silent+`"]').length`); err != nil || n != 0 {
		return "", fmt.Errorf("the stopped bot answered %d times (%v)", n, err)
	}
	if err := s.shot("stop"); err != nil {
		return "", err
	}
	if err := s.become("Mia"); err != nil {
		return "", err
	}
	if _, err := s.run("start"); err != nil {
		return "", err
	}
	if err := s.become("Ann"); err != nil {
		return "", err
	}
	if id, err = s.write("welcome back?"); err != nil {
		return "", err
	}
	if err := s.until(60*time.Second, "it answers again", answered(id)); err != nil {
		return "", err
	}
	return fmt.Sprintf("it said %q", said), nil
}
