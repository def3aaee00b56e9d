package chat

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanAnswer turns what a model produced into what a person should read. It
// removes, outside of code:
//
//   - thinking: <think>…</think> and its sisters, whatever the case; an opening
//     tag without its end takes the rest with it (the tokens ran out while it
//     thought), an end without its opening takes everything before it (chat
//     templates that put the opening tag into the prompt);
//   - the channels of harmony (gpt-oss) that are not its final one;
//   - end-of-text tokens (<|im_end|>, </s>, <|endoftext|>, …) together with all
//     that follows, for what follows is the model playing the user's next turn;
//     other template tokens (<|im_start|>, [INST], <bos>) just go;
//   - a leading `Name:` of the persona, as often as it stands there, also bold,
//     in brackets or with a full-width colon;
//   - control characters and invalid UTF-8.
//
// The ends are trimmed. The result is "" when nothing readable is left; the
// caller then says its fallback. CleanAnswer is idempotent and linear in
// len(text). Tags and tokens in code (`…`, ```…```) are somebody's subject and
// stay.
func CleanAnswer(text, persona string) string {
	c := cleaner{in: text, out: make([]byte, 0, len(text))}
	c.run()
	out := strings.TrimSpace(string(c.out))
	out = cutName(out, strings.TrimSpace(persona))
	if !readable(out) {
		return ""
	}
	return out
}

// cleaner copies in to out and looks for tags at the end of out, not in in: what
// a removal brings together (<thi<think>…</think>nk>) is then seen too, in the
// same pass.
type cleaner struct {
	in  string
	out []byte

	ticks  int // backticks at the end of out
	span   int // length of the backtick run that opened the code we are in; 0 outside
	strike int // <s> seen and not yet closed
	begun  int // length of out at the last <|start|>, behind which harmony names a role
}

func (c *cleaner) run() {
	for i := 0; i < len(c.in); {
		b := c.in[i]
		if b < utf8.RuneSelf {
			i++
			i = c.ascii(b, i)
			continue
		}
		r, size := utf8.DecodeRuneInString(c.in[i:])
		if r != utf8.RuneError || size > 1 {
			if r >= 0xA0 { // C1 controls go
				c.endTicks(i)
				c.out = append(c.out, c.in[i:i+size]...)
			}
		}
		i += size
	}
}

// ascii takes one ASCII byte and returns where to read on; next is the index
// behind b.
func (c *cleaner) ascii(b byte, next int) int {
	if b == '`' {
		c.ticks++
		c.out = append(c.out, b)
		return next
	}
	if (b < ' ' && b != '\n' && b != '\t') || b == 0x7f {
		if b == '\r' && (next >= len(c.in) || c.in[next] != '\n') {
			b = '\n'
		} else {
			return next
		}
	}
	c.endTicks(next - 1)
	c.out = append(c.out, b)
	if b == '\n' && c.span < 3 {
		c.span = 0 // inline code ends with its line
	}
	if (b != '>' && b != ']') || c.span != 0 {
		return next
	}
	return c.tag(next)
}

// endTicks is called before a byte other than a backtick is appended; at is that
// byte's index in in. A run of backticks opens code only if its end is there.
func (c *cleaner) endTicks(at int) {
	n := c.ticks
	if n == 0 {
		return
	}
	c.ticks = 0
	switch {
	case c.span == 0 && n >= 3:
		c.span = 3
	case c.span == 0 && strings.Contains(line(c.in[at:]), strings.Repeat("`", n)):
		c.span = n
	case c.span == 3 && n >= 3, c.span == n:
		c.span = 0
	}
}

func line(s string) string {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return s[:i]
	}
	return s
}

// maxTag is the longest tag or token that is looked for, in bytes.
const maxTag = 64

// tag looks whether out ends in a tag or a token and acts on it.
func (c *cleaner) tag(next int) int {
	from := max(0, len(c.out)-maxTag)
	opener := byte('<')
	if c.out[len(c.out)-1] == ']' {
		opener = '['
	}
	at := -1
	for i := len(c.out) - 2; i >= from; i-- {
		if c.out[i] == opener {
			at = i
			break
		}
	}
	if at < 0 {
		return next
	}
	tag := strings.ToLower(string(c.out[at:]))
	if tag == "<|channel|>" {
		if behind, ok := c.channel(at, next); ok {
			return behind
		}
	}
	switch kindOf(tag) {
	case tagThink:
		c.out = c.out[:at]
		return skipThought(c.in, next, "</"+tag[1:])
	case tagUnthink:
		c.out = c.out[:0]
	case tagDrop:
		switch tag {
		case "<s>":
			c.strike++
		case "<|start|>":
			c.begun = at
		}
		c.out = c.out[:at]
	case tagEnd:
		c.out = c.out[:at]
		if tag == "</s>" && c.strike > 0 {
			c.strike--
			break
		}
		if readable(string(c.out)) {
			return len(c.in)
		}
	}
	return next
}

// harmonyNext is where a message in OpenAI's harmony format ends, or the next one begins.
var harmonyNext = regexp.MustCompile(`<\|(?:end|start|channel|call|return)\|>`)

