package inbound

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"salamander.dev/shared/chat"
)

func TestWhatIsLeftOfAMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, _ := setup(t)
		d.bot = "1"
		for in, want := range map[string]string{
			"(https://tenor.com/x)": "", "**https://tenor.com/x**": "", "||😀||": "", "# 😀": "", "> 😀\n> 🎉": "", "**😀**": "",
			"- [ ] <:x:1>": "", "{'\"`~~_😀_~~`\"'}": "", "**<@1>**": "", "```\n😀\n```": "", "||\u200b||": "",
			"||||": "||||", "  # ": "#", "-": "-", "?": "?", ":)": ":)", "...": "...",
			"😀?": "?", "😀 :)": ":)", "**😀 a**": "** a**", "(😀 1)": "( 1)", "😀 é": "é", "<@1> <@2>": "@user",
		} {
			m := said(id(1))
			m.Content = in
			if got := d.text(m); got != want {
				t.Errorf("%q is left of %q, want %q", got, in, want)
			}
			m.Forwarded = []string{"||😀||", "hello"}
			if got, want := d.text(m), strings.TrimSpace(want+"\nhello"); got != want {
				t.Errorf("%q is left of %q and what is forwarded with it, want %q", got, in, want)
			}
		}
	})
}

func TestAnEditThatLeavesOnlyMarkupTakesTheQuestionBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		m := said(id(1))
		d.Handle(t.Context(), m)
		if got := w.got(); !slices.Equal(got, []chat.MessageID{m.ID}) {
			t.Fatalf("published %v", got)
		}
		m.Content = "||😀||"
		d.Handle(t.Context(), Edited{m})
		synctest.Wait()
		if want := []chat.Change{{Question: chat.QuestionID(m.ID), Deleted: true}}; !slices.Equal(w.changes, want) {
			t.Errorf("changes %+v, want %+v", w.changes, want)
		}
	})
}
