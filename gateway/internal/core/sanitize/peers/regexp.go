// Package peers is what package sanitize is measured against: the sanitizer that one would write with regular
// expressions, and gomoji. It is a module of its own, so that the gateway does not depend on either.
package peers

import (
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// The expressions are compiled once, each does one job, and what can go together stands in one alternation. They
// are as careful as such code gets in practice: by Unicode's properties and ranges rather than by a list of emoji.
var (
	emoji = regexp.MustCompile(`[0-9#*]\x{FE0F}?\x{20E3}|[©®™]\x{FE0F}|` +
		`[\x{203C}\x{2049}\x{2139}\x{2194}-\x{2199}\x{21A9}\x{21AA}\x{231A}\x{231B}\x{2328}\x{23CF}\x{23E9}-\x{23F3}\x{23F8}-\x{23FA}` +
		`\x{24C2}\x{25AA}\x{25AB}\x{25B6}\x{25C0}\x{25FB}-\x{25FE}\x{2600}-\x{2604}\x{260E}\x{2611}\x{2614}\x{2615}\x{2618}\x{261D}\x{2620}` +
		`\x{2622}\x{2623}\x{2626}\x{262A}\x{262E}\x{262F}\x{2638}-\x{263A}\x{2640}\x{2642}\x{2648}-\x{2653}\x{265F}\x{2660}\x{2663}` +
		`\x{2665}\x{2666}\x{2668}\x{267B}\x{267E}\x{267F}\x{2692}-\x{2697}\x{2699}\x{269B}\x{269C}\x{26A0}\x{26A1}\x{26A7}\x{26AA}\x{26AB}` +
		`\x{26B0}\x{26B1}\x{26BD}\x{26BE}\x{26C4}\x{26C5}\x{26C8}\x{26CE}\x{26CF}\x{26D1}\x{26D3}\x{26D4}\x{26E9}\x{26EA}\x{26F0}-\x{26F5}` +
		`\x{26F7}-\x{26FA}\x{26FD}\x{2702}\x{2705}\x{2708}-\x{270D}\x{270F}\x{2712}\x{2714}\x{2716}\x{271D}\x{2721}\x{2728}\x{2733}\x{2734}` +
		`\x{2744}\x{2747}\x{274C}\x{274E}\x{2753}-\x{2755}\x{2757}\x{2763}\x{2764}\x{2795}-\x{2797}\x{27A1}\x{27B0}\x{27BF}\x{2934}\x{2935}` +
		`\x{2B05}-\x{2B07}\x{2B1B}\x{2B1C}\x{2B50}\x{2B55}\x{3030}\x{303D}\x{3297}\x{3299}\x{1F004}\x{1F0CF}\x{1F170}\x{1F171}\x{1F17E}\x{1F17F}` +
		`\x{1F18E}\x{1F191}-\x{1F19A}\x{1F1E6}-\x{1F1FF}\x{1F201}-\x{1F20F}\x{1F21A}\x{1F22F}\x{1F232}-\x{1F23A}\x{1F250}-\x{1F251}` +
		`\x{1F300}-\x{1F64F}\x{1F680}-\x{1F6FF}\x{1F7E0}-\x{1F7F0}\x{1F90C}-\x{1F9FF}\x{1FA70}-\x{1FAFF}]` +
		`[\x{FE0F}\x{200D}\x{E0020}-\x{E007F}]*`)
	removed   = regexp.MustCompile(`<a?:\w+:\d+>|<id:[\w:-]+>|https?://(?:[\w-]+\.)*(?:tenor\.com|giphy\.com|klipy\.com)/\S+|https?://(?:cdn\.discordapp\.com|media\.discordapp\.net)/\S+\.gif\S*`)
	user      = regexp.MustCompile(`<@!?(\d+)>`)
	role      = regexp.MustCompile(`<@&\d+>`)
	channel   = regexp.MustCompile(`<#\d+>`)
	command   = regexp.MustCompile(`</([^:>]+):\d+>`)
	timestamp = regexp.MustCompile(`<t:-?\d+(?::\w)?>`)
	invisible = regexp.MustCompile(`[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F\x{AD}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{FEFF}\x{FE00}-\x{FE0F}\x{E0000}-\x{E0FFF}]`)
	fancy     = regexp.MustCompile(`[\x{FF10}-\x{FF19}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{24B6}-\x{24E9}\x{1D400}-\x{1D7FF}\x{1F130}-\x{1F149}]+`)
	zalgo     = regexp.MustCompile(`(\p{Mn}{4})\p{Mn}+`)
	spaces    = regexp.MustCompile(`[^\S\n]+`)
	edges     = regexp.MustCompile(` ?\n ?`)
	breaks    = regexp.MustCompile(`\n{3,}`)
)

// Regexp sanitizes with regular expressions. Unlike sanitize.Text it knows no code blocks, no script's joiners,
// and what a removal brings together it does not see.
func Regexp(in, botID string, names map[string]string) string {
	s := strings.ToValidUTF8(in, "")
	s = emoji.ReplaceAllLiteralString(s, "")
	s = removed.ReplaceAllLiteralString(s, "")
	s = user.ReplaceAllStringFunc(s, func(m string) string {
		id := strings.Trim(m, "<@!>")
		if id == botID {
			return ""
		}
		if name, ok := names[id]; ok {
			return "@" + name
		}
		return "@user"
	})
	s = role.ReplaceAllLiteralString(s, "@role")
	s = channel.ReplaceAllLiteralString(s, "#channel")
	s = command.ReplaceAllString(s, "/$1")
	s = timestamp.ReplaceAllLiteralString(s, "a date")
	s = invisible.ReplaceAllLiteralString(s, "")
	s = fancy.ReplaceAllStringFunc(s, norm.NFKC.String)
	s = zalgo.ReplaceAllString(s, "$1")
	s = spaces.ReplaceAllLiteralString(s, " ")
	s = edges.ReplaceAllLiteralString(s, "\n")
	s = breaks.ReplaceAllLiteralString(s, "\n\n")
	return strings.TrimSpace(s)
}

// RegexpEmoji is the least that one would write: one expression for emoji, one for Discord's tags, as the bot did that Salamander
// follows.
func RegexpEmoji(in string) string {
	return strings.TrimSpace(tags.ReplaceAllLiteralString(emoji.ReplaceAllLiteralString(in, ""), ""))
}

var tags = regexp.MustCompile(`<(?:@[!&]?|#|a?:\w+:|t:|/[^:>]+:)\d+(?::\w)?>`)
