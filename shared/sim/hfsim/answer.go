package hfsim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxBody is the largest request that is read, in bytes.
const maxBody = 16 << 20

// exchange is one inference call while it is served.
type exchange struct {
	s        *Server
	w        http.ResponseWriter
	r        *http.Request
	req      Request
	provider Provider
	ticket   *ticket
	fault    Fault // zero: none
	status   int   // what was sent; 0: nothing
	usage    bool  // stream: usage was asked for
	full     bool  // text-generation: return_full_text

	text       string
	prompt     int
	completion int
	cut        bool
}

// serve is the way of every inference call: book, refuse, spoil, think, answer.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, parse func(*exchange, []byte) error, write func(*exchange) []byte) {
	began, now := time.Now(), s.now()
	x := &exchange{s: s, w: w, r: r}
	body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var parseErr error
	if readErr == nil {
		parseErr = parse(x, body)
	}
	served := false
	x.provider, served = s.pick(x.req.Model)
	x.prompt = x.req.promptTokens()
	x.ticket = s.books.arrive(bearer(r), Call{
		Task: x.req.Task, Model: clip(x.req.Model, 128), MaxTokens: x.req.MaxTokens, Question: clip(x.req.Question, 256),
	}, now, x.prompt, x.provider.cost(x.prompt, 0))
	x.req.N, x.req.Key = x.ticket.call.N, x.ticket.call.Key
	defer func() {
		s.books.finish(x.ticket, x.status, x.fault.Kind, r.Context().Err() != nil, time.Since(began))
	}()
	w.Header().Set("X-Request-Id", fmt.Sprintf("sim-%08d", x.req.N))
	if x.provider.Name != "" {
		w.Header().Set("X-Inference-Provider", x.provider.Name)
	}

	switch {
	case readErr != nil:
		x.reject(http.StatusRequestEntityTooLarge, "application/json", `{"error":"Payload too large"}`)
	case x.ticket.deny != 0:
		x.refuse()
	case parseErr != nil:
		x.rejectValue(http.StatusUnprocessableEntity, map[string]string{
			"error": "Input validation error: " + parseErr.Error(), "error_type": "validation"})
	case !served:
		x.rejectValue(http.StatusBadRequest, map[string]any{"error": map[string]string{
			"message": "The requested model '" + x.req.Model + "' is not supported by any provider you have enabled.",
			"type":    "invalid_request_error", "param": "model", "code": "model_not_supported"}})
	case x.provider.ContextLength > 0 && x.prompt+x.req.MaxTokens > x.provider.ContextLength:
		x.rejectValue(http.StatusBadRequest, map[string]any{"error": map[string]any{
			"message": fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d tokens.", x.provider.ContextLength, x.prompt+x.req.MaxTokens),
			"type":    "BadRequestError", "code": 400}})
	default:
		x.answer(write)
	}
}

// answer computes, charges and sends an answer, with whatever fault was ordered.
func (x *exchange) answer(write func(*exchange) []byte) {
	s := x.s
	x.fault, _ = s.faults.next(x.req)
	if x.failStatus() {
		return
	}
	reply := (*s.reply.Load())(x.req)
	if s.TextGen.RunOn && x.req.Task == TextGeneration {
		reply += "\n" + otherSpeaker(x.req.Messages) + ": and then?\nSomeone: I do not know"
	}
	if x.fault.Kind == EmptyText {
		reply = ""
	}
	x.text, x.completion, x.cut = cutTokens(reply, x.req.MaxTokens)
	s.books.charge(x.ticket, x.prompt, x.completion, x.provider.cost(x.prompt, x.completion), s.now())
	if !s.pause(x.r.Context(), (*s.latency.Load())(x.req)) {
		x.abort()
	}
	if x.failSilently() {
		return
	}
	if body := write(x); body != nil {
		x.spoil(body)
	}
}

// refuse answers a call that the books do not admit.
func (x *exchange) refuse() {
	switch x.ticket.deny {
	case http.StatusUnauthorized:
		x.reject(401, "text/plain; charset=utf-8", body401)
	case http.StatusPaymentRequired:
		x.reject(402, "application/json", body402)
	case http.StatusForbidden:
		x.reject(403, "application/json", body403)
	default:
		x.hint(x.s.RetryHint, x.s.wall(x.ticket.wait))
		x.reject(429, "application/json", body429)
	}
}

// hint tells a wait. Seconds are rounded up: who waits as told never comes too early.
func (x *exchange) hint(h Hint, wait time.Duration) {
	seconds := max(1, int64((wait+time.Second-1)/time.Second))
	header := x.w.Header()
	switch h {
	case HintSeconds:
		header.Set("Retry-After", fmt.Sprint(seconds))
	case HintDate:
		header.Set("Retry-After", time.Now().Add(wait+time.Second-1).UTC().Format(http.TimeFormat))
	case HintRateLimit:
		header.Set("RateLimit", fmt.Sprintf(`"api";r=0;t=%d`, seconds))
	case HintMisleads:
		header.Set("RateLimit", `"api";r=99794;t=3000`)
	}
}

func (x *exchange) reject(status int, contentType, body string) {
	x.status = status
	x.w.Header().Set("Content-Type", contentType)
	x.w.WriteHeader(status)
	_, _ = io.WriteString(x.w, body)
}

func (x *exchange) rejectValue(status int, v any) {
	x.status = status
	writeJSON(x.w, status, v)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
