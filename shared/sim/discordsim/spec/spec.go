// Package spec judges bodies by Discord's own OpenAPI description of its HTTP API: what
// a bot sends, and what the simulator answers. It is the one part of the simulator that
// was not written by us, so it keeps both honest.
//
// It is stricter than the description in one way: a request with a field that the
// description does not name is refused, since Discord ignores such fields without a
// word (a misspelt "enforce_nonce" protects nobody). It is laxer in another: the
// description allows 4000 characters of content, Discord 2000; the simulator counts.
package spec

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed discord-openapi.json
var document []byte

// ErrUnknownOperation: the embedded cut of the description has no such method and path.
var ErrUnknownOperation = errors.New("operation not in the embedded description")

// ErrUnknownField: a request has a field that the description does not name there. Some
// client libraries send harmless ones (discordgo: "invitable" on a message's thread);
// callers that must live with that can tell it apart.
var ErrUnknownField = errors.New("the description knows no such field")

// Spec is the loaded description. It is safe for concurrent use.
type Spec struct{ operations []operation }

type operation struct {
	method   string
	segments []string // "{...}" matches any one
	literals int      // the more, the better the match
	request  *jsonschema.Schema
	answers  map[string]*jsonschema.Schema // by status, "200" or "4XX"; nil: no body
}

// location is the name under which the document is compiled; nothing is fetched.
const location = "https://discord.com/api/openapi.json"

// Load compiles the embedded description, which takes some tens of milliseconds.
// OpenAPI 3.1 schemas are JSON Schema 2020-12, so that a plain compiler does.
func Load() (*Spec, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("parse Discord's OpenAPI description: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(location, doc); err != nil {
		return nil, fmt.Errorf("load Discord's OpenAPI description: %w", err)
	}
	s := &Spec{}
	paths, _ := dig(doc, "paths").(map[string]any)
	for path, item := range paths {
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			if dig(item, method) == nil {
				continue
			}
			op, err := newOperation(c, doc, path, method)
			if err != nil {
				return nil, fmt.Errorf("compile %s %s: %w", method, path, err)
			}
			s.operations = append(s.operations, op)
		}
	}
	return s, nil
}

func newOperation(c *jsonschema.Compiler, doc any, path, method string) (operation, error) {
	out := operation{method: strings.ToUpper(method), segments: strings.Split(path, "/"), answers: map[string]*jsonschema.Schema{}}
	for _, seg := range out.segments {
		if !strings.HasPrefix(seg, "{") {
			out.literals++
		}
	}
	var err error
	if out.request, err = compile(c, doc, "paths", path, method, "requestBody"); err != nil {
		return out, err
	}
	answers, _ := dig(doc, "paths", path, method, "responses").(map[string]any)
	for status, answer := range answers {
		at := []string{"paths", path, method, "responses", status}
		if ref, ok := dig(answer, "$ref").(string); ok {
			at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		}
		if out.answers[status], err = compile(c, doc, at...); err != nil {
			return out, err
		}
	}
	return out, nil
}

// compile makes the JSON schema of the request or response at a place; nil without one.
func compile(c *jsonschema.Compiler, doc any, at ...string) (*jsonschema.Schema, error) {
	at = append(at[:len(at):len(at)], "content", "application/json", "schema")
	if dig(doc, at...) == nil {
		return nil, nil
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	pointer := ""
	for _, key := range at {
		pointer += "/" + escape.Replace(key)
	}
	return c.Compile(location + "#" + pointer)
}

func dig(v any, keys ...string) any {
	for _, key := range keys {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func (s *Spec) find(method, path string) (operation, error) {
	segments := strings.Split(path, "/")
	best := operation{literals: -1}
	for _, op := range s.operations {
		if op.method == method && op.literals > best.literals && op.matches(segments) {
			best = op
		}
	}
	if best.literals < 0 {
		return best, fmt.Errorf("%s %s: %w", method, path, ErrUnknownOperation)
	}
	return best, nil
}

func (o operation) matches(segments []string) bool {
	if len(segments) != len(o.segments) {
		return false
	}
	for i, seg := range o.segments {
		if seg != segments[i] && !strings.HasPrefix(seg, "{") {
			return false
		}
	}
	return true
}

// CheckRequest judges the JSON body of a request. path is without "/api/v10". It fits
// the field CheckRequest of discordsim.Server.
func (s *Spec) CheckRequest(method, path string, body []byte) error {
	op, err := s.find(method, path)
	if err != nil {
		return err
	}
	if op.request == nil {
		if len(bytes.TrimSpace(body)) > 0 {
			return fmt.Errorf("%s %s takes no JSON body", method, path)
		}
		return nil
	}
	v, err := judge(op.request, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if err := unknownFields([]*jsonschema.Schema{op.request}, v, "body"); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// CheckResponse judges an answer, whoever gave it.
func (s *Spec) CheckResponse(method, path string, status int, body []byte) error {
	op, err := s.find(method, path)
	if err != nil {
		return err
	}
	schema, known := op.answers[strconv.Itoa(status)]
	if !known && status >= 400 {
		schema, known = op.answers["4XX"]
	}
	if !known {
		return fmt.Errorf("%s %s: status %d is not described", method, path, status)
	}
	if schema == nil {
		if len(body) > 0 {
			return fmt.Errorf("%s %s: status %d has no body", method, path, status)
		}
		return nil
	}
	if _, err := judge(schema, body); err != nil {
		return fmt.Errorf("%s %s: status %d: %w", method, path, status, err)
	}
	return nil
}

func judge(schema *jsonschema.Schema, body []byte) (any, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("parse JSON: %w", err)
	}
	return v, schema.Validate(v)
}
