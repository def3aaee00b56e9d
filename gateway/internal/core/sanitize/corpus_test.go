package sanitize

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readCorpus(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "corpus", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestLanguages: what any script is spelled with survives byte for byte, alone and behind removed things.
func TestLanguages(t *testing.T) {
	t.Parallel()
	scripts := map[string]bool{}
	lines := 0
	for line := range strings.Lines(readCorpus(t, "languages.txt")) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		name, sentence, ok := strings.Cut(line, "\t")
		_, script, named := strings.Cut(name, ", ")
		if !ok || !named {
			t.Fatalf("not a corpus line: %q", line)
		}
		scripts[strings.Fields(script)[0]] = true
		lines++
		if got := Text(sentence, Names{}); got != sentence {
			t.Errorf("%s:\n got %s\nwant %s\n got %+q\nwant %+q", name, got, sentence, got, sentence)
		}
		if got := Text("😀 "+sentence+" <:x:1>", Names{}); got != sentence {
			t.Errorf("%s, between an emoji and a custom one:\n got %+q\nwant %+q", name, got, sentence)
		}
		if got := Text("```\n"+sentence+"\n```", Names{}); got != "```\n"+sentence+"\n```" {
			t.Errorf("%s, in a code block:\n got %+q\nwant %+q", name, got, sentence)
		}
	}
	if lines < 100 || len(scripts) < 40 {
		t.Errorf("the corpus has %d lines of %d scripts", lines, len(scripts))
	}
}

// TestBlocks: Markdown, program code and ASCII art survive byte for byte.
func TestBlocks(t *testing.T) {
	t.Parallel()
	want := strings.TrimSpace(readCorpus(t, "blocks.txt"))
	if got := Text(want, Names{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestEmojiSequences: every sequence of Unicode's list between two letters leaves the two
// letters, whatever the script of the letters and whatever the sequence's qualification. The contract's only exceptions: bare ©, ®, ™.
func TestEmojiSequences(t *testing.T) {
	t.Parallel()
	lines := dataLines(t, "emoji-test-15.0.txt.gz")
	lines = append(lines, dataLines(t, "emoji-sequences-17.0.txt.gz")...)
	lines = append(lines, newerEmoji...)
	pairs := [][2]string{{"a", "b"}, {"1", "2"}, {"ب", "م"}, {"क्", "ष"}, {"中", "文"}, {"ക്", "ക"}, {"ส", "ว"}, {"```x", "y"}, {"<", ">"}, {"™", "©"}}
	for _, line := range lines {
		points, _, _ := strings.Cut(line, ";")
		var seq strings.Builder
		for p := range strings.FieldsSeq(points) {
			seq.WriteRune(hex(t, p))
		}
		if s := seq.String(); s == "©" || s == "®" || s == "™" {
			continue
		}
		for _, pair := range pairs {
			in := pair[0] + seq.String() + pair[1]
			got, removed := Report(in, Names{})
			if got != pair[0]+pair[1] {
				t.Errorf("%s between %q and %q: %+q", points, pair[0], pair[1], got)
			}
			if removed.Emoji != 1 {
				t.Errorf("%s between %q and %q: %+v", points, pair[0], pair[1], removed)
			}
		}
	}
	if len(lines) < 8500 {
		t.Errorf("only %d sequences", len(lines))
	}
}

// newerEmoji are the single emoji of Unicode 16 and 17, which the list of 15.0 lacks and that of 17.0 (sequences
// only) does too.
var newerEmoji = []string{
	"1FAE9", "1FAC6", "1FABE", "1FADC", "1FA89", "1FA8F", "1FADF",
	"1FAC8", "1FA8E", "1FAEA", "1F6D8", "1FAEF", "1FACD", "1FA8A",
}
