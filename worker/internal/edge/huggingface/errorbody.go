package huggingface

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// errorBody is what an error's body tells.
type errorBody struct {
	message   string        // not yet redacted or bounded
	estimated time.Duration // until a model is loaded; 0 if not told
	isError   bool          // the body is JSON that speaks of an error: fit to find one inside a 200
}

// readError reads the shapes in which errors were seen: {"error":"…"}, {"error":{"message":"…"}}, {"detail":…},
// {"message":"…"}, problem+json, plain text, and the HTML of proxies.
func readError(body []byte) errorBody {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return errorBody{message: plain(string(body))}
	}
	e := errorBody{message: strings.Join(unique(collect(v, 0)), ": ")}
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	if o, ok := v.(map[string]any); ok {
		if s, ok := o["estimated_time"].(float64); ok {
			e.estimated = seconds(s)
		}
		if told, ok := o["error"]; ok && told != nil && told != false && told != "" {
			e.isError = true
		}
	}
	return e
}

// told are the fields whose texts make a message, from the general to the particular. Others are left out on purpose:
// validation errors repeat the input, and that is what a user wrote.
var told = []string{"title", "error", "errors", "message", "detail", "msg"}

// maxDepth bounds how deep into a body is looked for a message.
const maxDepth = 4

func collect(v any, depth int) []string {
	if depth > maxDepth {
		return nil
	}
	var found []string
	switch v := v.(type) {
	case string:
		found = append(found, v)
	case map[string]any:
		for _, name := range told {
			found = append(found, collect(v[name], depth+1)...)
		}
	case []any:
		for _, item := range v[:min(len(v), 3)] {
			found = append(found, collect(item, depth+1)...)
		}
	}
	return found
}

func unique(texts []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" && !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

var (
	htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	htmlTag   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// plain is what a body that is no JSON says; of HTML, its title.
func plain(body string) string {
	if !strings.Contains(body, "<") {
		return body
	}
	if m := htmlTitle.FindStringSubmatch(body); m != nil {
		return m[1]
	}
	return htmlTag.ReplaceAllString(body, " ")
}
