package answer

import (
	"sync"

	"salamander.dev/shared/chat"
	"salamander.dev/worker/internal/core/memory"
	"salamander.dev/worker/internal/core/persona"
)

// prompt lays out what the model sees: the persona's greeting where the conversation's beginning is visible, its
// examples, the remembered turns, the question last.
func prompt(p persona.Persona, turns []memory.Turn, whole bool, q chat.Question) Prompt {
	out := Prompt{Persona: p.Name, System: p.System}
	say := func(role Role, name, text string) {
		out.Turns = append(out.Turns, Turn{Role: role, Name: name, Text: text})
	}
	if whole && p.Greeting != "" {
		say(RoleAssistant, p.Name, p.Greeting)
	}
	for _, e := range p.Examples {
		say(RoleUser, "", e.User)
		say(RoleAssistant, p.Name, e.Bot)
	}
	for _, t := range turns {
		say(RoleUser, t.Name, t.User)
		say(RoleAssistant, p.Name, t.Bot)
	}
	say(RoleUser, q.UserName, q.Text)
	return out
}

// Bounds of the estimate. A tokenizer that works on bytes (GPT, Llama 3, Qwen) makes at most one token of a byte, and
// one that falls back to bytes (SentencePiece) likewise, plus one for the space that it puts in front. Chat templates
// add role marks around each turn (Llama 3: 5, ChatML: 5, Gemma: 4), and some a preamble of their own with the date
// (Llama 3.1: about 30).
const (
	turnTokens     = 8
	preambleTokens = 64
)

// scale estimates prompts by an upper bound. What a stranger wrote counts a token for every byte, which no text passes;
// what the persona's author wrote is language, not an attack, and counts half of that where it is ASCII (English needs a
// quarter). That is still too high, so the bound of what is the same in every prompt is learned: whatever a whole prompt
// was counted as by the provider, its fixed part has at most that many tokens; so the smallest count that was seen
// bounds it. Providers of one model may wrap it differently, so each has its own smallest, and the largest of these
// holds, with a margin for one that was not seen yet. A provider whose counts contradict each other, since even the most
// that the rest of a prompt can have doesn't explain one of them, is not learned from. One that counts more than was
// bounded, a token for each letter perhaps, raises the bound. It is safe for concurrent use.
type scale struct {
	bytes    int // bound of the fixed part
	greeting int

	mu   sync.Mutex
	seen map[string]extent // by provider
}

// extent is what is known of a fixed part: it has at least and at most so many tokens.
type extent struct{ least, most int }

// maxProviders bounds what is remembered; a model has a handful.
const maxProviders = 32

func newScale(p persona.Persona) *scale {
	s := &scale{bytes: preambleTokens + turnTokens + written(p.Name) + written(p.System)}
	for _, e := range p.Examples {
		s.bytes += 2*turnTokens + written(e.User) + written(p.Name) + written(e.Bot)
	}
	if p.Greeting != "" {
		s.greeting = turnTokens + written(p.Name) + written(p.Greeting)
	}
	return s
}

// written bounds the tokens of a text in some people's language.
func written(text string) int {
	ascii := 0
	for i := range len(text) {
		if text[i] < 0x80 {
			ascii++
		}
	}
	return len(text) - ascii + (ascii+1)/2
}

// estimate bounds the tokens of the prompt that is made of the same; rest is what of it the fixed part does not bound.
func (s *scale) estimate(turns []memory.Turn, whole bool, q chat.Question) (tokens, rest int) {
	rest = turnTokens + len(q.UserName) + len(q.Text)
	if whole {
		rest += s.greeting
	}
	for _, t := range turns {
		bot := len(t.Bot)
		if t.BotTokens > 0 {
			bot = min(bot, t.BotTokens)
		}
		rest += 3*turnTokens + len(t.Name) + len(t.User) + bot // with room for the persona's name
	}
	return s.fixed() + rest, rest
}

// saw takes in what a provider counted for a whole prompt with such a rest.
func (s *scale) saw(provider string, promptTokens, rest int) {
	if promptTokens <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.seen[provider]
	switch {
	case s.seen == nil:
		s.seen = map[string]extent{}
	case !known && len(s.seen) >= maxProviders:
		return
	}
	if !known {
		e.most = promptTokens
	}
	s.seen[provider] = extent{least: max(e.least, promptTokens-rest), most: min(e.most, promptTokens)}
}

// fixed returns the bound of the fixed part.
func (s *scale) fixed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		return s.bytes
	}
	most, least := 0, 0
	for _, e := range s.seen {
		if e.least > e.most+e.most/10+turnTokens {
			return max(s.bytes, e.least)
		}
		most, least = max(most, e.most), max(least, e.least)
	}
	return max(least, min(s.bytes, most+most/10+turnTokens))
}