// channel takes <|channel|>name<|message|>, whose <|channel|> stands at out[at:] and in front of in[next:]: the final channel is the answer,
// and what stood before it was none; others are thoughts.
func (c *cleaner) channel(at, next int) (behind int, ok bool) {
	const message = "<|message|>"
	name, _, ok := strings.Cut(c.in[next:min(len(c.in), next+maxTag)], message)
	if !ok {
		return next, false
	}
	behind = next + len(name) + len(message)
	if strings.HasPrefix(strings.TrimSpace(name), "final") {
		c.out = c.out[:0]
		return behind, true
	}
	if c.begun < at && strings.TrimSpace(string(c.out[c.begun:at])) == "assistant" {
		at = c.begun
	}
	c.out = c.out[:at]
	end := harmonyNext.FindStringIndex(c.in[behind:])
	switch {
	case end == nil:
		return len(c.in), true
	case strings.HasPrefix(c.in[behind+end[0]:], "<|end|>"):
		return behind + end[1], true
	}
	return behind + end[0], true
}

// skipThought returns the index behind the first end tag at or after from, the end of s
// if there is none.
func skipThought(s string, from int, end string) int {
	for i := from; ; {
		j := strings.IndexByte(s[i:], '<')
		if j < 0 || len(s)-(i+j) < len(end) {
			return len(s)
		}
		i += j
		if strings.EqualFold(s[i:i+len(end)], end) {
			return i + len(end)
		}
		i++
	}
}

type tagKind int

const (
	tagNone    tagKind = iota
	tagThink           // a thought begins
	tagUnthink         // a thought ends that never began
	tagDrop            // a template's token without meaning
	tagEnd             // the answer is over
)

// kindOf judges a tag in lower case. The tokens are those of the chat templates of
// Llama, Mistral, Qwen, Gemma, DeepSeek, Phi, Falcon and GPT-2's children.
func kindOf(tag string) tagKind {
	switch tag {
	case "<think>", "<thinking>", "<thought>", "<reasoning>":
		return tagThink
	case "</think>", "</thinking>", "</thought>", "</reasoning>":
		return tagUnthink
	case "</s>", "<eos>", "<end_of_turn>", "[eos]", "<end_of_utterance>", "<|end▁of▁sentence|>":
		return tagEnd
	case "<s>", "<bos>", "<pad>", "<unk>", "[inst]", "[/inst]", "<start_of_turn>", "[bos]":
		return tagDrop
	}
	token, ok := strings.CutPrefix(tag, "<|")
	if !ok {
		token, ok = strings.CutPrefix(tag, "<｜")
	}
	if !ok {
		return tagNone
	}
	name, ok := strings.CutSuffix(token, "|>")
	if !ok {
		if name, ok = strings.CutSuffix(token, "｜>"); !ok {
			return tagNone
		}
	}
	switch name {
	case "im_end", "endoftext", "end_of_text", "eot_id", "eot", "eos", "end", "return", "call", "endofmessage", "eom_id",
		"end▁of▁sentence", "end_of_turn", "end_of_role", "end_of_message", "user", "end_of_sentence":
		return tagEnd
	}
	if name == "" {
		return tagNone
	}
	for _, r := range name {
		if r != '_' && r != '▁' && !('a' <= r && r <= 'z') && !('0' <= r && r <= '9') {
			return tagNone
		}
	}
	return tagDrop
}

// cutName removes the persona's name and a colon from the start of text, again and
// again: small models say it twice.
func cutName(text, name string) string {
	if name == "" {
		return text
	}
	for {
		rest, ok := cutNameOnce(text, name)
		if !ok {
			return text
		}
		text = strings.TrimSpace(rest)
	}
}

const marks = "*_[]()\"'#> \t" // what models set around a speaker's name

func cutNameOnce(text, name string) (string, bool) {
	head := strings.TrimLeft(text, marks)
	lead := text[:len(text)-len(head)]
	if len(head) < len(name) || !strings.EqualFold(head[:len(name)], name) {
		return text, false
	}
	rest := head[len(name):]
	colon := strings.IndexFunc(rest, func(r rune) bool { return r == ':' || r == '：' })
	if colon < 0 || strings.Trim(rest[:colon], marks) != "" || strings.Contains(rest[:colon], "\n") {
		return text, false
	}
	_, size := utf8.DecodeRuneInString(rest[colon:])
	between, rest := rest[:colon], rest[colon+size:]
	// **Name:** text: the emphasis closes behind the colon.
	if open := strings.Trim(lead, "[]()\"'#> \t"); open != "" && strings.Trim(between, "[]()\"'#> \t") == "" {
		closing, ok := strings.CutPrefix(rest, open)
		if !ok {
			return text, false // *Name: a whole sentence set in italics*
		}
		rest = closing
	}
	return rest, true
}

// readable says whether a person would see anything of s.
func readable(s string) bool {
	for _, r := range s {
		if !unicode.IsSpace(r) && !unicode.In(r, unicode.Cf, unicode.Cc, unicode.Variation_Selector) && !blankLetter(r) {
			return true
		}
	}
	return false
}

// blankLetter: letters and signs that have no ink: Hangul fillers, the empty Braille
// pattern, the combining grapheme joiner.
func blankLetter(r rune) bool {
	switch r {
	case 0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, 0x034F:
		return true
	}
	return false
}
