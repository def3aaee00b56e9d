package sanitize

import (
	"strings"
	"testing"
)

// BenchmarkText is one message of each kind that is common; package peers beside this one compares more of them.
func BenchmarkText(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"ascii", "What's the difference between a mutex and a semaphore? My teacher said one thing and somebody on the internet another."},
		{"emoji", "<@900> happy birthday!!! 🎉🎂🥳👨‍👩‍👧‍👦❤️‍🔥 have a great day 🇩🇪 <:pepe:123456789012345678>"},
		{"devanagari", "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				_ = Text(c.text, Names{BotID: "900"})
			}
		})
	}
	b.Run("long", func(b *testing.B) {
		text := strings.TrimSpace(strings.Repeat("The quick brown fox jumps over the lazy dog; it's just what foxes do. ", 50))
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			_ = Text(text, Names{})
		}
	})
}
