package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// keepLines is how many of the processes' last lines the page can ask for.
const keepLines = 300

// maxLine cuts what is kept of one line, in bytes; the file has all of it.
const maxLine = 2000

// maxLogFile ends the file when it has this many bytes, so that a forgotten playground fills no disk.
const maxLogFile = 256 << 20

// logLine is one line that a process wrote.
type logLine struct {
	N    int64  `json:"n"`
	At   int64  `json:"at"` // ms since 1970
	Who  string `json:"who"`
	Text string `json:"text"`
}

// logbook keeps the last lines of all processes, and writes all of them to a file.
type logbook struct {
	path string

	mu      sync.Mutex
	file    *os.File
	written int64
	n       int64
	lines   []logLine
}

func newLogbook(dir string) (*logbook, error) {
	path := filepath.Join(dir, "salamander.log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log file: %w", err)
	}
	return &logbook{path: path, file: f}, nil
}

// add takes a line; it is safe for concurrent use.
func (b *logbook) add(who, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.written < maxLogFile {
		n, _ := fmt.Fprintf(b.file, "%s %s\n", who, text) // a full disk takes the file, not the playground
		b.written += int64(n)
	}
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	b.n++
	b.lines = append(b.lines, logLine{b.n, time.Now().UnixMilli(), who, text})
	if len(b.lines) > 2*keepLines {
		b.lines = append(make([]logLine, 0, 2*keepLines), b.lines[len(b.lines)-keepLines:]...)
	}
}

// since returns the kept lines after number n, at most the newest keepLines.
func (b *logbook) since(n int64) []logLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := max(0, len(b.lines)-keepLines)
	for from < len(b.lines) && b.lines[from].N <= n {
		from++
	}
	return append([]logLine(nil), b.lines[from:]...)
}

// tail is the last n lines as text for a terminal.
func (b *logbook) tail(n int) string {
	all := b.since(0)
	var s strings.Builder
	for _, l := range all[max(0, len(all)-n):] {
		fmt.Fprintf(&s, "  %s: %s\n", l.Who, l.Text)
	}
	return s.String()
}

// words are what a process wrote last that is no line of its log: why it does not start. Where there are none, the last
// line of its log has to do.
func (b *logbook) words(who string) string {
	var said []string
	last := ""
	for _, l := range b.since(0) {
		switch {
		case l.Who != who:
		case strings.HasPrefix(l.Text, "{"):
			last = l.Text
		default:
			said = append(said, l.Text)
		}
	}
	if len(said) == 0 {
		return last
	}
	return strings.Join(said, "; ")
}

func (b *logbook) close() { _ = b.file.Close() }
