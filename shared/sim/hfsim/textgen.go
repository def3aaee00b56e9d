package hfsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// TextGen is the shape of text-generation answers, which differs between servers.
type TextGen struct {
	Object    bool `json:"object,omitempty"`     // {"generated_text":…} in place of a list of one
	Repeat    bool `json:"repeat,omitempty"`     // begin with the prompt, even if return_full_text is false
	RunOn     bool `json:"run_on,omitempty"`     // go on as the other speaker, as untamed models do
	HideUsage bool `json:"hide_usage,omitempty"` // no x-prompt-tokens and x-generated-tokens headers (TGI sends them)
}

type textGenBody struct {
	Inputs     *string `json:"inputs"`
	Stream     bool    `json:"stream"`
	Parameters struct {
		MaxNewTokens   *int     `json:"max_new_tokens"`
		Temperature    *float64 `json:"temperature"`
		ReturnFullText *bool    `json:"return_full_text"`
	} `json:"parameters"`
}

func (s *Server) serveTextGen(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, (*exchange).parseTextGen, (*exchange).writeTextGen)
}

func (x *exchange) parseTextGen(body []byte) error {
	x.req.Task, x.req.Model = TextGeneration, x.r.PathValue("model")
	var in textGenBody
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	if in.Inputs == nil {
		return errors.New("missing field `inputs`")
	}
	x.req.Inputs = *in.Inputs
	x.req.Messages = readInputs(*in.Inputs)
	x.req.Question = lastQuestion(x.req.Messages)
	x.full = in.Parameters.ReturnFullText != nil && *in.Parameters.ReturnFullText
	if n := in.Parameters.MaxNewTokens; n != nil {
		x.req.MaxTokens = *n
	}
	switch {
	case *in.Inputs == "":
		return errors.New("`inputs` cannot be empty")
	case in.Parameters.MaxNewTokens != nil && x.req.MaxTokens < 1:
		return errors.New("`max_new_tokens` must be strictly positive")
	case in.Parameters.Temperature != nil && *in.Parameters.Temperature <= 0:
		return errors.New("`temperature` must be strictly positive")
	case in.Stream:
		return errors.New("`stream` is not supported by this simulator")
	}
	return nil
}

func (x *exchange) writeTextGen() []byte {
	shape := x.s.TextGen
	text := " " + x.text
	if x.fault.Kind == EmptyText {
		text = ""
	}
	if shape.Repeat || x.full {
		text = x.req.Inputs + text
	}
	if u := x.tell(); u != nil && !shape.HideUsage {
		x.w.Header().Set("X-Prompt-Tokens", fmt.Sprint(u.PromptTokens))
		x.w.Header().Set("X-Generated-Tokens", fmt.Sprint(u.CompletionTokens))
	}
	type generated struct {
		Text string `json:"generated_text"`
	}
	var v any = []generated{{text}}
	if shape.Object {
		v = generated{text}
	}
	body, _ := json.Marshal(v)
	return body
}

// otherSpeaker is who asked.
func otherSpeaker(messages []Message) string {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == "user" && strings.TrimSpace(messages[i].Name) != "" {
			return messages[i].Name
		}
	}
	return "User"
}
