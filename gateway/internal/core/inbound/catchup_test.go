package inbound

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/shared/chat"
)

// world is everything around a desk, by hand.
type world struct {
	mu        sync.Mutex
	published []chat.MessageID
	announced map[chat.QuestionID]bool
	previous  map[chat.QuestionID]chat.QuestionID // what each question names as the one before it
	marks     map[string]Mark
	history   func(ctx context.Context, c chat.ChannelID, after chat.MessageID) ([]Message, error)
	asked     []chat.MessageID // the snowflakes after which history was asked
	troubles  int
	bookErr   error
	away      error // of the queue
	full      int   // publishes that find no room
	refused   []chat.QuestionID
	noNote    int // notes of refusals that fail
	answered  map[chat.QuestionID]bool
	changes   []chat.Change
	counted   int
	theirs    bool // another gateway brought it into the queue
	commands  []chat.MessageID
	publishes int    // tries since the last failed note
	looks     func() // called at every second publish and at every notice
	notices   []chat.MessageID
}

func (w *world) Publish(_ context.Context, q chat.Question) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away != nil {
		return false, w.away
	}
	if w.publishes++; w.publishes%2 == 0 && w.looks != nil {
		w.looks()
	}
	if w.full > 0 {
		w.full--
		return false, ErrFull
	}
	if !w.announced[q.ID] {
		panic("a question was published before it was told of: its answer may be there first")
	}
	if w.theirs {
		return true, nil
	}
	w.published = append(w.published, q.Message)
	if w.previous == nil {
		w.previous = map[chat.QuestionID]chat.QuestionID{}
	}
	w.previous[q.ID] = q.Previous
	return false, nil
}

func (w *world) Takes(q chat.Question) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.announced[q.ID] = true
}

func (w *world) Refuse(_ context.Context, q chat.QuestionID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.noNote > 0 {
		w.noNote--
		w.publishes = 0
		return errors.New("the note is not stored")
	}
	w.refused = append(w.refused, q)
	return nil
}

func (w *world) Answered(_ context.Context, q chat.Question) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answered[q.ID], nil
}

func (w *world) Change(_ context.Context, c chat.Change) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, c)
	return nil
}

func (w *world) Count(context.Context, string, chat.MessageID, int) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counted++
	return true, nil
}

func (w *world) Directs(context.Context) (map[chat.ChannelID]chat.Snowflake, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return map[chat.ChannelID]chat.Snowflake{"77": 1}, w.bookErr
}

func (w *world) MessagesAfter(ctx context.Context, c chat.ChannelID, after chat.MessageID, _ int) ([]Message, error) {
	w.mu.Lock()
	w.asked = append(w.asked, after)
	f := w.history
	w.mu.Unlock()
	return f(ctx, c, after)
}

func (w *world) Mark(_ context.Context, key string) (Mark, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.marks[key]
	return m, ok, nil
}

func (w *world) SetMark(_ context.Context, key string, m Mark) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.marks[key] = m
	return nil
}

func (w *world) Up() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.away == nil }

func (w *world) Say(m Message, _ Word, _ string, _ time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looks != nil {
		w.looks()
	}
	w.notices = append(w.notices, m.ID)
}

func (w *world) Take(_ context.Context, m Message) (command, ignored bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.Content != "$stop" {
		return false, false
	}
	w.commands = append(w.commands, m.ID)
	return true, false
}

// back ends the queue's absence.
func (w *world) back() { w.mu.Lock(); w.away = nil; w.mu.Unlock() }

func (w *world) Trouble(Message, error) { w.mu.Lock(); w.troubles++; w.mu.Unlock() }

func (*world) Ended(context.Context, chat.Question) (bool, error)         { return false, nil }
func (*world) Await(context.Context) error                                { return nil }
func (*world) Claim(context.Context, string, time.Duration) (bool, error) { return true, nil }
func (*world) Stopped(chat.GuildID) bool                                  { return false }
func (*world) Muted(chat.GuildID, chat.UserID, time.Time) bool            { return false }
func (*world) DropBefore(chat.GuildID) chat.Snowflake                     { return 0 }
func (*world) Is(Message) bool                                            { return false }
func (*world) Outcome(Outcome, Message)                                   {}
func (*world) Took(chat.Question, bool)                                   {}

