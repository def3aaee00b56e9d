package huggingface

import (
	"encoding/json"
	"strconv"
	"strings"

	"salamander.dev/worker/internal/core/answer"
)

// textGeneration is a call to a model that goes on with a text: here, with a conversation written down.
type textGeneration struct {
	config   Config
	call     answer.Call
	inputs   string
	speakers []string // whose next line ends the answer
}

type textRequest struct {
	Inputs     string         `json:"inputs"`
	Parameters textParameters `json:"parameters"`
}

type textParameters struct {
	MaxNewTokens   int     `json:"max_new_tokens"`
	Temperature    float64 `json:"temperature,omitempty"` // servers refuse 0 ("must be strictly positive")
	ReturnFullText bool    `json:"return_full_text"`
}

// maxName bounds a speaker's name, in runes.
const maxName = 64

// newTextGeneration writes the conversation down: the persona, one line "Name: text" for each turn, the question
// last, and "<persona's name>:" for the model to go on from.
func newTextGeneration(config Config, call answer.Call) textGeneration {
	persona := speaker(call.Prompt.Persona, "Assistant")
	t := textGeneration{config: config, call: call, speakers: []string{persona, "User", "Human"}}
	var b strings.Builder
	if system := strings.TrimSpace(call.Prompt.System); system != "" {
		b.WriteString(system + "\n")
	}
	for _, turn := range call.Prompt.Turns {
		name := persona
		if turn.Role != answer.RoleAssistant {
			if name = speaker(turn.Name, "User"); strings.EqualFold(name, persona) {
				name += " (user)" // nobody puts words into the persona's mouth
			}
			t.speakers = append(t.speakers, name)
		}
		b.WriteString(name + ": " + oneLine(turn.Text) + "\n") // on one line, so that no text can forge a turn
	}
	b.WriteString(persona + ":")
	t.inputs = b.String()
	return t
}

// speaker makes a name fit for the beginning of a line.
func speaker(name, neutral string) string {
	name = strings.TrimSpace(strings.ReplaceAll(oneLine(name), ":", ""))
	if runes := []rune(name); len(runes) > maxName {
		name = strings.TrimSpace(string(runes[:maxName]))
	}
	if name == "" {
		return neutral
	}
	return name
}

func (t textGeneration) body() ([]byte, error) {
	return json.Marshal(textRequest{t.inputs, textParameters{t.call.MaxTokens, t.config.Temperature, false}})
}

type generated struct {
	Text    *string `json:"generated_text"`
	Details struct {
		FinishReason string `json:"finish_reason"`
	} `json:"details"`
}

// read takes {"generated_text":…} or a list of one.
func (t textGeneration) read(r response) (done answer.Completion, problem string) {
	if problem := unreadable(r.body); problem != "" {
		return done, problem
	}
	var g generated
	var list []generated
	if json.Unmarshal(r.body, &list) == nil && len(list) > 0 {
		g = list[0]
	} else if json.Unmarshal(r.body, &g) != nil {
		return done, "the answer has not the shape of a generated text"
	}
	if g.Text == nil {
		return done, "the answer has no generated_text"
	}
	done.Text = t.ownWords(*g.Text)
	// TGI tells the usage in headers (router/src/server.rs); others tell none.
	done.PromptTokens, done.CompletionTokens, done.UsageKnown = usageHeaders(r)
	done.Cut = g.Details.FinishReason == "length" || done.UsageKnown && done.CompletionTokens >= t.call.MaxTokens
	return done, ""
}

// ownWords is what the persona says: without the prompt, if it is repeated, up to where somebody else begins to speak.
func (t textGeneration) ownWords(text string) string {
	text = strings.TrimPrefix(text, t.inputs)
	end := 0
	for line := range strings.Lines(text) {
		if t.otherSpeaks(line, end == 0) {
			break
		}
		end += len(line)
	}
	return strings.TrimSpace(text[:end])
}

// otherSpeaks reports whether a line begins a turn. The first line may begin with the persona's own name.
func (t textGeneration) otherSpeaks(line string, first bool) bool {
	name, _, ok := strings.Cut(line, ":")
	if !ok {
		return false
	}
	name = strings.TrimSpace(name)
	for i, s := range t.speakers {
		if strings.EqualFold(name, s) && !(first && i == 0) {
			return true
		}
	}
	return false
}

func usageHeaders(r response) (prompt, completion int, known bool) {
	prompt, err1 := strconv.Atoi(r.header.Get("X-Prompt-Tokens"))
	completion, err2 := strconv.Atoi(r.header.Get("X-Generated-Tokens"))
	if err1 != nil || err2 != nil || prompt < 1 || completion < 1 || prompt > maxUsage || completion > maxUsage {
		return 0, 0, false
	}
	return prompt, completion, true
}
