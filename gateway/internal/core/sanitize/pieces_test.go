package sanitize

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// pieces are what the rules look at, whole and in halves; random heaps of them bring together what the
// fuzzer needs long to find.
var pieces = []string{
	"a", "b", "1", "#", " ", "  ", "\n", "\r", "\n\n", "\t", "<", ">", "`", "``", "```", "@", "!", "&", ":", "/", "|", "||", "*", "_", "~~", ".", ",", ";", "!?", "'", "(", ")", "[", "](", "\"",
	"<@", "<@1>", "<@900>", "<:", "<a:", "<:a:1>", ":1>", "<#1>", "<@&1>", "<t:1:f>", "<t:", "</a:1>", "</a b:1>", "</", "<id:", "<id:x>", "http:", "//",
	"http://", "https://tenor.com", "https://tenor.com/", "/x", "https://tenor.com/x", "?", "stickers/", ".gif", "https://a.b/", "https://cdn.discordapp.com/",
	"😀", "👍🏽", "🏽", "🇩", "🇩🇪", "👨\u200d👩", "\ufe0f", "\ufe0e", "\u20e3", "©", "™", "\U0001FAFF", "★", "♥",
	"\u200b", "\u200c", "\u200d", "\u2060", "\u202e", "\u034f", "\u180e", "\u180b", "\u202f", "\u00a0", "\u2028", "\u0085", "\u3000", "\ufe00", "\U000E0100", "\U000E0041", "\u3164", "\u115f", "\u1160",
	"\u0301", "\u0300\u0302", "\u0903", "\u0f71", "\u094d", "ക", "ക്", "ब", "ب", "م", "ส", "ខ", "ᠨ", "葛", "ᄀ", "ᅡ", "ש", "\u05b4",
	"𝓱", "ℍ", "ℝ", "ｅ", "１", "／", "＜", "⒜", "ﬁ", "🅗", "🅰",
	"\xff", "\xf0\x9f", "\xed\xa0\x80", "\x00", "\x7f", "é", "ñ",
}

func TestHeapsOfPieces(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	names := Names{BotID: "900", Users: []User{{"1", ""}}}
	heap := func(from []string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(from[random.IntN(len(from))])
		}
		return b.String()
	}
	for range 20_000 {
		few := make([]string, 2+random.IntN(9)) // few kinds meet more often
		for i := range few {
			few[i] = pieces[random.IntN(len(pieces))]
		}
		for range 10 {
			names.Users[0].Name = heap(pieces, random.IntN(4))
			check(t, heap(few, 1+random.IntN(24)), names)
		}
	}
}
