package huggingface

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"salamander.dev/worker/internal/core/answer"
)

// chat is a call in OpenAI's shapes.
type chat struct {
	config Config
	call   answer.Call
}

type chatRequest struct {
	Model       string        `json:"model"`
	Messages    []chatMessage `json:"messages"`
	MaxTokens   int           `json:"max_tokens"`
	Temperature float64       `json:"temperature"`
	Stream      bool          `json:"stream"`
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func (c chat) body() ([]byte, error) {
	return json.Marshal(chatRequest{
		Model: c.config.Model, Messages: messages(c.call.Prompt), MaxTokens: c.call.MaxTokens, Temperature: c.config.Temperature,
	})
}

// messages are the turns by role. Neighbours of one role are joined: the templates of several model families (Mistral,
// Gemma) refuse a conversation whose roles do not alternate.
func messages(p answer.Prompt) []chatMessage {
	var list []chatMessage
	if p.System != "" {
		list = append(list, chatMessage{"system", p.System})
	}
	for _, t := range p.Turns {
		role := "user"
		if t.Role == answer.RoleAssistant {
			role = "assistant"
		}
		if last := len(list) - 1; last >= 0 && list[last].Role == role {
			list[last].Content += "\n" + t.Text
			continue
		}
		list = append(list, chatMessage{role, t.Text})
	}
	return list
}

type chatResponse struct {
	Choices []struct {
		Message struct {
			Content json.RawMessage `json:"content"`
			Refusal string          `json:"refusal"`
		} `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage json.RawMessage `json:"usage"`
}

func (c chat) read(r response) (done answer.Completion, problem string) {
	if problem := unreadable(r.body); problem != "" {
		return done, problem
	}
	var in chatResponse
	if err := json.Unmarshal(r.body, &in); err != nil {
		return done, "the answer has not the shape of a chat completion"
	}
	if len(in.Choices) == 0 {
		return done, "the answer has no choices"
	}
	choice := in.Choices[0]
	text, ok := contentText(choice.Message.Content)
	if !ok {
		return done, "the answer's content is neither text nor parts"
	}
	if strings.TrimSpace(text) == "" {
		text = choice.Message.Refusal
	}
	done.Text, done.Cut = text, choice.FinishReason == "length"
	done.PromptTokens, done.CompletionTokens, done.UsageKnown = readUsage(in.Usage)
	return done, ""
}

// unreadable says why a body of a 2xx can't be an answer of either task; "" if it may be. It never repeats the body:
// that may be half of what a model wrote to somebody.
func unreadable(body []byte) string {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return "the answer has no body"
	case !utf8.Valid(body):
		return "the answer is not UTF-8"
	case !json.Valid(body):
		return "the answer is not JSON"
	}
	if !mayTellError(body) {
		return ""
	}
	if e := readError(body); e.isError {
		if e.message == "" {
			e.message = "not told"
		}
		return "an error inside a 200: " + e.message
	}
	return ""
}

// mayTellError says whether JSON may have a field "error", spelled with escapes or not: what has none need not be read twice.
func mayTellError(body []byte) bool {
	return bytes.Contains(body, []byte(`"error"`)) || bytes.Contains(body, []byte(`\u00`))
}

// contentText reads content: a text, null, or a list of parts of which those of type text count.
func contentText(raw json.RawMessage) (text string, ok bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", true
	}
	if json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return "", false
	}
	for _, p := range parts {
		if p.Type == "text" || p.Type == "output_text" {
			text += p.Text
		}
	}
	return text, true
}

// maxUsage is a number of tokens above which a usage is not believed.
const maxUsage = 100_000_000

// readUsage believes a usage that can be true: something was read, something was written. What a total holds beyond
// the two (hidden reasoning) is counted as written. Several providers were seen to tell nothing, or zeros.
func readUsage(raw json.RawMessage) (prompt, completion int, known bool) {
	var u struct {
		Prompt     float64 `json:"prompt_tokens"`
		Completion float64 `json:"completion_tokens"`
		Total      float64 `json:"total_tokens"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &u) != nil {
		return 0, 0, false
	}
	written := max(u.Completion, u.Total-u.Prompt)
	if u.Prompt < 1 || u.Completion < 1 || u.Prompt > maxUsage || written > maxUsage {
		return 0, 0, false
	}
	return int(u.Prompt), int(written), true
}
