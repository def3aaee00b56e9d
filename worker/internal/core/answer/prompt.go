package answer

import (
	"fmt"
	"hash/fnv"
	"strconv"
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
// bounded, a token for each letter perhaps, raises the bound.
//
// In a conversation more is known: its last prompt was counted as a whole, and this one is that, the answer and the
// question that came since, less what is no longer shown. So the count with a bound of what came since is another bound,
// and far closer: with eight remembered turns the first is three to four times the truth. See grown.
//
// It is safe for concurrent use.
type scale struct {
	bytes    int // bound of the fixed part
	greeting int
	print    string // tells persona and model from others

	mu   sync.Mutex
	seen map[string]extent // by provider, as who names it
	// short is by how much a count has passed what grown said, at most.
	short int
}

// extent is what is known of a fixed part: it has at least and at most so many tokens.
type extent struct{ least, most int }

// contradicts says that no fixed part explains what was counted.
func (e extent) contradicts() bool { return e.least > e.most+e.most/10+turnTokens }

// guess is the estimate of a prompt.
type guess struct {
	tokens int // bound of the whole
	rest   int // bound of what is not the fixed part
	grown  int // bound by the conversation's last prompt; 0: none
}

// maxProviders bounds what is remembered; a model has a handful.
const maxProviders = 32

func newScale(p persona.Persona, model string) *scale {
	s := &scale{bytes: preambleTokens + turnTokens + written(p.Name) + written(p.System), print: digest(model, p)}
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

// estimate bounds the tokens of the prompt that is made of the same.
func (s *scale) estimate(turns []memory.Turn, whole bool, q chat.Question) guess {
	asked := turnTokens + len(q.UserName) + len(q.Text)
	g := guess{rest: asked}
	if whole {
		g.rest += s.greeting
	}
	for _, t := range turns {
		g.rest += turnTokens + len(t.Name) + len(t.User) + said(t)
	}
	g.tokens = s.fixed() + g.rest
	if len(turns) > 0 {
		var short int
		if g.grown, short = s.grown(turns[len(turns)-1], asked); g.grown > 0 {
			g.tokens = min(g.tokens, g.grown+short)
		}
	}
	return g
}

// said bounds the tokens of the answer in a turn, with the persona's name before it.
func said(t memory.Turn) int {
	bot := len(t.Bot)
	if t.BotTokens > 0 {
		bot = min(bot, t.BotTokens)
	}
	return 2*turnTokens + bot
}

// grown bounds a prompt that goes on from the one of the last turn with its answer and a question that has at most so
// many tokens; 0: nothing is known. Another provider than the one that counted may wrap the same differently, by what is
// known of both, or by the same margin that fixed has if it was not seen yet. With the room that the answer's and the question's
// marks have here, that also holds two tokens more around each of eight turns' messages; the chat templates of today
// differ by one. short is what is to be added since counts were higher before.
func (s *scale) grown(last memory.Turn, asked int) (tokens, short int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counted, known := s.seen[last.Prompt.By]
	if !known || last.Prompt.Tokens <= 0 {
		return 0, 0
	}
	most, wrap := 0, 0
	for who, e := range s.seen {
		if e.contradicts() {
			return 0, 0
		}
		most = max(most, e.most)
		if who != last.Prompt.By {
			wrap = max(wrap, e.most-counted.least)
		}
	}
	return last.Prompt.Tokens + wrap + most/10 + turnTokens + said(last) + asked, s.short
}

// who names a provider of this model for this persona, in few letters, since it is stored with conversations.
func (s *scale) who(provider string) string { return digest(s.print, provider) }

// digest is a short name for parts.
func digest(parts ...any) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q", parts)
	return strconv.FormatUint(h.Sum64(), 36)
}

// saw takes in what a provider counted for a whole prompt that was estimated so, and returns the count as it is remembered.
func (s *scale) saw(provider string, promptTokens int, g guess) memory.Count {
	if promptTokens <= 0 {
		return memory.Count{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.who(provider)
	e, known := s.seen[who]
	switch {
	case s.seen == nil:
		s.seen = map[string]extent{}
	case !known && len(s.seen) >= maxProviders:
		return memory.Count{}
	}
	if !known {
		e.most = promptTokens
	} else if g.grown > 0 {
		s.short = max(s.short, promptTokens-g.grown)
	}
	s.seen[who] = extent{least: max(e.least, promptTokens-g.rest), most: min(e.most, promptTokens)}
	return memory.Count{Tokens: promptTokens, By: who}
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
		if e.contradicts() {
			return max(s.bytes, e.least)
		}
		most, least = max(most, e.most), max(least, e.least)
	}
	return max(least, min(s.bytes, most+most/10+turnTokens))
}
