package chat

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCleanAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, persona, want string }{
		{"plain", "Hello there.", "Sal", "Hello there."},
		{"think", "<think>hm, hm</think>\n\nHello.", "Sal", "Hello."},
		{"think in the middle", "Hello <think>hm</think>you.", "Sal", "Hello you."},
		{"think unclosed", "Hello.\n<think>and now", "Sal", "Hello."},
		{"only thought", "<think>and now", "Sal", ""},
		{"thought never opened", "hm, the user says hi\n</think>\nHi!", "Sal", "Hi!"},
		{"nested thought", "<think>a<think>b</think>c</think>Hi", "Sal", "Hi"},
		{"joined by a removal", "<thi<think>x</think>nk>hm</think>Hi", "Sal", "Hi"},
		{"upper case", "<THINK>x</Think>Hi", "Sal", "Hi"},
		{"code inside a thought", "<think>```go\nx```</think>Hi", "Sal", "Hi"},
		{"harmony", "<|channel|>analysis<|message|>hm, hm<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|return|>", "Sal", "Hello."},
		{"harmony, a tool", "<|start|>assistant<|channel|>commentary to=f <|constrain|>json<|message|>{}<|call|>", "Sal", ""},
		{"harmony, only thought", "<|channel|>analysis<|message|>and now", "Sal", ""},
		{"no harmony", "a<|channel|>b", "Sal", "ab"},
		{"tag in inline code", "Use `<think>` to think.", "Sal", "Use `<think>` to think."},
		{"tag in a fence", "```\n<think>\n</s>\n```", "Sal", "```\n<think>\n</s>\n```"},
		{"lone backtick is no code", "it`s\n<think>x</think>so", "Sal", "it`s\nso"},
		{"name", "Sal: Hello", "Sal", "Hello"},
		{"name twice", "Sal: sal: Hello", "Sal", "Hello"},
		{"bold name", "**Sal:** Hello", "Sal", "Hello"},
		{"bold name, colon outside", "**Sal**: Hello", "Sal", "Hello"},
		{"name in brackets", "[Sal]: Hello", "Sal", "Hello"},
		{"full-width colon", "サラ：こんにちは", "サラ", "こんにちは"},
		{"italic sentence", "*Sal: the lizard* smiles", "Sal", "*Sal: the lizard* smiles"},
		{"name without colon", "Sally: Hello", "Sal", "Sally: Hello"},
		{"name later", "I am Sal: the lizard", "Sal", "I am Sal: the lizard"},
		{"no persona", "Sal: Hello", "", "Sal: Hello"},
		{"name behind a thought", "<think>x</think> Sal: Hi", "Sal", "Hi"},
		{"end token", "Hello<|im_end|>\n<|im_start|>user\nHi", "Sal", "Hello"},
		{"end token first", "<|im_start|>assistant\nHello</s>", "Sal", "assistant\nHello"},
		{"bos", "<s>Hello</s>", "Sal", "Hello"},
		{"end token in DeepSeek's letters", "Hello<｜end▁of▁sentence｜>", "Sal", "Hello"},
		{"instruction marks", "[INST] Hello [/INST]", "Sal", "Hello"},
		{"markdown is not a token", "[a](b) <b> 1 < 2 > 1 <|> |", "Sal", "[a](b) <b> 1 < 2 > 1 <|> |"},
		{"strike", "a <s>b</s> c", "Sal", "a b c"},
		{"carriage returns", "a\r\nb\rc", "Sal", "a\nb\nc"},
		{"control characters", "a\x00b\x1bc\u0085d", "Sal", "abcd"},
		{"invalid", "a\xff\xf0\x9fb", "Sal", "ab"},
		{"nothing to see", " \u200b\u3164\n", "Sal", ""},
		{"nothing but a name", "Sal:", "Sal", ""},
		{"empty", "", "Sal", ""},
		{"indented code stays", "x\n\n    y", "Sal", "x\n\n    y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := CleanAnswer(tt.in, tt.persona); got != tt.want {
				t.Errorf("CleanAnswer(%q, %q) = %q, want %q", tt.in, tt.persona, got, tt.want)
			}
		})
	}
}

func FuzzCleanAnswer(f *testing.F) {
	for _, s := range []string{
		"<think>x</think>Sal: hi", "<|channel|>analysis<|message|>a<|end|><|channel|>final<|message|>b", "a</think>b", "`<think>`", "```\n</s>", "<|im_end|>", "**Sal:** x", "<s>a</s>b</s>",
		"[Sal]：x", "<thi<think></think>nk>", "`` ` </s>", "<｜a▁b｜>", "Sal:\n Sal :x", "***Sal*:** y",
	} {
		f.Add(s, "Sal")
	}
	f.Fuzz(func(t *testing.T, text, persona string) {
		got := CleanAnswer(text, persona)
		if !utf8.ValidString(got) {
			t.Fatalf("invalid UTF-8: %q", got)
		}
		if len(got) > len(text) {
			t.Fatalf("grew: %q from %q", got, text)
		}
		if got != strings.TrimSpace(got) {
			t.Fatalf("not trimmed: %q", got)
		}
		if got != "" && !readable(got) {
			t.Fatalf("nothing to read: %q", got)
		}
		if again := CleanAnswer(got, persona); again != got {
			t.Fatalf("not idempotent: %q, then %q", got, again)
		}
		if !strings.Contains(got, "`") {
			for _, tag := range []string{"<think>", "</think>", "<|im_end|>", "</s>"} {
				if strings.Contains(strings.ToLower(got), tag) {
					t.Fatalf("%s stayed: %q", tag, got)
				}
			}
		}
	})
}
