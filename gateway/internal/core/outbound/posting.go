package outbound

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
)

// posting is one answer on its way. Its steps can be repeated; what they found out is kept between tries.
type posting struct {
	*Poster
	a      chat.Answer
	settle func(retry.Verdict)
	record Record
	fresh  bool // nobody was handed it before, as far as NATS knows
	loaded bool // record is what the records say, or newer
	parts  []string
	plain  bool                   // without a reference: it was refused
	reply  bool                   // not in a thread of its own: none can be opened or posted to
	first  int                    // the part that references the question: what is before it stands in a thread
	sure   time.Time              // since when nonces tell of every post that is not on record
	waited bool                   // for the answer before this one
	knocks int                    // tries to open a thread that failed in a way that may pass
	unsure bool                   // a try to record the end without a post may have been stored
	end    End                    // that may have been recorded: a try to store it failed
	flight atomic.Pointer[flight] // of the last part
	posted atomic.Bool
}

// answer posts one answer, or hands it back when ctx ends or the poster closes first. What fails in a way that passes is
// tried again here, not handed back: so the order of the lane is kept.
func (x *posting) answer(ctx context.Context) {
	for attempt := 1; ; attempt++ {
		if x.closed.Load() {
			x.settle(retry.After(0))
			return
		}
		end, err := x.try(ctx)
		if errors.Is(err, errTooEarly) {
			x.park(ctx)
			return
		}
		if err == nil {
			x.typist.Finish(x.a.Channel, x.a.Question)
			if end.Outcome != "" {
				x.watcher.Ended(end)
			}
			x.settle(retry.Done)
			return
		}
		wait := x.backoff(attempt, err)
		if ctx.Err() == nil {
			x.watcher.Again(x.a, attempt, wait, err)
		}
		if !x.pause(ctx, wait) {
			x.settle(retry.After(0))
			return
		}
	}
}

func (p *Poster) backoff(attempt int, err error) time.Duration {
	wait := min(p.cfg.RetryMin<<min(attempt-1, 20), p.cfg.RetryMax)
	if f, ok := errors.AsType[Failure](err); ok {
		wait = max(wait, min(f.Wait(), time.Minute))
	}
	return wait
}

// pause waits; false when ctx ended or the poster closes.
func (p *Poster) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
	case <-p.closing:
	}
	return false
}