// got waits until everything stands still and returns what was published since the last call.
func (w *world) got() []chat.MessageID {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.published
	w.published = nil
	return out
}

// setup makes a desk that began an hour ago and has heard nothing for a minute.
func setup(t *testing.T) (*Desk, *world) {
	t.Helper()
	hour := chat.SnowflakeAt(time.Now().Add(-time.Hour))
	w := &world{announced: map[chat.QuestionID]bool{}, marks: map[string]Mark{"shard.0": {Upto: id(-60).Snowflake(), From: hour}}}
	d, err := New(Deps{w, w, w, w, w, w, w, w, w, w}, Config{
		Audience: Audience{ChatChannels: map[chat.ChannelID]bool{"20": true}}, Rate: Rate{100, time.Minute}, CatchUp: 10 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(); d.Wait() })
	return d, w
}

// id is the id of a message that is said so many seconds from now.
func id(seconds int) chat.MessageID {
	return chat.MessageID(chat.SnowflakeAt(time.Now().Add(time.Duration(seconds) * time.Second)).String())
}

func said(m chat.MessageID) Message {
	return Message{ID: m, Guild: "10", Channel: "20", Author: "30", AuthorIsUser: true, Content: "a question", Received: time.Now()}
}

// connect begins a session, whose channel was last spoken in by last.
func connect(t *testing.T, d *Desk, last chat.MessageID) {
	d.Handle(t.Context(), Ready{Bot: "1", Guilds: []chat.GuildID{"10"}})
	d.Handle(t.Context(), GuildSeen{Guild: "10", Channels: []SeenChannel{{ID: "20", LastMessage: last}}})
}

// bubble runs f with a clock of its own, moved to a time when Discord exists.
func bubble(t *testing.T, f func(*testing.T)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
		f(t)
	})
}

// passing is trouble that passes.
type passing struct{ error }

func (passing) Passing() bool { return true }

func TestLiveMessagesWaitBehindMissedOnes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		missed, more, live := id(-30), id(-20), id(1)
		answer := make(chan []Message)
		w.history = func(_ context.Context, c chat.ChannelID, _ chat.MessageID) ([]Message, error) {
			if c == "77" {
				return nil, nil
			}
			return <-answer, nil
		}
		connect(t, d, missed)
		d.Handle(t.Context(), said(live))
		if got := w.got(); len(got) != 0 {
			t.Errorf("%v went before what was missed", got)
		}
		// A second session begins before the first one's catch-up is over: its gap must be caught up on first, too.
		connect(t, d, more)
		answer <- []Message{said(missed)}
		if got := w.got(); !slices.Equal(got, []chat.MessageID{missed}) {
			t.Errorf("published %v", got)
		}
		answer <- []Message{said(missed), said(more)}
		if got, want := w.got(), []chat.MessageID{more, live}; !slices.Equal(got, want) {
			t.Errorf("published %v, want %v", got, want)
		}
	})
}

// TestACommandWaitsForNothing: not for what was missed in its channel, and is carried out once.
func TestACommandWaitsForNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		heard := make(chan struct{})
		w.history = func(context.Context, chat.ChannelID, chat.MessageID) ([]Message, error) {
			<-heard
			return nil, nil
		}
		connect(t, d, id(-30))
		stop := said(id(1))
		stop.Content = "$stop"
		d.Handle(t.Context(), stop)
		synctest.Wait()
		if !slices.Equal(w.commands, []chat.MessageID{stop.ID}) {
			t.Errorf("carried out before the missed messages came: %v", w.commands)
		}
		close(heard)
		if got := w.got(); len(got) != 0 || len(w.commands) != 1 {
			t.Errorf("published %v, carried out %v", got, w.commands)
		}
	})
}

