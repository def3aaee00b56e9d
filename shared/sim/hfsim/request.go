package hfsim

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Task is what kind of call it is.
type Task string

// The tasks.
const (
	Chat           Task = "chat"
	TextGeneration Task = "text-generation"
)

// Message is one message of a chat. Of a text-generation call the messages are guessed from its lines "Name: text".
type Message struct {
	Role    string `json:"role"` // system, user or assistant
	Name    string `json:"name,omitempty"`
	Content string `json:"content"`
}

// UnmarshalJSON reads content as a string, null, or a list of parts of which the texts count.
func (m *Message) UnmarshalJSON(data []byte) error {
	var raw struct {
		Role    string          `json:"role"`
		Name    string          `json:"name"`
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	m.Role, m.Name = raw.Role, raw.Name
	if len(raw.Content) == 0 || json.Unmarshal(raw.Content, &m.Content) == nil {
		return nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(raw.Content, &parts); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	for _, p := range parts {
		m.Content += p.Text
	}
	return nil
}

// Request is a call as it came in: what Reply and Latency get to see.
type Request struct {
	N         int64     // number of arrival
	Key       string    // name of the key
	Task      Task      //
	Model     string    // with its :provider
	Messages  []Message // never to be changed
	Inputs    string    // text-generation: the whole prompt
	MaxTokens int       // as asked; 0 if not
	Stream    bool      //
	Question  string    // the last user message
}

// CountTokens is the simulator's tokenizer: every run of n bytes without white space counts ceil(n/4) tokens. It is
// simple and repeatable, and close to real ones for English; a text never has more tokens than bytes.
func CountTokens(text string) int {
	tokens, word := 0, 0
	for i := range len(text) {
		if !isSpace(text[i]) {
			word++
			continue
		}
		tokens += (word + 3) / 4
		word = 0
	}
	return tokens + (word+3)/4
}

// promptTokens counts a request: chat templates cost 4 tokens a message and 2 to begin the answer.
func (r Request) promptTokens() int {
	if r.Task == TextGeneration {
		return CountTokens(r.Inputs)
	}
	tokens := 2
	for _, m := range r.Messages {
		tokens += 4 + CountTokens(m.Name) + CountTokens(m.Content)
	}
	return tokens
}

// cutTokens is the longest beginning of text with at most limit tokens, cut between characters. limit 0: all of it.
func cutTokens(text string, limit int) (cut string, tokens int, wasCut bool) {
	total := CountTokens(text)
	if limit <= 0 || total <= limit {
		return text, total, false
	}
	used, i := 0, 0
	for i < len(text) {
		j := i // white space before the word
		for j < len(text) && isSpace(text[j]) {
			j++
		}
		k := j
		for k < len(text) && !isSpace(text[k]) {
			k++
		}
		need := (k - j + 3) / 4
		if used+need > limit {
			end := min(k, j+(limit-used)*4)
			for end > j && end < len(text) && !utf8.RuneStart(text[end]) {
				end--
			}
			if end > j {
				i = end
			}
			break
		}
		used += need
		i = k
	}
	cut = strings.TrimRight(text[:i], " \t\r\n")
	return cut, CountTokens(cut), true
}

// isSpace knows ASCII's white space only.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// lastQuestion finds the last user message.
func lastQuestion(messages []Message) string {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == "user" {
			return messages[i].Content
		}
	}
	return ""
}

// readInputs guesses the turns of a text-generation prompt: a preamble, then lines "Name: text", and a last line
// "Name:" that names who is to speak.
func readInputs(inputs string) []Message {
	lines := strings.Split(strings.TrimRight(inputs, " \n"), "\n")
	persona, ok := strings.CutSuffix(lines[len(lines)-1], ":")
	if !ok {
		return []Message{{Role: "user", Content: inputs}}
	}
	lines = lines[:len(lines)-1]
	first := len(lines) // the first line of the last unbroken run of turns
	for first > 0 {
		if name, _, ok := strings.Cut(lines[first-1], ": "); !ok || name == "" || len(name) > 64 {
			break
		}
		first--
	}
	var messages []Message
	if head := strings.TrimSpace(strings.Join(lines[:first], "\n")); head != "" {
		messages = append(messages, Message{Role: "system", Content: head})
	}
	for _, line := range lines[first:] {
		name, text, _ := strings.Cut(line, ": ")
		role := "user"
		if name == persona {
			role = "assistant"
		}
		messages = append(messages, Message{Role: role, Name: name, Content: text})
	}
	return messages
}

// clip bounds a text that is kept, in bytes, between characters, and lets go of the larger one behind it.
func clip(text string, most int) string {
	if len(text) > most {
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	return strings.Clone(text)
}