// try takes every step once. An error means: again. An End without an outcome means that it had ended before.
func (x *posting) try(ctx context.Context) (End, error) {
	if err := x.load(ctx); err != nil {
		return End{}, err
	}
	if x.record.Done {
		return x.end, nil
	}
	if x.a.Kind == chat.Dropped {
		return x.giveUp(ctx, Dropped, orElse(x.a.Reason, reasonWorker), nil)
	}
	if why := x.unwanted(x.a); why != "" {
		return x.giveUp(ctx, Dropped, why, nil)
	}
	if x.tooEarly(ctx) {
		return End{}, errTooEarly
	}
	give := x.turns.take(ctx, x.a.Channel)
	if give == nil {
		return End{}, ctx.Err()
	}
	defer give()
	return x.post(ctx)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// load reads what is on record. An answer that nobody was handed before has nothing there: a question has one answer, and
// only who is handed it writes its record. Should a NATS server that was killed have forgotten that it handed it out, nonces
// tell of what was posted, as they do of a post that a gateway did not live to record; so that is for young answers only.
func (x *posting) load(ctx context.Context) error {
	if x.loaded {
		return nil
	}
	if x.fresh && time.Since(x.sure) < x.cfg.RecheckAfter/2 && !x.ended.is(x.a.Question) {
		x.loaded = true
		return nil
	}
	r, err := x.records.Posted(ctx, x.a.Question)
	if err != nil {
		return err
	}
	x.record, x.loaded = r, true
	x.reply = len(r.Parts) > 0 && r.Thread == "" // it began that way
	return nil
}

// post posts what is missing. It is the only one in its channel.
func (x *posting) post(ctx context.Context) (End, error) {
	if x.parts == nil {
		x.parts = Split(late(x.a)+x.a.Text, PartUnits, MaxParts)
		if len(x.parts) == 0 {
			return x.giveUp(ctx, Failed, "blank", errors.New("nothing of the answer can be seen"))
		}
	}
	for {
		err := x.step(ctx)
		switch {
		case err == nil && x.record.Done:
			return x.ending(x.outcome(), "", nil), nil
		case err == nil:
			continue
		}
		if why := x.unwanted(x.a); why != "" {
			return x.giveUp(ctx, Dropped, why, nil)
		}
		end, again, err := x.judge(ctx, err)
		if again {
			continue
		}
		return end, err
	}
}

// late says in a small line of its own that the question was found after a downtime.
func late(a chat.Answer) string {
	if !a.Late || a.Reason == chat.ReasonFull { // which says the same, whoever says it
		return ""
	}
	return "-# (late) I was away when you asked.\n"
}

// step finds the place, looks for earlier posts, or posts the next part.
func (x *posting) step(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, x.cfg.TryWithin)
	defer cancel()
	if x.ownThread() && x.record.Thread == "" {
		fly, landed := x.flights.begin(ctx, x.a.Guild)
		defer landed()
		if x.unwanted(x.a) != "" {
			return errUnwanted
		}
		fly, cancel := context.WithTimeout(fly, threadWithin)
		defer cancel()
		thread, err := x.discord.OpenThread(fly, x.a.Channel, x.a.Message, x.titles.of(x.a))
		if err != nil {
			return err
		}
		x.record.Thread = thread
		return nil
	}
	if time.Since(x.sure) > x.cfg.RecheckAfter {
		began := time.Now()
		switch err := x.lookBack(ctx); {
		case err == nil:
		case passing(ClassOf(err)):
			return err
		default: // what can't be read may be posted to: Discord says so when that is tried
			x.watcher.Fallback(x.a, "unread", err)
		}
		x.sure = began
	}
	if n := len(x.record.Parts); n < len(x.parts) {
		young, cancel := context.WithDeadline(ctx, x.sure.Add(x.cfg.RecheckAfter)) // the post is tried again within
		defer cancel()
		id, err := x.postPart(young, n)
		if err != nil {
			return err
		}
		x.record.Parts = append(x.record.Parts, id)
		x.sure = time.Now()
	}
	record := x.record
	record.Done = len(x.record.Parts) >= len(x.parts)
	return x.store(ctx, record, x.ending(x.outcome(), "", nil))
}

// store records what is posted. Should another gateway have stored something in between, that is read before the next try:
// so the end is told by whoever stored it.
func (x *posting) store(ctx context.Context, r Record, end End) error {
	revision, err := x.records.SetPosted(ctx, x.a.Question, r)
	switch {
	case err == nil:
		x.record, x.record.Revision = r, revision
	case errors.Is(err, ErrOvertaken):
		x.loaded, x.fresh = false, false
	case r.Done:
		x.end = end
	}
	return err
}

var errUnwanted = errors.New("nobody wants it any more")

func (x *posting) postPart(ctx context.Context, n int) (chat.MessageID, error) {
	post := Post{Channel: x.place(), Text: x.parts[n], Nonce: Nonce(string(x.a.Question), strconv.Itoa(n)), Ping: x.a.User}
	if n == x.first && !x.ownThread() && !x.plain {
		post.ReplyTo = x.a.Message
	}
	if x.a.Reason == chat.ReasonFull { // a gateway may have said it already
		post.Nonce = Nonce(string(x.a.Question), chat.WordFull)
	}
	last := n == len(x.parts)-1
	ctx, landed := x.flights.begin(ctx, x.a.Guild)
	defer landed()
	if last {
		x.flight.Store(flightOf(ctx))
	}
	if x.unwanted(x.a) != "" {
		return "", errUnwanted
	}
	id, err := x.discord.Post(ctx, post)
	if err == nil && last {
		x.posted.Store(true) // before it has landed for a stop
	}
	return id, err
}

// ownThread says whether the answer stands in a thread that is opened for it.
func (x *posting) ownThread() bool {
	return x.cfg.Style == StyleThread && x.a.Reason != chat.ReasonFull && !x.a.InThread && x.a.Guild != chat.DM && !x.reply
}

func (x *posting) place() chat.ChannelID {
	if x.ownThread() {
		return x.record.Thread
	}
	return x.a.Channel
}

// A thread that can't be opened for threadWithin, twice, is done without, so that trouble with threads alone keeps no
// answer back.
const (
	threadWithin = 5 * time.Second
	maxKnocks    = 2
)

