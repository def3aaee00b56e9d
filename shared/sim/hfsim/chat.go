package hfsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// chatBody is what is read of a chat request; other documented fields are accepted and ignored.
type chatBody struct {
	Model               string    `json:"model"`
	Messages            []Message `json:"messages"`
	MaxTokens           *int      `json:"max_tokens"`
	MaxCompletionTokens *int      `json:"max_completion_tokens"`
	Temperature         *float64  `json:"temperature"`
	Stream              bool      `json:"stream"`
	StreamOptions       *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

type chatReply struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *usage       `json:"usage"`
}

type chatChoice struct {
	Index        int          `json:"index"`
	Message      *chatMessage `json:"message,omitempty"`
	Delta        *chatMessage `json:"delta,omitempty"`
	FinishReason *string      `json:"finish_reason"`
	Logprobs     *struct{}    `json:"logprobs"`
}

type chatMessage struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

func (s *Server) serveChat(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, (*exchange).parseChat, (*exchange).writeChat)
}

func (x *exchange) parseChat(body []byte) error {
	x.req.Task = Chat
	var in chatBody
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	x.req.Model, x.req.Messages, x.req.Stream = in.Model, in.Messages, in.Stream
	x.req.Question = lastQuestion(in.Messages)
	x.usage = in.StreamOptions != nil && in.StreamOptions.IncludeUsage
	for _, n := range []*int{in.MaxTokens, in.MaxCompletionTokens} {
		if n != nil {
			x.req.MaxTokens = *n
			if *n < 1 {
				return errors.New("`max_tokens` must be strictly positive")
			}
		}
	}
	switch {
	case in.Model == "":
		return errors.New("missing field `model`")
	case len(in.Messages) == 0:
		return errors.New("`messages` must not be empty")
	case in.Temperature != nil && (*in.Temperature < 0 || *in.Temperature > 2):
		return errors.New("`temperature` must be between 0 and 2")
	}
	for _, m := range in.Messages {
		switch m.Role {
		case "system", "developer", "user", "assistant", "tool":
		default:
			return fmt.Errorf("unknown role %q", m.Role)
		}
	}
	return nil
}

// writeChat returns the body of a plain answer, or writes a stream and returns nil.
func (x *exchange) writeChat() []byte {
	reply := chatReply{ID: fmt.Sprintf("chatcmpl-%08d", x.req.N), Object: "chat.completion",
		Created: x.ticket.call.At.Unix(), Model: x.req.Model}
	if x.req.Stream && !x.spoilsWhole() {
		x.stream(reply)
		return nil
	}
	reply.Choices = []chatChoice{{Message: &chatMessage{Role: "assistant", Content: &x.text}, FinishReason: x.finish()}}
	reply.Usage = x.tell()
	body, _ := json.Marshal(reply)
	return body
}

// spoilsWhole are the faults that spoil a body as a whole, streamed or not.
func (x *exchange) spoilsWhole() bool {
	switch x.fault.Kind {
	case Huge, Empty, ErrorIn200, BrokenJSON, NotUTF8:
		return true
	}
	return false
}

func (x *exchange) finish() *string {
	reason := "stop"
	if x.cut {
		reason = "length"
	}
	return &reason
}

// tell is the usage as it is told.
func (x *exchange) tell() *usage {
	switch x.fault.Kind {
	case NoUsage:
		return nil
	case ZeroUsage:
		return &usage{}
	}
	return &usage{x.prompt, x.completion, x.prompt + x.completion}
}

// stream sends server-sent events: one per word, the end, the usage if it was asked for, [DONE].
func (x *exchange) stream(reply chatReply) {
	reply.Object = "chat.completion.chunk"
	x.status = http.StatusOK
	x.w.Header().Set("Content-Type", "text/event-stream")
	event := func(choices []chatChoice, u *usage) bool {
		reply.Choices, reply.Usage = choices, u
		data, _ := json.Marshal(reply)
		return x.pieces("data: " + string(data) + "\n\n")
	}
	delta := func(role, content string) []chatChoice {
		return []chatChoice{{Delta: &chatMessage{Role: role, Content: &content}}}
	}
	if !event(delta("assistant", ""), nil) {
		return
	}
	words := strings.SplitAfter(x.text, " ")
	for i, word := range words {
		if i == (len(words)+1)/2 || len(words) == 1 {
			switch x.fault.Kind {
			case Stall:
				x.hold()
			case Truncated:
				x.abort()
			case ErrorInStream:
				x.pieces(`data: {"error":{"message":"upstream provider failed","type":"upstream_error"}}` + "\n\n")
				return
			}
		}
		if !event(delta("", word), nil) {
			return
		}
	}
	event([]chatChoice{{Delta: &chatMessage{}, FinishReason: x.finish()}}, nil)
	if u := x.tell(); x.usage && u != nil {
		event([]chatChoice{}, u)
	}
	x.pieces("data: [DONE]\n\n")
}

// pieces sends text, byte by byte if it shall trickle; false when the client is gone.
func (x *exchange) pieces(text string) bool {
	if x.fault.Kind != Trickle {
		return x.send([]byte(text))
	}
	for i := range len(text) {
		if !x.send([]byte{text[i]}) || !x.s.pause(x.r.Context(), x.gap()) {
			x.abort()
		}
	}
	return true
}
