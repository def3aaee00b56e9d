package huggingface

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"salamander.dev/shared/secret"
	"salamander.dev/worker/internal/core/answer"
)

const (
	maxMessage   = 300 // runes of a failure's message
	maxID        = 128 // bytes of a request id or a provider's name
	redacted     = "[redacted]"
	minTextToken = 8  // bytes: shorter "tokens" exist in tests only, and would maul answers
	minHidden    = 12 // bytes: what is shorter may stand in any error by chance
)

// redactor takes keys out of what comes from outside: servers were seen to repeat the header that they refuse.
type redactor struct{ tokens []string }

func newRedactor(keys map[string]secret.String) *redactor {
	r := &redactor{}
	for _, k := range keys {
		r.tokens = append(r.tokens, k.Reveal())
	}
	// The longest first: a token may be the beginning of another.
	slices.SortFunc(r.tokens, func(a, b string) int { return len(b) - len(a) })
	return r
}

// looksSecret matches tokens that are not ours but still nobody's business, with some of them masked.
var looksSecret = regexp.MustCompile(`\b(hf|sk|gsk|api_org)[_-][A-Za-z0-9_*.-]{8,}|(?i)\bbearer[\s:]+[^\s"',]{3,}`)

func (r *redactor) tokensOut(s string) string {
	for _, t := range r.tokens {
		s = strings.ReplaceAll(s, t, redacted)
	}
	return s
}

// message makes one bounded line without secrets, and without what people wrote, so that it may be logged whatever
// LOG_CONTENT says. Tokens are looked for before and after the cleaning, as what is cleaned away may hide one, and
// before the cut, as a cut may leave half of one.
func (r *redactor) message(s string, p answer.Prompt) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = oneLine(r.tokensOut(s))
	s = looksSecret.ReplaceAllString(r.tokensOut(s), redacted)
	for _, t := range p.Turns {
		if text := oneLine(t.Text); len(text) >= minHidden {
			s = strings.ReplaceAll(s, text, "[text]")
		}
	}
	if runes := []rune(s); len(runes) > maxMessage {
		s = string(runes[:maxMessage-1]) + "…"
	}
	return s
}

// id makes a header's value fit for logs.
func (r *redactor) id(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, s)
	s = looksSecret.ReplaceAllString(r.tokensOut(s), redacted)
	return s[:min(len(s), maxID)]
}

// text takes our keys out of a model's answer.
func (r *redactor) text(s string) string {
	for _, t := range r.tokens {
		if len(t) >= minTextToken {
			s = strings.ReplaceAll(s, t, redacted)
		}
	}
	return s
}

// oneLine puts a text on one line: white space becomes single spaces, other control and formatting characters go.
func oneLine(s string) string {
	s = strings.Map(func(c rune) rune {
		if !unicode.IsSpace(c) && (unicode.IsControl(c) || unicode.Is(unicode.Cf, c)) {
			return -1
		}
		return c
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
