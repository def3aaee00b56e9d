package peers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/forPelevin/gomoji"
	"salamander.dev/gateway/internal/core/sanitize"
)

// chats are messages as people write them, by kind.
var chats = []struct {
	name     string
	messages []string
}{
	{"ASCII chat", []string{
		"hey, can you explain to me how a hash map works? i never got why it is O(1)",
		"lol no",
		"What's the difference between a mutex and a semaphore? My teacher said a mutex is a semaphore with a count of one but somebody on the internet says that is wrong.",
		"Write me a short story about a dragon who is afraid of fire, please. About 200 words. It should have a happy end, and the dragon's name must be Bob :)",
		"ok thanks!! that makes sense. one more question: if i have 3 apples and eat 2, how many did i have 5 minutes ago (assuming that i eat one apple per minute)?",
		"I've been trying to get my sourdough starter going for two weeks now, and it just doesn't rise. I feed it 1:1:1 every morning, the flour is whole wheat, the kitchen is around 19 degrees. What am I doing wrong?",
	}},
	{"ASCII, one long", []string{strings.TrimSpace(strings.Repeat("The quick brown fox jumps over the lazy dog, and nobody knows why; it's just what foxes do. ", 40))}},
	{"emoji-heavy", []string{
		"😂😂😂 omg that is sooo funny 😭💀",
		"happy birthday!!! 🎉🎂🥳👨‍👩‍👧‍👦❤️‍🔥 have a great day 🇩🇪🇫🇷",
		"<:pepe:123456789012345678> <a:party:123456789012345679> gg wp 👍🏽👍🏽",
		"1️⃣ first 2️⃣ second 3️⃣ third ✅ done ❌ not done ⚠️ careful",
		"🔥🔥🔥🔥🔥🔥🔥🔥",
	}},
	{"CJK", []string{
		"你好，请问你能给我解释一下什么是哈希表吗？我一直不明白为什么它的时间复杂度是常数。",
		"すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
		"모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. ㅋㅋㅋ",
		"今天天气真好，我们去公园散步吧！顺便买点吃的。",
	}},
	{"Devanagari", []string{
		"सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
		"क्या आप मुझे समझा सकते हैं कि हैश टेबल कैसे काम करती है? मुझे यह कभी समझ नहीं आया।",
		"उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।",
	}},
	{"zalgo", []string{
		zalgo20("help me i am in the wires"), zalgo20("he comes"), "normal " + zalgo20("text") + " between",
	}},
	{"fancy letters", []string{
		"𝓱𝓮𝓵𝓵𝓸 𝔀𝓸𝓻𝓵𝓭, 𝕨𝕙𝕒𝕥 𝕚𝕤 𝕦𝕡", "ｈｅｌｌｏ ｗｏｒｌｄ", "ⓗⓔⓛⓛⓞ 🄷🄴🄻🄻🄾",
	}},
	{"markup", []string{
		"<@900> what did <@1> say in <#123456789012345678> at <t:1700000000:f>?",
		"</help:123456789012345678> look https://tenor.com/view/cat-dance-gif-12345 lol",
		"<@!123456789012345678> **bold** ||spoiler|| `code`\n> quote\n- list",
	}},
}

func zalgo20(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
		for i := range 20 {
			b.WriteRune(0x0300 + rune(i*7+int(r))%0x60)
		}
	}
	return b.String()
}

var (
	names    = sanitize.Names{BotID: "900", Users: []sanitize.User{{ID: "1", Name: "Ann"}}}
	nameByID = map[string]string{"1": "Ann"}
	sink     string
)

// BenchmarkText is the table of docs/text.md: megabytes of input per second, by kind of chat, message by message.
func BenchmarkText(b *testing.B) {
	for _, chat := range chats {
		bytes := 0
		for _, m := range chat.messages {
			bytes += len(m)
		}
		for _, peer := range []struct {
			name string
			text func(string) string
		}{
			{"sanitize", func(s string) string { return sanitize.Text(s, names) }},
			{"regexp", func(s string) string { return Regexp(s, "900", nameByID) }},
			{"regexp, emoji and tags only", RegexpEmoji},
			{"gomoji, emoji only", gomoji.RemoveEmojis},
		} {
			b.Run(chat.name+"/"+peer.name, func(b *testing.B) {
				b.SetBytes(int64(bytes))
				b.ReportAllocs()
				for b.Loop() {
					for _, m := range chat.messages {
						sink = peer.text(m)
					}
				}
			})
		}
	}
}

// TestPeers: the peers do their work, so that they are measured at work. What they get
// wrong is named in docs/text.md.
func TestPeers(t *testing.T) {
	in := "hi <@900>,  𝓱𝓮𝓵𝓵𝓸 😀 <@1> <:x:1> z\u0300\u0300\u0300\u0300\u0300\u0300"
	want := "hi , hello @Ann z\u0300\u0300\u0300\u0300"
	if got := Regexp(in, "900", nameByID); got != want {
		t.Errorf("Regexp: %+q, want %+q", got, want)
	}
	if got := sanitize.Text(in, names); got != want {
		t.Errorf("Text: %+q, want %+q", got, want)
	}
	if got := RegexpEmoji("a😀b <@1> c"); got != "ab  c" {
		t.Errorf("RegexpEmoji: %q", got)
	}
	if got := gomoji.RemoveEmojis("a😀b"); got != "ab" {
		t.Errorf("gomoji: %q", got)
	}
}

// ExampleRegexp shows what regular expressions one after the other do not see.
func ExampleRegexp() {
	for _, in := range []string{"<:a<:b:1>:1>", "``😀`a  b```", "می‌خواهم", "```\nx  =  1\n```"} {
		fmt.Printf("%+q %+q\n", Regexp(in, "", nil), sanitize.Text(in, sanitize.Names{}))
	}
	// Output:
	// "<:a:1>" ""
	// "```a b```" "```a  b```"
	// "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645" "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
	// "```\nx = 1\n```" "```\nx  =  1\n```"
}
