// Package persona says who answers: a name, instructions, a greeting, examples, and what it says when the model fails.
//
// It checks a persona and holds the one that is built in; where a file is read and parsed is the settings' business.
package persona

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Persona is a character.
type Persona struct {
	// Name is what the model calls itself; `Name:` at the start of an answer is removed.
	Name string `yaml:"name"`
	// System are the instructions.
	System string `yaml:"system"`
	// Greeting is the first assistant turn of a new conversation; it is never posted. Empty: none.
	Greeting string `yaml:"greeting"`
	// Examples show how it talks; they come before every conversation.
	Examples []Example `yaml:"examples"`
	// Fallback is what it says when the model fails.
	Fallback string `yaml:"fallback"`
}

// Example is one exchange.
type Example struct {
	User string `yaml:"user"`
	Bot  string `yaml:"bot"`
}

// Bounds. All of it is sent with every question, so a large persona costs with every answer.
const (
	maxNameRunes     = 80   // a Discord name has at most 32
	maxPartBytes     = 8000 // of System, and of each other text
	maxExamples      = 32
	maxTotalBytes    = 32_000
	maxFallbackRunes = 2000 // one Discord message
)

// Problem is one thing that is wrong with a persona.
type Problem struct {
	// Field is where, such as "examples[2].bot".
	Field string
	// Expected is what should stand there.
	Expected string
}

// String is the sentence for the operator.
func (p Problem) String() string { return p.Field + ": expected " + p.Expected }

// Problems returns everything that is wrong, in the order of the fields.
func (p Persona) Problems() []Problem {
	var all []Problem
	add := func(field, format string, args ...any) {
		all = append(all, Problem{field, fmt.Sprintf(format, args...)})
	}
	if n := utf8.RuneCountInString(p.Name); strings.TrimSpace(p.Name) == "" || n > maxNameRunes || strings.ContainsAny(p.Name, "\r\n:") {
		add("name", "a name of 1 to %d characters on one line, without a colon", maxNameRunes)
	}
	if strings.TrimSpace(p.System) == "" {
		add("system", "the character's instructions")
	}
	if strings.TrimSpace(p.Fallback) == "" || utf8.RuneCountInString(p.Fallback) > maxFallbackRunes {
		add("fallback", "a sentence of at most %d characters for when the model fails", maxFallbackRunes)
	}
	total := 0
	check := func(field, text string, need bool) {
		total += len(text)
		switch {
		case !utf8.ValidString(text):
			add(field, "UTF-8")
		case len(text) > maxPartBytes:
			add(field, "at most %d bytes (it has %d)", maxPartBytes, len(text))
		case need && strings.TrimSpace(text) == "":
			add(field, "a text")
		}
	}
	check("system", p.System, false)
	check("greeting", p.Greeting, false)
	if len(p.Examples) > maxExamples {
		add("examples", "at most %d (it has %d)", maxExamples, len(p.Examples))
	}
	for i, e := range p.Examples {
		check(fmt.Sprintf("examples[%d].user", i), e.User, true)
		check(fmt.Sprintf("examples[%d].bot", i), e.Bot, true)
	}
	if total > maxTotalBytes {
		add("persona", "at most %d bytes in all (it has %d): all of it is paid for with every answer", maxTotalBytes, total)
	}
	return all
}

// Trim returns the persona without white space around its texts.
func (p Persona) Trim() Persona {
	for _, s := range []*string{&p.Name, &p.System, &p.Greeting, &p.Fallback} {
		*s = strings.TrimSpace(*s)
	}
	examples := make([]Example, len(p.Examples))
	for i, e := range p.Examples {
		examples[i] = Example{strings.TrimSpace(e.User), strings.TrimSpace(e.Bot)}
	}
	p.Examples = examples
	return p
}
