package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// talk uses the message box as people do: a reply with its quoted line, a mention, code, a GIF, an edit, a deletion.
func (s *suite) talk() (string, error) {
	for _, part := range []func() error{s.answeredReply, s.mention, s.formats, s.own} {
		if err := part(); err != nil {
			return "", err
		}
	}
	return "reply with quote, mention, Markdown, GIF, emoji, edit and deletion", nil
}

// answeredReply replies to the bot's last message with the tool that stands on it.
func (s *suite) answeredReply() error {
	if err := s.focus("#messages .message.bot"); err != nil {
		return err
	}
	if err := s.click("#messages .message.bot .tools button"); err != nil {
		return err
	}
	if err := s.until(5*time.Second, "a reply to the bot is begun", `!document.querySelector("#context").hidden`); err != nil {
		return err
	}
	id, err := s.write("and do they like it there?")
	if err != nil {
		return err
	}
	if err := s.until(5*time.Second, "the reply quotes the bot's line", `document.querySelector('.message[data-id="`+id+`"] .quote b').textContent === "Salamander"`); err != nil {
		return err
	}
	if err := s.until(30*time.Second, "the reply is answered", answered(id)); err != nil {
		return err
	}
	return s.until(5*time.Second, "the answer quotes the question", `document.querySelector('.message.bot[data-ref="`+id+`"] .quote').textContent.includes("do they like it")`)
}

// mention asks in a channel in which people talk among themselves.
func (s *suite) mention() error {
	if err := s.open("general"); err != nil {
		return err
	}
	quiet, err := s.write("nobody asks the bot here")
	if err != nil {
		return err
	}
	if err := s.keys("@Sal"); err != nil {
		return err
	}
	if err := s.until(5*time.Second, "the mention is suggested", `document.querySelector("#suggest [aria-selected=true] b").textContent === "Salamander"`); err != nil {
		return err
	}
	if err := s.keys(kb.Enter); err != nil {
		return err
	}
	id, err := s.write("hello, who are you?")
	if err != nil {
		return err
	}
	if err := s.until(30*time.Second, "the mention is answered", answered(id)); err != nil {
		return err
	}
	if n, err := eval[int](s.tab, `document.querySelectorAll('.message.bot[data-ref="`+quiet+`"]').length`); err != nil || n != 0 {
		return errors.Join(err, fmt.Errorf("the bot answered %d times to what was not for it", n))
	}
	return s.open("ask-salamander")
}

// formats sends what Discord draws in a special way; none of it may become HTML. $ignore keeps the bot out of it.
func (s *suite) formats() error {
	id, err := s.write("$ignore **bold** `code` <img src=x onerror=alert(1)>")
	if err != nil {
		return err
	}
	row := `document.querySelector('.message[data-id="` + id + `"] .text')`
	if err := s.until(5*time.Second, "bold and code are drawn, HTML is not", row+`.querySelector("strong") && `+row+`.querySelector("code") && !`+row+`.querySelector("img") && `+row+`.textContent.includes("<img src=x")`); err != nil {
		return err
	}
	if err := s.emoji(); err != nil {
		return err
	}
	if err := s.click("#gif"); err != nil {
		return err
	}
	if err := s.click("#popover button"); err != nil {
		return err
	}
	if err := s.until(5*time.Second, "the GIF is drawn", `document.querySelector("#messages .message:last-child .gif-card")`); err != nil {
		return err
	}
	return s.until(10*time.Second, "the road says that nothing was left of it", `document.querySelector("#wash").textContent.includes("Everything")`)
}

// emoji opens the picker by keyboard and chooses one.
func (s *suite) emoji() error {
	if err := s.focus("#emoji"); err != nil {
		return err
	}
	if err := s.keys(kb.Enter); err != nil {
		return err
	}
	if err := s.until(5*time.Second, "the picker has the focus", `document.activeElement.closest("#popover")`); err != nil {
		return err
	}
	if err := s.keys(kb.ArrowRight + kb.Enter); err != nil {
		return err
	}
	if err := s.until(5*time.Second, "the emoji stands in the box", `document.querySelector("#box").value === "😂"`); err != nil {
		return err
	}
	if _, err := s.write(""); err != nil {
		return err
	}
	return s.until(5*time.Second, "an emoji alone is drawn large", `document.querySelector("#messages .message:last-child.jumbo")`)
}

// own edits the own last message by the keyboard and deletes it.
func (s *suite) own() error {
	id, err := s.write("$ignore a mistaek")
	if err != nil {
		return err
	}
	if err := s.keys(kb.ArrowUp); err != nil {
		return err
	}
	if err := s.until(5*time.Second, "the last message is edited", `document.querySelector("#box").value === "$ignore a mistaek"`); err != nil {
		return err
	}
	if err := s.keys(strings.Repeat(kb.Backspace, 7) + "mistake" + kb.Enter); err != nil {
		return err
	}
	row := `document.querySelector('.message[data-id="` + id + `"]')`
	if err := s.until(5*time.Second, "the edit is shown", row+`.textContent.includes("a mistake (edited)")`); err != nil {
		return err
	}
	if err := s.until(5*time.Second, "the message has the focus", `(`+row+`.focus(), document.activeElement === `+row+`)`); err != nil {
		return err
	}
	if err := s.keys(kb.Delete); err != nil {
		return err
	}
	return s.until(5*time.Second, "the message is gone", "!"+row)
}
