package outbound

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/shared/chat"
)

// What becomes of the rest of an answer whose thread is lost after its first part.
func TestAThreadThatIsLostAmidAnAnswer(t *testing.T) {
	t.Parallel()
	part := strings.TrimSpace(strings.Repeat("again ", 300))
	for name, c := range map[string]struct {
		class   Class
		history bool // references are refused in the channel
		outcome Outcome
		replies []chat.MessageID // of the posts in the channel, in order
	}{
		"locked":                         {class: ClassLocked, outcome: Posted, replies: []chat.MessageID{"1", ""}},
		"forbidden":                      {class: ClassForbidden, outcome: Posted, replies: []chat.MessageID{"1", ""}},
		"locked, and no history outside": {class: ClassLocked, history: true, outcome: Posted, replies: []chat.MessageID{"", ""}},
		"deleted":                        {class: ClassGone, outcome: Dropped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, poster := newPlace(t)
				poster.cfg.Style = StyleThread
				inThread := 0
				var outside []chat.MessageID
				p.fail = func(x Post) error {
					switch {
					case x.Channel == "1" && inThread == 1:
						return refused{c.class}
					case x.Channel == "1":
						inThread++
						return nil
					case x.ReplyTo != "" && c.history:
						return refused{ClassForbidden}
					}
					outside = append(outside, x.ReplyTo)
					return nil
				}
				poster.Accept(t.Context(), reply("1", "", part+"\n\n"+part+"\n\n"+part))
				synctest.Wait()
				if len(p.ends) != 1 || p.ends[0].Outcome != c.outcome || !p.records["1"].Done {
					t.Fatalf("ends %+v, on record %+v", p.ends, p.records["1"])
				}
				if !slices.Equal(outside, c.replies) {
					t.Errorf("references in the channel: %q, want %q", outside, c.replies)
				}
			})
		})
	}
}

// Two gateways have the same answer in hand: it has one end, which is told once.
func TestAnAnswerInTwoHandsEndsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, one := newPlace(t)
		two := p.poster(t)
		p.slow = time.Second // both read the record before any of them writes
		part := strings.TrimSpace(strings.Repeat("again ", 300))
		for _, poster := range []*Poster{one, two} {
			poster.Accept(t.Context(), reply("1", "", part+"\n\n"+part))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(p.ends) != 1 || p.ends[0].Outcome != Posted || p.ends[0].Parts != 2 || len(p.texts()) != 2 || !p.records["1"].Done {
			t.Errorf("%d ends, %d posts, on record %+v", len(p.ends), len(p.texts()), p.records["1"])
		}
	})
}

// What is recorded without the gateway's hearing of it is its own end all the same.
func TestAnEndWhoseRecordWasNotConfirmedIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, poster := newPlace(t)
		p.unstored = 1
		poster.Accept(t.Context(), reply("1", "", "answer"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(p.ends) != 1 || p.ends[0].Outcome != Posted || len(p.texts()) != 1 {
			t.Errorf("%d ends, %d posts", len(p.ends), len(p.texts()))
		}
	})
}
