package discord

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/bwmarrin/discordgo"
	"github.com/rs/zerolog"
)

// discordgo logs through one variable for the whole process. It is set once, and the lines go to the Client that was
// made last; a line does not tell whose it is.
var (
	setLibraryLogger sync.Once
	libraryLog       atomic.Pointer[zerolog.Logger]
)

// tokenShape finds what looks like a bot token: three parts of base64 with dots between.
var tokenShape = regexp.MustCompile(`[\w-]{18,}\.[\w-]{4,}\.[\w-]{20,}`)

// takeLibraryLog sends discordgo's lines to log. Only its errors are passed on: from its warnings upwards it prints
// whole events with what users wrote, and at its debug level IDENTIFY with the token.
func takeLibraryLog(log zerolog.Logger) {
	libraryLog.Store(&log)
	setLibraryLogger.Do(func() {
		discordgo.Logger = func(level, _ int, format string, args ...any) {
			l := libraryLog.Load()
			if l == nil || level > discordgo.LogError {
				return
			}
			line := l.Warn()
			if strings.HasPrefix(format, "error unmarshalling") { // its types lag behind Discord's; ours read the event
				line = l.Debug()
			}
			line.Str("from", "discordgo").Msg(scrub(fmt.Sprintf(format, args...)))
		}
	})
}

// scrub bounds a line and takes out what looks like a token.
func scrub(line string) string {
	return clip(tokenShape.ReplaceAllString(line, "[redacted]"), 300)
}
