//lint:file-ignore ST1018 what is invisible in these texts is what they are about; spelled out beside them where it matters

package sanitize

import (
	"strings"
	"testing"
	"unicode/utf8"
)

var people = Names{BotID: "900", Users: []User{
	{"1", "Ann"}, {"2", "😀"}, {"3", "<@900> `x` \n𝓑𝓸𝓫"}, {"4", "Zoë"}, {"80351110224678912", "Nelly the elephant"},
	{"123456789012345678", strings.Repeat("長", 32)}, {"15", "Bob (he/him)"}, {"16", "Ann 🔥"}, {"17", "https://tenor.com/x"},
	{"18", "https:\u200b/\u200b/tenor.com/x"},
}}

func TestText(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"plain", "Hello, world! :) #1 *2* 3", "Hello, world! :) #1 *2* 3"},
		// white space
		{"spaces", "  a  \t b  ", "a b"},
		{"line breaks", "a \n\n\n \n b\r\n\r\nc\rd", "a\n\nb\n\nc\nd"},
		{"other spaces", "a\u00a0b\u3000c\u2003\u2003d\u1680e", "a b c d e"},
		{"other breaks", "a\u2028b\u0085c\u2029d", "a\nb\nc\nd"},
		{"only white space", " \n\t\u3000", ""},
		{"space around the removed", "a 😀 b <:x:1> c", "a b c"},
		{"break around the removed", "a\n😀\nb\n\n😀\n\nc", "a\n\nb\n\nc"},
		// emoji
		{"between letters", "a😀b", "ab"},
		{"only emoji", "😀 👨‍👩‍👧 🇩🇪", ""},
		{"keycaps", "1️⃣2⃣#️⃣*⃣ 3 # *", "3 # *"},
		{"digit with selector", "1\ufe0f", "1"},
		{"flags", "🇩🇪x🏴󠁧󠁢󠁥󠁮󠁧󠁿y🏳️‍🌈z🇩", "xyz"},
		{"text signs of the list", "a↔b♥c☺︎d〰e㊗f", "abcdef"},
		{"rights", "© ® ™ stay, ©️ ®️ ™️ go", "© ® ™ stay, go"},
		{"not in the list", "★ ☆ ♪ ♡ ✓ → ∞", "★ ☆ ♪ ♡ ✓ → ∞"},
		{"future emoji", "a\U0001FAFFb\U0001F6DFc", "abc"},
		{"unknown sequence", "a👨\u200d\U0001FAFE\u200d💥b", "ab"},
		{"skin", "a👍🏽b🏽c", "abc"},
		{"mark on an emoji", "a😀\u0301\u20e0b", "ab"},
		// Discord's markup
		{"bot", "hey <@900>, <@!900> you", "hey , you"},
		{"bot alone", "<@900>", ""},
		{"user", "<@1> and <@!4>", "@Ann and @Zoë"},
		{"unknown user", "<@77>", "@user"},
		{"user without a name", "<@2>!", "@user!"},
		{"user with markup for a name", "hello dear <@3>, how are you", "hello dear @@900 x Bob, how are you"},
		{"name with a stroke", "hello, <@15>!", "hello, @Bob (he/him)!"},
		{"name with an emoji at its end", "hello, <@16>!", "hello, @Ann!"},
		{"name that would be a link", "hello dear, dear <@17>!", "hello dear, dear @https:tenor.com/x!"},
		{"name that would be a link without what is invisible", "hello dear, dear <@18>!", "hello dear, dear @https:tenor.com/x!"},
		{"long name is cut", "<@123456789012345678>", "@" + strings.Repeat("長", 13)},
		{"long name with room", strings.Repeat("x", 60) + " <@123456789012345678>", strings.Repeat("x", 60) + " @" + strings.Repeat("長", 32)},
		{"role, channel", "<@&5> in <#6>", "@role in #channel"},
		{"command", "</help:1> </mute user:2> </a b c:3>", "/help /mute user /a b c"},
		{"command in Hindi", "</मदद:1>", "/मदद"},
		{"navigation", "see <id:customize> or <id:linked-roles:7>", "see or"},
		{"custom emoji", "a<:smile:1>b<a:wave_2:22>c", "abc"},
		{"time", "at <t:1700000000:f>", "at 2023-11-14 22:13 UTC"},
		{"time without style", "at <t:1700000000>", "at 2023-11-14 22:13 UTC"},
		{"times in styles", "<t:1700000000:t> <t:1700000000:T> <t:1700000000:d> <t:1700000000:D> <t:1700000000:R> <t:1700000000:s>",
			"2023-11-14 22:13 UTC 2023-11-14 22:13:20 UTC 2023-11-14 2023-11-14 2023-11-14 22:13 UTC 2023-11-14 22:13 UTC"},
		{"short time", "<t:1>", "1970-01-01"},
		{"time before 1970", "<t:-1:d>", "1969-12-31"},
		{"no time", "<t:8640000000001> <t:1:x> <t:> <t:a>", "<t:8640000000001> <t:1:x> <t:> <t:a>"},
		{"no markup", "a < b > c <b> <@> <#x> <::1> <:a:> </x> <id:> <1> x<y", "a < b > c <b> <@> <#x> <::1> <:a:> </x> <id:> <1> x<y"},
		{"everyone", "@everyone @here", "@everyone @here"},
		// what removals bring together
		{"nested custom emoji", "<:a<:b:1>:1>", ""},
		{"deeply nested", strings.Repeat("<:a", 100) + strings.Repeat(":1>", 100), ""},
		{"emoji in markup", "<😀@1>", "@Ann"},
		{"zero width in markup", "<\u200b@\u200b1>", "@Ann"},
		{"full-width markup", "<@１>", "@Ann"},
		{"keycap behind markup", "1<:x:1>\u20e3", ""},
		{"mention from a name", "<<@5>>", "<@user>"},
		{"spaces from markup", "a <:x:1> b", "a b"},
		// links
		{"tenor", "look https://tenor.com/view/cat-1 nice", "look nice"},
		{"giphy", "https://giphy.com/gifs/abc", ""},
		{"media hosts", "https://media1.giphy.com/media/x/giphy.gif https://media.tenor.com/x/y.gif HTTPS://C.TENOR.COM/x", ""},
		{"Discord's files", "https://cdn.discordapp.com/attachments/1/2/cat.gif?ex=1&is=2 https://media.discordapp.net/stickers/3.png x", "x"},
		{"port, user, parameters", "https://a@tenor.com:443/x?y#z https://cdn.discordapp.com/a.gif#x https://cdn.discordapp.com/emojis/1.webp?size=48 b", "b"},
		{"a link in a link stays", "https://x.org/?u=https://tenor.com/x http://y.org/https://tenor.com/x", "https://x.org/?u=https://tenor.com/x http://y.org/https://tenor.com/x"},
		{"parameter is no file name", "https://cdn.discordapp.com/a.png?x=.gif", "https://cdn.discordapp.com/a.png?x=.gif"},
		{"other files stay", "https://cdn.discordapp.com/attachments/1/2/cat.png", "https://cdn.discordapp.com/attachments/1/2/cat.png"},
		{"other links stay", "https://go.dev/doc?x=a.gif#b (https://nottenor.com/x)", "https://go.dev/doc?x=a.gif#b (https://nottenor.com/x)"},
		{"no path", "https://tenor.com and https://tenor.com/", "https://tenor.com and https://tenor.com/"},
		{"only a channel", "<#1>", "#channel"},
		{"in angle brackets", "see <https://tenor.com/x> ok", "see ok"},
		{"in a spoiler", "||https://tenor.com/x|| ok", "ok"},
		{"in brackets", "(https://tenor.com/x)", "()"},
		{"in Markdown", "**https://tenor.com/x** _~~a https://tenor.com/x~~_", "**** _~~a ~~_"},
		{"before punctuation", "look https://tenor.com/cat-1, nice https://tenor.com/x! (see https://tenor.com/y.) 'https://tenor.com/z'; and",
			"look , nice ! (see .) ''; and"},
		{"before an ellipsis at the end", "so https://cdn.discordapp.com/a.gif...", "so ..."},
		{"before punctuation on a new line", "look\nhttps://tenor.com/x, nice", "look\n, nice"},
		{"punctuation inside", "https://tenor.com/a.b,c:d;e!f'g*h_i~j k", "k"},
		{"punctuation of a parameter", "https://cdn.discordapp.com/a.gif?x=1., b", "., b"},
		{"only punctuation for a path", "https://tenor.com/... b", "https://tenor.com/... b"},
		{"punctuation in a spoiler", "||https://tenor.com/x.|| ||*https://tenor.com/x*||", "||.|| ||**||"},
		{"punctuation in angle brackets", "a <https://tenor.com/x.> b", "a b"},
		{"punctuation makes a custom emoji", "<:ahttps://tenor.com/x:<:b:1>1>", ""},
		{"punctuation makes a link", "httphttps://tenor.com/x:<:b:1>//tenor.com/y c", "c"},
		{"brackets of its own", "https://tenor.com/x_(y)-z a", "a"},
		{"masked", "[cat](https://tenor.com/x) [c](<https://tenor.com/x>)", "[cat](https://tenor.com/x) [c](<https://tenor.com/x>)"},
		{"two without space", "https://tenor.com/x<:a:1>https://tenor.com/y", ""},
		{"emoji in a link", "https://ten😀or.com/x", ""},
		// Markdown
		{"markdown", "**b** __u__ ~~s~~ ||sp|| `c` # h\n> q\n- l [a](b)", "**b** __u__ ~~s~~ ||sp|| `c` # h\n> q\n- l [a](b)"},
		// code blocks
		{"code block", "```go\nfunc  main() {\n\tx  :=  1\n\n\n\n}\n```  \n\n\n x", "```go\nfunc  main() {\n\tx  :=  1\n\n\n\n}\n```\n\nx"},
		{"markup in a code block", "```\n<@1> <:a:1> https://tenor.com/x 𝓱\n```", "```\n<@1> <:a:1> https://tenor.com/x 𝓱\n```"},
		{"emoji in a code block", "```\na 😀 b\x00\u202ec\r\n```", "```\na  bc\n```"},
		{"unclosed fence", "what is ``` used for?   <@1> ok", "what is ``` used for? @Ann ok"},
		{"unclosed fence at a line's start", "```\n  a  b\n", "```\na b"},
		{"unclosed fence behind a block", "```a  b``` ``` 😀 c  d <:x:1> https://tenor.com/x", "```a  b``` ``` c d"},
		{"unclosed fence, ended by a removed one", "``` a  b ``<:x:1>` c  d", "``` a b ``` c d"},
		{"fence that an emoji parts", "``` a  b ``😀` c  d", "``` a  b ``` c d"},
		{"inline code that is not closed", "what is ` used for?   <@1> ok", "what is ` used for? @Ann ok"},
		{"fence made of pieces", "``😀`a  b```", "```a  b```"},
		{"two backticks", "``a  b``", "``a b``"},
		// invisible
		{"controls", "a\x00b\x1b[0mc\x7fd\u009fe", "ab[0mcde"},
		{"zero width", "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg\u180eh\u034fi", "abcdefghi"},
		{"bidi", "a\u202eb\u2066c\u2069d\u200ee\u200ff\u061cg", "abcdefg"},
		{"selectors and tags", "a\ufe0fb\ufe0ec\ufe00d\U000E0100e\U000E0041f", "abcdef"},
		{"fillers", "a\u3164b\uffa0c\u1160d\u115fe", "abcde"},
		{"not characters", "a\uffffb\ufdd0c\ufffcd", "abcd"},
		{"invalid bytes", "a\xffb\xf0\x9f\x98c\xed\xa0\x80d", "abcd"},
		{"replacement character", "a\uFFFDb", "a\uFFFDb"},
		// zalgo
		{"zalgo", "z" + strings.Repeat("\u0300", 50) + "a", "z" + strings.Repeat("\u0300", 4) + "a"},
		{"zalgo through joiners", "ب" + strings.Repeat("\u0300\u200d", 50), "ب" + strings.Repeat("\u0300", 4)},
		{"zalgo of other marks", "a\u0300\u20dd\u0483\ufe20\u0489b", "a\u0300\u20dd\u0483\ufe20b"},
		// fancy letters
		{"script", "𝓱𝓮𝓵𝓵𝓸", "hello"},
		{"full-width", "ｈｅｌｌｏ　１２３", "hello 123"},
		{"double-struck with its gaps", "ℍ𝕖𝕝𝕝𝕠 𝕎ℝℤ", "Hello WRZ"},
		{"script with its gaps", "𝒽ℯ𝓁𝓁ℴ", "hello"},
		{"circled, squared", "ⓗⓔⓛⓛⓞ 🄷🄸 🅗🅘 🆃", "hello HI HI T"},
		{"bracketed", "⒣⒤", "(h)(i)"},
		{"ligatures", "ﬁne oﬃce", "fine office"},
		{"mathematics stays", "x² ≤ ½, ∀x∈ℝ: ∑aₙ → ∞, 5 µm, 20 ℃", "x² ≤ ½, ∀x∈ℝ: ∑aₙ → ∞, 5 µm, 20 ℃"},
		{"living compatibility stays", "ㅋㅋ กำ ຄຳ ｱｲｳ ① ㈱ ﷺ שׁ Ⅷ №", "ㅋㅋ กำ ຄຳ ｱｲｳ ① ㈱ ﷺ שׁ Ⅷ №"},
		// joiners
		{"Persian", "می‌خواهم کتاب‌ها", "می‌خواهم کتاب‌ها"},
		{"Persian number and foreign word", "۱۰‌ها PDF‌ها", "۱۰‌ها PDF‌ها"},
		{"joiner at a word's end", "می‌ خواهم‌", "می خواهم"},
		{"Malayalam", "അവന്‍ വന്നു", "അവന്‍ വന്നു"},
		{"Sinhala", "ශ්‍රී ලංකා", "ශ්‍රී ලංකා"},
		{"Bengali", "র‍্যাব", "র‍্যাব"},
		{"joiners in heaps", "ക്‍‍‍ക", "ക്‍ക"},
		{"emoji behind a virama", "ക്👨‍👩ക", "ക്ക"},
		{"Khmer", "ភាសា\u200bខ្មែរ", "ភាសា\u200bខ្មែរ"},
		{"Mongolian", "ᠮᠣᠩᠭᠣᠯ\u202fᠤᠨ ᠬᠠᠷ\u180eᠠ ᠨ\u180b", "ᠮᠣᠩᠭᠣᠯ\u202fᠤᠨ ᠬᠠᠷ\u180eᠠ ᠨ\u180b"},
		{"ideographic variant", "葛\U000E0100城", "葛\U000E0100城"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Text(tt.in, people); got != tt.want {
				t.Errorf("Text(%+q)\n got %+q\nwant %+q\n     %s", tt.in, got, tt.want, got)
			}
			check(t, tt.in, people)
		})
	}
}

