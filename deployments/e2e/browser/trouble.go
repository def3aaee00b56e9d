package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// trouble is a button of the Trouble pane that is pressed right before a question is asked.
type trouble struct {
	name, button string
	// begun waits, as an expression over the state s, until the trouble shows; empty: it shows in the answer only.
	begun string
	// well undoes it; empty: it passes by itself.
	well string
}

var troubles = []trouble{
	{name: "the gateway is killed", button: "#kill-gateway", begun: `s.discord.connected === 0 || s.processes.some(p => p.role === "gateway" && !p.ready)`},
	{name: "NATS is restarted", button: "#restart-nats", begun: `s.processes.some(p => !p.ready)`},
	{name: "Discord is cut off", button: `[data-discord="cut"]`, begun: `s.trouble.cut > s.now`},
	{name: "Discord resets its connections", button: `[data-discord="reset"]`},
	{name: "Discord asks to reconnect", button: `[data-discord="reconnect"]`},
	{name: "Discord ends the sessions", button: `[data-discord="invalid"]`},
	{name: "Discord fails posts", button: `[data-discord="500"]`},
	{name: "Discord's answers to posts are lost", button: `[data-discord="lost"]`},
	{name: "Hugging Face fails", button: `[data-ail="500"]`, begun: `s.trouble.model === "500"`, well: `[data-ail="500"]`},
	{name: "Hugging Face speaks broken JSON", button: `[data-ail="garbage"]`, begun: `s.trouble.model === "garbage"`, well: `[data-ail="garbage"]`},
}

// burns makes every trouble, asks in the middle of it, and wants one answer each time.
func (s *suite) burns() (string, error) {
	if err := s.become("Ben"); err != nil { // Ann has asked nearly all that she may in this minute
		return "", err
	}
	var told []string
	for _, x := range troubles {
		took, err := s.burn(x)
		if err != nil {
			return "", fmt.Errorf("%s: %w", x.name, err)
		}
		told = append(told, fmt.Sprintf("%s: %.1f s", x.name, took.Seconds()))
	}
	return strings.Join(told, "; "), s.become("Ann")
}

// burn returns how long the question waited for its answer.
func (s *suite) burn(x trouble) (time.Duration, error) {
	if err := s.press(x.button); err != nil {
		return 0, err
	}
	if x.begun != "" {
		if err := s.untilState(20*time.Second, "the page shows it", x.begun); err != nil {
			return 0, err
		}
	}
	asked := time.Now()
	id, err := s.write("and now, while " + x.name + "?")
	if err != nil {
		return 0, err
	}
	if x.well != "" {
		if err := s.press(x.well); err != nil {
			return 0, err
		}
	}
	if err := s.until(90*time.Second, "the question is answered", answered(id)); err != nil {
		return 0, err
	}
	took := time.Since(asked)
	if err := s.until(60*time.Second, "everything runs again", up); err != nil {
		return 0, err
	}
	if n, err := eval[int](s.tab, `document.querySelectorAll('.message.bot[data-ref="`+id+`"]').length`); err != nil || n != 1 {
		return 0, errors.Join(err, fmt.Errorf("it was answered %d times", n))
	}
	return took, nil
}
