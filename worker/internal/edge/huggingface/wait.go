package huggingface

import (
	"cmp"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// told429 is how long a 429 asks to wait: Retry-After, or else a RateLimit header that says that nothing remains. 0 when
// neither says anything.
func told429(h http.Header, now time.Time) time.Duration {
	return cmp.Or(retryAfter(h, now), rateLimit(h))
}

// retryAfter reads Retry-After: seconds or an HTTP date (RFC 9110, 10.2.3). A date is measured against the sender's
// own Date, so that its clock and ours need not agree. 0 when there is none, or it is past, or it makes no sense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(value, 64); err == nil {
		return seconds(s)
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if sent, err := http.ParseTime(h.Get("Date")); err == nil {
		now = sent
	}
	return max(0, until.Sub(now))
}

// rateLimit reads the RateLimit header (draft-ietf-httpapi-ratelimit-headers-09), e.g. `"api";r=0;t=55`: r requests
// remain, for t seconds; and what the drafts before had instead, `limit=100, remaining=0, reset=55` in one header or in
// three. Hugging Face puts it on every answer for its hub, so only a policy with r=0 explains a 429.
func rateLimit(h http.Header) time.Duration {
	var wait time.Duration
	for _, value := range h.Values("RateLimit") {
		for _, policy := range splitOutsideQuotes(value, ',') {
			if params := splitOutsideQuotes(policy, ';')[1:]; len(params) > 0 {
				wait = max(wait, untilReset(params, "r", "t"))
			}
		}
		wait = max(wait, untilReset(splitOutsideQuotes(value, ','), "remaining", "reset"))
	}
	own := []string{"remaining=" + h.Get("RateLimit-Remaining"), "reset=" + h.Get("RateLimit-Reset")}
	return max(wait, untilReset(own, "remaining", "reset"))
}

// untilReset is the time until a policy resets of which nothing remains; 0 when something does, or it isn't told.
func untilReset(params []string, remaining, reset string) time.Duration {
	left, after := -1.0, 0.0
	for _, param := range params {
		name, text, _ := strings.Cut(strings.TrimSpace(param), "=")
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			continue
		}
		switch strings.TrimSpace(name) {
		case remaining:
			left = v
		case reset:
			after = v
		}
	}
	if left != 0 {
		return 0
	}
	return seconds(after)
}

// splitOutsideQuotes splits at a separator that is not within a quoted name.
func splitOutsideQuotes(s string, separator byte) []string {
	var parts []string
	quoted, from := false, 0
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == separator && !quoted:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// seconds is a duration from outside: never negative, and never so long that it turns over.
func seconds(s float64) time.Duration {
	if math.IsNaN(s) || s <= 0 {
		return 0
	}
	return time.Duration(math.Min(s, maxCooling.Seconds()) * float64(time.Second))
}
