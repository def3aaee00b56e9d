package outbound

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
)

// place is everything around a poster, by hand: a Discord with one channel, the records and the answers.
type place struct {
	mu       sync.Mutex
	posts    []Own
	nonces   map[string]chat.MessageID // what Discord remembers for a few minutes
	fail     func(Post) error          // asked before a post; an error after [lost] has done its work
	unstored int                       // so many answers to storing a record are lost
	slow     time.Duration             // how long a post is on the wire
	until    time.Time                 // the newest post may be tried
	unread   error                     // why the channel can't be read
	looks    int
	reads    int // of the records
	records  map[chat.QuestionID]Record
	answers  map[chat.QuestionID]bool
	ends     []End
	stopped  map[chat.GuildID]chat.Snowflake // by which command
}

// lost is a post that was made, but whose answer never came.
type lost struct{ error }

// refused is a failure of a class.
type refused struct{ Class }

func (r refused) Error() string                                           { return r.String() }
func (r refused) Kind() Class                                             { return r.Class }
func (refused) Wait() time.Duration                                       { return 0 }
func (refused) Advice() string                                            { return "" }
func (p *place) Ended(e End)                                              { p.mu.Lock(); p.ends = append(p.ends, e); p.mu.Unlock() }
func (*place) Muted(chat.GuildID, chat.UserID, time.Time) bool            { return false }
func (*place) Typing(context.Context, chat.ChannelID) error               { return nil }
func (*place) Claim(context.Context, string, time.Duration) (bool, error) { return true, nil }
func (*place) Fallback(chat.Answer, string, error)                        {}
func (*place) Again(chat.Answer, int, time.Duration, error)               {}
func (p *place) Stopped(g chat.GuildID) bool                              { return p.DropBefore(g) != 0 }
func (p *place) DropBefore(g chat.GuildID) chat.Snowflake {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped[g]
}
func (*place) OpenThread(_ context.Context, _ chat.ChannelID, m chat.MessageID, _ string) (chat.ChannelID, error) {
	return chat.ChannelID(m), nil
}

func (p *place) Post(ctx context.Context, x Post) (chat.MessageID, error) {
	if p.slow > 0 {
		land, ok := Depart(ctx)
		if !ok {
			return "", refused{ClassRetry}
		}
		time.Sleep(p.slow)
		land()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until, _ = ctx.Deadline()
	if id, ok := p.nonces[x.Nonce]; ok {
		return id, nil
	}
	var err error
	if p.fail != nil {
		err = p.fail(x)
	}
	if l, ok := errors.AsType[lost](err); err != nil && !ok {
		return "", err
	} else if ok {
		err = l.error
	}
	id := chat.MessageID(fmt.Sprint(1000 + len(p.posts)))
	p.posts = append(p.posts, Own{ID: id, Text: x.Text, ReplyTo: x.ReplyTo})
	p.nonces[x.Nonce] = id
	if err != nil {
		return "", err
	}
	return id, nil
}

func (p *place) OwnAfter(context.Context, chat.ChannelID, chat.MessageID) ([]Own, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looks++
	if p.unread != nil {
		return nil, p.unread
	}
	return slices.Clone(p.posts), nil
}

func (p *place) Posted(_ context.Context, q chat.QuestionID) (Record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	return p.records[q], nil
}

func (p *place) SetPosted(_ context.Context, q chat.QuestionID, r Record) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Revision != p.records[q].Revision {
		return 0, ErrOvertaken
	}
	r.Parts, r.Revision = slices.Clone(r.Parts), r.Revision+1
	p.records[q] = r
	if p.unstored > 0 {
		p.unstored--
		return 0, errors.New("nobody knows whether it is stored")
	}
	return r.Revision, nil
}

func (p *place) Close(_ context.Context, q chat.QuestionID) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.records[q]; there {
		return false, nil
	}
	p.records[q] = Record{Done: true, Revision: 1}
	return true, nil
}

