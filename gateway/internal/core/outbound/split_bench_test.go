package outbound

import (
	"strings"
	"testing"
)

// BenchmarkSplit is an answer that fits, which most do, and a long one with code.
func BenchmarkSplit(b *testing.B) {
	short := "A salamander is an amphibian, and in old stories an animal that lives in fire."
	long := strings.Repeat("A paragraph of an answer that explains something at length, as models do.\n\n", 40) +
		"```go\n" + strings.Repeat("x := append(y, \"a line of code\")\n", 60) + "```\n" + strings.Repeat("And so on. ", 200)
	for _, c := range []struct{ name, text string }{{"short", short}, {"long", long}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				_ = Split(c.text, PartUnits, MaxParts)
			}
		})
	}
}
