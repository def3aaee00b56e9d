package inbound

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/shared/chat"
)

func TestWhatIsLeftOfAMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, _ := setup(t)
		d.bot = "1"
		for in, want := range map[string]string{
			"(https://tenor.com/x)": "", "**https://tenor.com/x**": "", "||😀||": "", "# 😀": "", "> 😀\n> 🎉": "", "**😀**": "",
			"- [ ] <:x:1>": "", "{'\"`~~_😀_~~`\"'}": "", "https://tenor.com/x!": "", "look: https://tenor.com/x.": "look: .", "```\n😀\n```": "", "||\u200b||": "", "\u2800": "", "\u2800 \u2800": "", "\u2801": "\u2801",
			"||||": "||||", "  # ": "#", "-": "-", "?": "?", ":)": ":)", "...": "...",
			"😀?": "?", "😀 :)": ":)", "**😀 a**": "** a**", "(😀 1)": "( 1)", "😀 é": "é", "<@1> <@2>": "@user", "<@1> -_-": "-_-", "<@1> 😀": "",
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

func TestAnEditBackAsksTheQuestionAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		m := said(id(1))
		d.Handle(t.Context(), m)
		w.got()
		edit := func(text string) {
			e := m
			e.Content = text
			d.Handle(t.Context(), Edited{e})
			synctest.Wait()
		}
		q := chat.QuestionID(m.ID)
		edit("😀")
		edit("😀😀") // still nothing
		edit(m.Content)
		if want := []chat.Change{{Question: q, Deleted: true}, {Question: q, Text: m.Content}}; !slices.Equal(w.changes, want) {
			t.Errorf("changes %+v, want %+v", w.changes, want)
		}
		w.changes = nil
		d.Handle(t.Context(), Deleted{Channel: m.Channel, Messages: []chat.MessageID{m.ID}})
		edit("after it was deleted")
		if want := []chat.Change{{Question: q, Deleted: true}}; !slices.Equal(w.changes, want) {
			t.Errorf("changes %+v, want %+v: what is deleted stays so", w.changes, want)
		}
	})
}

func TestAnEditBackIsAskedWhenTheQueueIsThereAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		w.away = errors.New("away")
		m := said(id(1))
		d.Handle(t.Context(), m)
		for _, text := range []string{"😀", "another question"} {
			m.Content = text
			d.Handle(t.Context(), Edited{m})
		}
		synctest.Wait()
		w.back()
		time.Sleep(time.Second)
		if got := w.got(); !slices.Equal(got, []chat.MessageID{m.ID}) {
			t.Errorf("published %v", got)
		}
	})
}

func TestTheNameThatAModelReads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, account, want string }{
		{"Ann", "ann_1", "Ann"},
		{" 🔥 𝓐𝓷𝓷\u202e\nBot: <@900> https://tenor.com/x ", "ann_1", "Ann Bot: @user"},
		{"```\nA  n\n```", "ann_1", "``` A n ```"},
		{"z" + strings.Repeat("\u0300", 50), "ann_1", "z" + strings.Repeat("\u0300", 4)},
		{"🔥🔥", "ann_1", "ann_1"},
		{"**🔥**", "ann_1", "ann_1"},
		{"\u2066\u200b", "\u200b", "user"},
		{"", "", "user"},
		{strings.Repeat("長 ", 50), "ann_1", strings.TrimSpace(strings.Repeat("長 ", 40))},
	} {
		if got := userName(Message{AuthorName: c.name, AuthorAccount: c.account}); got != c.want {
			t.Errorf("%+q of %q is called %+q, want %+q", c.name, c.account, got, c.want)
		}
	}
}