// TestWhatWasSaidWhileTheSessionBeganComesBeforeLiveMessages: it is not late, and fetched all the same.
func TestWhatWasSaidWhileTheSessionBeganComesBeforeLiveMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		first, second, live := id(1), id(2), id(3)
		heard := make(chan struct{})
		w.history = func(context.Context, chat.ChannelID, chat.MessageID) ([]Message, error) {
			<-heard
			return []Message{said(first), said(second)}, nil
		}
		connect(t, d, second)
		d.Handle(t.Context(), said(live))
		close(heard)
		if got, want := w.got(), []chat.MessageID{first, second, live}; !slices.Equal(got, want) {
			t.Errorf("published %v, want %v", got, want)
		}
	})
}

func TestWhatCantBeFetchedIsTriedAgainAndStaysBelowTheMark(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		missed, live := id(-30), id(1)
		fails := 7
		w.history = func(_ context.Context, c chat.ChannelID, _ chat.MessageID) ([]Message, error) {
			if c == "77" {
				return nil, nil
			}
			if fails--; fails >= 0 {
				return nil, passing{errors.New("Discord is away")}
			}
			return []Message{said(missed)}, nil
		}
		connect(t, d, missed)
		d.Handle(t.Context(), said(live))
		for range 7 {
			synctest.Wait()
			if m, _ := d.marks.now(0); m.Upto >= missed.Snowflake() {
				t.Fatalf("the mark %v passed what was not fetched, %v", m.Upto, missed)
			}
			time.Sleep(10 * time.Second)
		}
		time.Sleep(2 * time.Minute)
		if got := w.got(); !slices.Contains(got, missed) || !slices.Contains(got, live) {
			t.Errorf("published %v", got)
		}
		if w.troubles != 7 {
			t.Errorf("%d troubles were told", w.troubles)
		}
	})
}

// More was missed than is fetched at a time: all of it is caught up on, and what came after the session began is not.
func TestAllThatWasMissedIsCaughtUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		var missed []Message
		var want []chat.MessageID
		begin := time.Now().Add(-50 * time.Second)
		for i := range 1200 {
			m := said(chat.MessageID(chat.SnowflakeAt(begin.Add(time.Duration(i) * 20 * time.Millisecond)).String()))
			m.Author = chat.UserID(fmt.Sprint(1000 + i))
			missed, want = append(missed, m), append(want, m.ID)
		}
		missed = append(missed, said(id(5)))
		w.history = func(_ context.Context, c chat.ChannelID, after chat.MessageID) ([]Message, error) {
			if c != "20" {
				return nil, nil
			}
			from := slices.IndexFunc(missed, func(m Message) bool { return m.ID.Snowflake() > after.Snowflake() })
			return missed[from:min(from+maxFetched, len(missed))], nil
		}
		connect(t, d, id(-20))
		time.Sleep(time.Minute)
		got := w.got()
		slices.Sort(got) // users don't wait for each other
		if !slices.Equal(got, want) {
			t.Errorf("%d published, want %d", len(got), len(want))
		}
	})
}

// As many channels as are fetched at a time have much to be caught up on: the next one need not wait for their ends.
func TestALongCatchUpGivesWayToOtherChannels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		begin := time.Now().Add(-50 * time.Second)
		var missed []Message
		for i := range 10 * maxFetched {
			m := said(chat.MessageID(chat.SnowflakeAt(begin.Add(time.Duration(i) * time.Millisecond)).String()))
			m.Author = chat.UserID(fmt.Sprint(1000 + i))
			missed = append(missed, m)
		}
		var order []chat.ChannelID
		w.history = func(_ context.Context, c chat.ChannelID, after chat.MessageID) ([]Message, error) {
			if c == "77" {
				return nil, nil
			}
			w.mu.Lock()
			order = append(order, c)
			w.mu.Unlock()
			time.Sleep(time.Second)
			if c == "small" {
				return nil, nil
			}
			from := slices.IndexFunc(missed, func(m Message) bool { return m.ID.Snowflake() > after.Snowflake() })
			if from < 0 {
				return nil, nil
			}
			return missed[from:min(from+maxFetched, len(missed))], nil
		}
		d.Handle(t.Context(), Ready{Bot: "1", Guilds: []chat.GuildID{"10"}})
		var channels []SeenChannel
		for i := range parallelFetches {
			channels = append(channels, SeenChannel{ID: chat.ChannelID(fmt.Sprint("big", i)), LastMessage: id(-20)})
		}
		d.Handle(t.Context(), GuildSeen{Guild: "10", Channels: channels})
		synctest.Wait() // all of them are being fetched
		d.Handle(t.Context(), GuildSeen{Guild: "10", Channels: []SeenChannel{{ID: "small", LastMessage: id(-20)}}})
		time.Sleep(time.Minute)
		synctest.Wait()
		if at := slices.Index(order, "small"); at < 0 || at > 2*parallelFetches || len(order) < 10*parallelFetches {
			t.Errorf("the small channel was fetched as number %d of %d", at, len(order))
		}
	})
}

func TestWhatNeverPassesIsNotTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		w.history = func(context.Context, chat.ChannelID, chat.MessageID) ([]Message, error) {
			return nil, errors.New("forbidden")
		}
		connect(t, d, id(-30))
		live := said(id(1))
		d.Handle(t.Context(), live)
		if got := w.got(); !slices.Equal(got, []chat.MessageID{live.ID}) {
			t.Errorf("published %v", got)
		}
		if len(w.asked) != 2 { // the channel and the direct messages
			t.Errorf("asked %d times", len(w.asked))
		}
	})
}

func TestADrainLeavesWhatIsNotFetchedToTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		w.history = func(ctx context.Context, _ chat.ChannelID, _ chat.MessageID) ([]Message, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		missed := id(-30)
		connect(t, d, missed)
		d.Handle(t.Context(), said(id(1)))
		synctest.Wait()
		d.Close()
		d.Wait() // hangs if the fetch is waited for
		if err := d.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m := w.marks["shard.0"]; m.Upto >= missed.Snowflake() {
			t.Errorf("the mark %v passed what was missed, %v", m.Upto, missed)
		}
		if got := w.got(); len(got) != 0 {
			t.Errorf("published %v", got)
		}
	})
}

func TestDirectMessagesAreCaughtUpOnceTheBookCanBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, w := setup(t)
		m := said(id(-30))
		m.Guild, m.Channel = chat.DM, "77"
		w.history = func(context.Context, chat.ChannelID, chat.MessageID) ([]Message, error) { return []Message{m}, nil }
		w.bookErr = fmt.Errorf("NATS is away")
		d.Handle(t.Context(), Ready{Bot: "1"})
		live := said(id(1))
		live.Guild, live.Channel = chat.DM, "77"
		other := live
		other.ID, other.Channel = id(2), "78" // a direct-message channel that the bot has never seen
		d.Handle(t.Context(), live)
		d.Handle(t.Context(), other)
		if got := w.got(); len(got) != 0 {
			t.Errorf("published %v", got)
		}
		if mark, _ := d.marks.now(0); mark.Upto >= m.ID.Snowflake() {
			t.Errorf("the mark %v passed what was not fetched", mark.Upto)
		}
		w.mu.Lock()
		w.bookErr = nil
		w.mu.Unlock()
		time.Sleep(time.Second)
		got := w.got()
		if i := slices.Index(got, m.ID); len(got) != 3 || i < 0 || i > slices.Index(got, live.ID) || !slices.Contains(got, other.ID) {
			t.Errorf("published %v", got)
		}
	})
}

func TestGapsThatAreNotBegunJoin(t *testing.T) {
	t.Parallel()
	w, done := &gate{}, 0
	one := func() { done++ }
	w.add(&gap{after: 10, upto: 20, done: []func(){one}})
	w.add(&gap{after: 15, upto: 30, done: []func(){one}})
	for _, f := range w.next.done {
		f()
	}
	if w.next.after != 10 || w.next.upto != 30 || done != 2 {
		t.Errorf("%+v, %d done", w.next, done)
	}
}