func (p *place) Answered(_ context.Context, _ chat.Answer, q chat.QuestionID) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers[q], nil
}

// texts are what stands in the channel.
func (p *place) texts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, o := range p.posts {
		out = append(out, o.Text)
	}
	return out
}

func (p *place) forgetNonces() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.nonces)
}

func newPlace(t *testing.T) (*place, *Poster) {
	t.Helper()
	p := &place{nonces: map[string]chat.MessageID{}, records: map[chat.QuestionID]Record{}, answers: map[chat.QuestionID]bool{}}
	return p, p.poster(t)
}

// poster is one more gateway's.
func (p *place) poster(t *testing.T) *Poster {
	t.Helper()
	typist, err := NewTypist(p, p, p, p, TypingConfig{})
	if err != nil {
		t.Fatal(err)
	}
	poster, err := New(p, p, p, NewTitles(), typist, p, Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { poster.Close(); poster.Wait(); typist.Close() })
	return poster
}

// reply is an answer in the one channel to the one user.
func reply(q, after chat.QuestionID, text string) Delivery {
	a := chat.Answer{Question: q, Guild: "10", Channel: "20", User: "30", Message: chat.MessageID(q), After: after, Kind: chat.Reply, Text: text}
	return Delivery{Answer: &a, Stored: time.Now(), Settle: func(retry.Verdict) {}}
}

func TestAnAnswerWaitsForTheOneBeforeItHoweverLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, poster := newPlace(t)
		p.answers["1"], p.answers["2"], p.answers["3"] = true, true, true
		poster.Accept(t.Context(), reply("3", "2", "third"))
		poster.Accept(t.Context(), reply("2", "1", "second"))
		time.Sleep(5 * time.Minute)
		if got := p.texts(); len(got) != 0 {
			t.Fatalf("%q came first", got)
		}
		poster.Accept(t.Context(), reply("1", "", "first"))
		time.Sleep(10 * time.Second)
		if got := p.texts(); !slices.Equal(got, []string{"first", "second", "third"}) {
			t.Errorf("posted %q", got)
		}
	})
}

func TestAnAnswerDoesNotWaitForWhatNeverComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, poster := newPlace(t)
		poster.Accept(t.Context(), reply("2", "1", "the first is not among the answers any more"))
		time.Sleep(time.Second)
		if got := p.texts(); len(got) != 1 {
			t.Errorf("posted %q", got)
		}
		p.answers["3"] = true
		poster.Accept(t.Context(), reply("4", "3", "the third is, but is never delivered"))
		time.Sleep(9 * time.Minute)
		if got := p.texts(); len(got) != 1 {
			t.Errorf("posted %q", got)
		}
		time.Sleep(2 * time.Minute)
		if got := p.texts(); len(got) != 2 {
			t.Errorf("posted %q", got)
		}
	})
}

// Discord is away for longer than it remembers nonces, after a post whose answer was lost: before the first part was
// recorded, and between two parts with the same text.
func TestNothingIsPostedTwiceAfterALongOutage(t *testing.T) {
	t.Parallel()
	part := strings.TrimSpace(strings.Repeat("again ", 300))
	for name, lostAt := range map[string]int{"first part": 1, "second part": 2, "third part": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, poster := newPlace(t)
				n, back := 0, time.Now().Add(10*time.Minute)
				p.fail = func(Post) error {
					if n++; n == lostAt {
						return lost{refused{ClassRetry}}
					}
					if n > lostAt && time.Now().Before(back) {
						return refused{ClassRetry}
					}
					return nil
				}
				poster.Accept(t.Context(), reply("1", "", part+"\n\n"+part+"\n\n"+part))
				time.Sleep(time.Millisecond)
				p.forgetNonces()
				time.Sleep(11 * time.Minute)
				if got := p.texts(); len(got) != 3 || got[0] != part || got[1] != part || got[2] != part {
					t.Errorf("%d posts", len(got))
				}
				if r := p.records["1"]; !r.Done || len(r.Parts) != 3 {
					t.Errorf("on record: %+v", r)
				}
			})
		})
	}
}

