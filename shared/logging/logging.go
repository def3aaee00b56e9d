// Package logging makes the services' logger, and says where the text of users and models may stand in a log line.
package logging

import (
	"io"
	"time"

	"github.com/rs/zerolog"
)

// New returns a logger that writes one line of JSON per event to w, or lines for people when format is "console".
// level is one of zerolog's names; an unknown one is info.
func New(w io.Writer, service, level, format string) zerolog.Logger {
	if format == "console" {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05.000"}
	}
	l, err := zerolog.ParseLevel(level)
	if err != nil || l == zerolog.NoLevel {
		l = zerolog.InfoLevel
	}
	return zerolog.New(w).Level(l).Hook(clock{}).With().Str("service", service).Logger()
}

// clock stamps every line to the microsecond, in UTC; zerolog's own format is a global of the whole process.
type clock struct{}

func (clock) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	e.Str(zerolog.TimestampFieldName, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00"))
}

// Content is LOG_CONTENT: where text of users and models may stand.
type Content string

// The three policies.
const (
	Never    Content = "never"
	Failures Content = "failures"
	Always   Content = "always"
)

// maxText bounds a logged text, in bytes.
const maxText = 4096

// Failure adds a text to the line of a question that ends in a fallback, an apology, a dead letter or a failed post.
func (c Content) Failure(e *zerolog.Event, key, text string) *zerolog.Event {
	if c == Failures || c == Always {
		return e.Str(key, clip(text))
	}
	return e
}

// Always adds a text to any other line.
func (c Content) Always(e *zerolog.Event, key, text string) *zerolog.Event {
	if c == Always {
		return e.Str(key, clip(text))
	}
	return e
}

func clip(s string) string {
	if len(s) > maxText {
		return s[:maxText] + "…"
	}
	return s
}
