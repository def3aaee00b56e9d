package outbound

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// answerPieces are what models write, whole and broken.
var answerPieces = []string{
	"word ", "words and words. ", "End! ", "\n", "\n\n", "# Head\n", "- item\n", "  - nested\n", "1. first\n", "These:\n", "> quote ", "\n> ", ">>> ", "> ```py\n> ",
	"```", "```go\n", "\n```\n", "x := 1\n", "\tif x {\n", "`", "``", "`code` ", "``a`b`` ", "**bold** ", "[link](https://x.org/a_(b)) ", "|a|b|\n",
	"中文。", "「日本」", "👩‍👩‍👧‍👦", "🇩🇪", "e\u0301", "क्षि", "\u200b", "\u3164", "\u00a0", "\t", "    ", "a", ".", "…", "\x00", "\xff",
	strings.Repeat("long", 40), strings.Repeat("e\u0301\u0302", 80), strings.Repeat("word ", 60), strings.Repeat("line of code()\n", 15), strings.Repeat(" ", 90),
}

func TestSplitHeaps(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	limits := []int{3, 17, 119, 120, 121, 200, 500, 2000}
	for range 600_000 {
		few := make([]string, 2+random.IntN(12))
		for i := range few {
			few[i] = answerPieces[random.IntN(len(answerPieces))]
		}
		var b strings.Builder
		for range random.IntN(60) {
			b.WriteString(few[random.IntN(len(few))])
		}
		checkSplit(t, b.String(), limits[random.IntN(len(limits))], 1+random.IntN(6))
	}
}