func TestTheChannelIsNotReadWhileNoncesTell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, poster := newPlace(t)
		poster.Accept(t.Context(), reply("1", "", "answer"))
		synctest.Wait()
		if p.looks != 0 || len(p.posts) != 1 {
			t.Errorf("%d looks, %d posts", p.looks, len(p.posts))
		}
	})
}

func TestRecordsAreReadUnlessNothingCanBeThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fresh, ended bool
		age          time.Duration
		reads        int
	}{
		"fresh":                              {fresh: true, reads: 0},
		"handed out before":                  {reads: 1},
		"fresh, but nonces may be forgotten": {fresh: true, age: 40 * time.Second, reads: 1},
		"fresh, but it ended here":           {fresh: true, ended: true, reads: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, poster := newPlace(t)
				d := reply("1", "", "answer")
				d.Fresh, d.Stored = c.fresh, d.Stored.Add(-c.age)
				if c.ended {
					poster.ended.add("1")
				}
				poster.Accept(t.Context(), d)
				synctest.Wait()
				if p.reads != c.reads || len(p.posts) != 1 || !p.records["1"].Done {
					t.Errorf("%d reads, %d posts, on record %+v", p.reads, len(p.posts), p.records["1"])
				}
			})
		})
	}
}

// TestANoticeThatAGatewaySaidAlreadyIsNotSaidAgain: one gateway refused the question and said so, another one took it.
func TestANoticeThatAGatewaySaidAlreadyIsNotSaidAgain(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]time.Duration{"just now": time.Second, "some minutes ago": 5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // snowflakes begin in 2015
				p, poster := newPlace(t)
				poster.cfg.Style = StyleThread // the notice stands in the channel all the same
				d := reply("1", "", chat.TextFull)
				d.Answer.Kind, d.Answer.Reason, d.Answer.Late, d.Answer.Asked = chat.Refusal, chat.ReasonFull, true, time.Now()
				d.Answer.Message = chat.MessageID(chat.SnowflakeAt(time.Now().Add(-age)).String())
				if _, err := p.Post(t.Context(), Post{Text: chat.TextFull, ReplyTo: d.Answer.Message, Nonce: Nonce("1", chat.WordFull)}); err != nil {
					t.Fatal(err)
				}
				if age > time.Minute {
					p.forgetNonces()
				}
				poster.Accept(t.Context(), d)
				synctest.Wait()
				if r := p.records["1"]; len(p.posts) != 1 || !r.Done || r.Thread != "" {
					t.Errorf("%q is said, on record %+v", p.texts(), r)
				}
			})
		})
	}
}

// A stop took the question out of the queue while a worker had it in hand, which ends it too: it has one end.
func TestWhatEndedInTheQueueEndsOnce(t *testing.T) {
	t.Parallel()
	for name, earlier := range map[string]bool{"ended before": true, "ends here": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, poster := newPlace(t)
				if earlier {
					p.records["1"] = Record{Done: true}
				}
				settled := false
				d := reply("1", "", "")
				d.Answer.Kind, d.Fresh = chat.Dropped, true
				d.Settle = func(v retry.Verdict) { _, again := v.Again(); settled = !again }
				poster.Accept(t.Context(), d)
				synctest.Wait()
				if !settled || len(p.ends) == 1 == earlier || !p.records["1"].Done {
					t.Errorf("settled %t, ends %v, record %v", settled, p.ends, p.records["1"])
				}
			})
		})
	}
}