// passing says that a failure is none of Discord's last words.
func passing(c Class) bool {
	switch c {
	case ClassNone, ClassRetry, ClassUnauthorized:
		return true
	}
	return false
}

// judge decides what a failure means: another way (again), the end, or another try later (an error).
func (x *posting) judge(ctx context.Context, err error) (end End, again bool, _ error) {
	class := ClassOf(err)
	if class == ClassRetry && x.ownThread() && x.record.Thread == "" && ctx.Err() == nil {
		if x.knocks++; x.knocks >= maxKnocks {
			class = ClassBadRequest
		}
	}
	if passing(class) {
		return End{}, false, err
	}
	posted := len(x.record.Parts)
	switch {
	case class == ClassHidden: // it was seen when the question was heard
		end, err = x.giveUp(ctx, Dropped, reasonHidden, err)
	case x.ownThread() && (posted == 0 || class != ClassGone): // the rest of a thread that is gone is not wanted
		x.watcher.Fallback(x.a, "reply", err)
		x.reply, x.record.Thread, x.first = true, "", posted
		return End{}, true, nil
	case class == ClassForbidden && posted == x.first && !x.plain:
		x.watcher.Fallback(x.a, "plain", err)
		x.plain = true
		return End{}, true, nil
	case class == ClassGone:
		end, err = x.giveUp(ctx, Dropped, reasonChannel, nil)
	default:
		end, err = x.giveUp(ctx, Failed, class.String(), err)
	}
	return end, false, err
}

// giveUp ends the answer without (all of) its posts. That is stored too, so that the next answer doesn't wait for it. A
// question that a stop took out of the queue while a worker had it has ended there, and is not counted again.
func (x *posting) giveUp(ctx context.Context, o Outcome, reason string, cause error) (End, error) {
	done := x.record
	if len(done.Parts) == 0 && done.Thread == "" {
		first, err := x.records.Close(ctx, x.a.Question)
		if err != nil {
			x.unsure = true // it may be stored
			return End{}, err
		}
		if first || x.unsure {
			return x.gaveUp(o, reason, cause), nil
		}
		if done, err = x.records.Posted(ctx, x.a.Question); err != nil || done.Done {
			return End{}, err
		}
	}
	done.Done = true
	if err := x.store(ctx, done, x.ending(o, reason, cause)); err != nil {
		return End{}, err
	}
	return x.gaveUp(o, reason, cause), nil
}

func (x *posting) gaveUp(o Outcome, reason string, cause error) End {
	if reason == reasonStopped || reason == reasonBefore {
		x.hands.halted(x, x.state.DropBefore(x.a.Guild))
	}
	return x.ending(o, reason, cause)
}

func (x *posting) ending(o Outcome, reason string, cause error) End {
	e := End{Answer: x.a, Outcome: o, Reason: reason, Err: cause, Parts: len(x.record.Parts)}
	if f, ok := errors.AsType[Failure](cause); ok {
		e.Advice = f.Advice()
	}
	return e
}

// outcome is what the posted answer counts as.
func (x *posting) outcome() Outcome {
	if x.a.Kind == chat.Reply {
		return Posted
	}
	return Noticed
}

// lookBack finds parts that were posted before, but not recorded: nonces are forgotten after some minutes. A part is
// known by its text; the first one references the question, and so may a notice.
func (x *posting) lookBack(ctx context.Context) error {
	own, err := x.discord.OwnAfter(ctx, x.place(), x.a.Message)
	if err != nil {
		return err
	}
	for _, o := range own {
		n := len(x.record.Parts)
		if n == len(x.parts) {
			break
		}
		if n > 0 && o.ID.Snowflake() <= x.record.Parts[n-1].Snowflake() {
			continue
		}
		if n == x.first && !x.ownThread() && !x.plain && o.ReplyTo != x.a.Message {
			continue
		}
		if sameText(o.Text, x.parts[n]) {
			x.record.Parts = append(x.record.Parts, o.ID)
		}
	}
	return nil
}

// sameText compares what was posted with what stands there: Discord takes some characters out of messages.
func sameText(a, b string) bool { return letters(a) == letters(b) }

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0xFFFD || (r >= 0x200B && r <= 0x200F) || (r >= 0x2028 && r <= 0x202E) || r == 0xFEFF {
			return -1
		}
		return r
	}, s)
}