// check holds the promises of the package against one input.
func check(t *testing.T, in string, names Names) {
	t.Helper()
	out := Text(in, names)
	if !utf8.ValidString(out) {
		t.Fatalf("invalid UTF-8: %+q from %+q", out, in)
	}
	if len(out) > 2*len(in) {
		t.Fatalf("grew from %d to %d bytes: %+q from %+q", len(in), len(out), out, in)
	}
	if out != strings.TrimSpace(out) {
		t.Fatalf("not trimmed: %+q from %+q", out, in)
	}
	if again := Text(out, names); again != out {
		t.Fatalf("not idempotent: %+q\n gives %+q\n then %+q", in, out, again)
	}
	marks := 0
	for _, r := range out {
		switch c := classOf(r); c {
		case classEmoji, classEmojiSelector, classKeycap, classDrop:
			t.Fatalf("%U stayed: %+q from %+q", r, out, in)
		case classMark:
			if marks++; marks > maxMarks && !strings.ContainsFunc(out, func(r rune) bool { return classOf(r) == classTallMark }) {
				t.Fatalf("%d marks on one base: %+q from %+q", marks, out, in)
			}
		case classJoiner, classSpacingMark, classTallMark:
		default:
			marks = 0
		}
		if r < ' ' && r != '\n' && r != '\t' {
			t.Fatalf("%U stayed: %+q from %+q", r, out, in)
		}
	}
	if strings.Count(out, "```") > 1 { // with one there is no code block
		return
	}
	for _, s := range []string{"  ", " \n", "\n ", "\n\n\n", "\t", "<@900>"} {
		if strings.Contains(out, s) {
			t.Fatalf("%q stayed: %+q from %+q", s, out, in)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{
		"a😀b <:x:1> <@1> <@!900> <#1> <@&1> </a b:1> <t:1:f> <id:home>", "<:a<:b:1>:1>", "1️⃣ ©️ 🇩🇪", "```a\n\t b```", "``😀`", "```a```  ``` <@1>  b", "𝓱ℯ ｈ ⒜ ﬁ",
		"https://tenor.com/x <https://giphy.com/y> ||https://tenor.com/z|| [a](https://tenor.com/b)", "می‌خواهم ക്‍ ශ්‍රී ᠨ\u180b\u202f葛\U000E0100",
		"a\u0300\u0301\u0302\u0303\u0304", "a \n\n\n b\r\nc", "\xf0\x9f\x98", "https://tenor.com</a b:1>/x", "**https://tenor.com/x** a https://tenor.com/x, b", "<t:-8640000000000>",
	} {
		f.Add(s, "name")
	}
	f.Fuzz(func(t *testing.T, in, name string) {
		check(t, in, Names{BotID: "900", Users: []User{{"1", name}}})
	})
}

// TestNoAllocation: text of any script that needs no change costs no allocation.
func TestNoAllocation(t *testing.T) {
	for _, in := range []string{"Hello there, what's up? :) #1 100%", "你好，世界", "सभी मनुष्यों को", "Все люди", "x² ≤ ½ ©"} {
		if n := testing.AllocsPerRun(100, func() { _ = Text(in, people) }); n != 0 {
			t.Errorf("%q: %v allocations", in, n)
		}
	}
}

// TestReport: everything that is taken out is counted once, by its kind.
func TestReport(t *testing.T) {
	t.Parallel()
	in := "a😀👨\u200d👩\u200d👧🇩🇪👍🏽1️⃣©️ <:x:1> https://tenor.com/x <@1><@900><#2> <t:1700000000> 𝓱𝓮  b\u200b\x00c\xff\xfe z\u0300\u0300\u0300\u0300\u0300\u0300"
	_, got := Report(in, people)
	want := Removed{Emoji: 6, Custom: 1, Links: 1, Mentions: 3, Times: 1, Folded: 2, Invisible: 2, Marks: 2, Spaces: 3, Invalid: 2}
	if got != want {
		t.Errorf("Report counts\n%+v, want\n%+v", got, want)
	}
}

// TestLongest: linear time and the bound on growth hold at a megabyte of what is worst for each rule.
func TestLongest(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{
		"<", ">", "<a:", ":1>", "<:a:1>", "<#1>", "<@1>", "`", "``` ", "``` <:a:1>``<:a:1>` ", "(", ")", "https://a.b/(", "https://tenor.com/<", "https://cdn.discordapp.com/<|", "http://a",
		"<t:1>", "</a b c:1>", "\u200d", "\u0300", "ക്\u200d", "ب\u200c", "1\u20e3", "😀", "🇩", "©\ufe0f", "ℝ", "𝓱ℝ", "⒜", " \n", "\xff", "\u0903", "ᠨ\u180b", "\u202f", "||https://tenor.com/x",
		".", ".<:a:1>", "*<:a:1>\u20e3", ".<", ".|", "https://tenor.com/x.<", "a https://tenor.com/x, ",
	} {
		in := strings.Repeat(unit, 1<<20/len(unit))
		check(t, in, people)
		check(t, "https://tenor.com/"+in, people)
		check(t, "a<"+in+">", people)
	}
}