// What a stop keeps from being posted is counted, wherever it waits: at Discord, for its turn in the channel, behind
// another one of its user, for the answer before it.
func TestHaltCountsWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, poster := newPlace(t)
		p.answers["8"] = true
		p.fail = func(Post) error { return refused{ClassRetry} } // over and over
		say := func(q chat.QuestionID, user chat.UserID, guild chat.GuildID, after chat.QuestionID) {
			d := reply(q, after, "answer "+string(q))
			d.Answer.User, d.Answer.Guild, d.Answer.Channel = user, guild, chat.ChannelID("2"+string(guild))
			poster.Accept(t.Context(), d)
		}
		say("1", "30", "10", "")
		say("2", "31", "10", "")
		say("3", "30", "10", "")
		say("4", "32", "10", "8")
		say("5", "33", "11", "")
		time.Sleep(100 * time.Millisecond)
		if in, all := poster.Open("10"); in != 4 || all != 5 {
			t.Errorf("%d of the server are open, %d in all; want 4 and 5", in, all)
		}
		p.mu.Lock()
		p.stopped = map[chat.GuildID]chat.Snowflake{"10": 77}
		p.mu.Unlock()
		time.Sleep(30 * time.Second) // some are dropped before anybody asks
		if n, err := poster.Halt(t.Context(), "10", 77); n != 4 || err != nil {
			t.Errorf("halted %d, %v; want 4", n, err)
		}
		if in, all := poster.Open("10"); all-in != 1 {
			t.Errorf("%d of another server are open, want 1", all-in)
		}
	})
}

// A post that is on its way for longer than a stop waits may appear: it is not counted as kept back.
func TestHaltDoesNotCountWhatIsOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, poster := newPlace(t)
		p.slow = 3 * time.Second
		long := strings.Repeat("again ", 600) // in two parts, so that the rest of it is kept back
		for q, text := range map[chat.QuestionID]string{"1": "answer", "2": long} {
			d := reply(q, "", text)
			d.Answer.User, d.Answer.Channel = chat.UserID(q), chat.ChannelID(q)
			poster.Accept(t.Context(), d)
		}
		synctest.Wait()
		p.mu.Lock()
		p.stopped = map[chat.GuildID]chat.Snowflake{"10": 77}
		p.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if n, err := poster.Halt(ctx, "10", 77); n != 1 || err == nil {
			t.Errorf("halted %d, %v; want 1 and an error", n, err)
		}
		time.Sleep(10 * time.Second)
		if got := p.texts(); len(got) != 2 {
			t.Errorf("%d posts", len(got))
		}
	})
}

// A post is tried for no longer than its nonce is believed.
func TestAPostEndsWithTheTrustInItsNonce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, poster := newPlace(t)
		believed := time.Now().Add(poster.cfg.RecheckAfter)
		p.fail = func(Post) error {
			if p.looks > 0 {
				return nil
			}
			if p.until.After(believed) {
				t.Errorf("it is tried for %s longer", p.until.Sub(believed))
			}
			return refused{ClassRetry}
		}
		poster.Accept(t.Context(), reply("1", "", "answer"))
		time.Sleep(5 * time.Minute)
		if got := p.texts(); len(got) != 1 || p.looks != 1 {
			t.Errorf("%d posts, %d looks", len(got), p.looks)
		}
	})
}

// A channel that can't be read may be posted to.
func TestAnAnswerIsPostedWhereTheChannelCantBeRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unread Class
		posts  int
	}{
		"forbidden": {ClassForbidden, 1}, "gone": {ClassGone, 1}, "refused": {ClassBadRequest, 1}, "not yet": {ClassRetry, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, poster := newPlace(t)
				p.unread = refused{c.unread}
				d := reply("1", "", "answer")
				d.Stored = d.Stored.Add(-time.Hour)
				poster.Accept(t.Context(), d)
				time.Sleep(time.Minute)
				if got := p.texts(); len(got) != c.posts || p.looks == 0 {
					t.Errorf("%d posts, %d looks", len(got), p.looks)
				}
			})
		})
	}
}
