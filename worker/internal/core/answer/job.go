package answer

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
	"salamander.dev/worker/internal/core/memory"
)

// job is one question on its way through the steps.
type job struct {
	*Service
	q     chat.Question
	run   *run
	early func(context.Context) (Seen, error) // a look that was begun before the turn was known
	hasty bool                                // early doesn't say whether the question is answered
	begun time.Time

	memory   Memory
	turns    []memory.Turn // what the latest prompt showed of it
	whole    bool
	counted  memory.Count // what the provider counted for the prompt that was answered
	attempts Attempts
	// open says that attempts counts a call that was not made yet, or that did not count: the next one needs no write.
	open bool
	// looked says that attempts is what was on record at some time, not just assumed.
	looked bool
	tried  []string // keys that the question has tried since it last waited
	calls  int
	last   *CallError
	model  string // the raw text of the last completion

	typing struct {
		sync.Mutex
		timer *time.Timer
		over  bool
	}
}

// verdict is the outcome of a step: nil means that the next step follows.
type verdict = *retry.Verdict

func done(v retry.Verdict) verdict { return &v }

// do takes the steps, from the start again after every wait inside: what is on record may have changed meanwhile.
//
// What is stored uses a context that outlives the run's for a moment: a moderator's stop must leave its mark, and an
// answer that was paid must not be lost to a drain. Calls and waits end with the run's own.
func (j *job) do(ctx context.Context) retry.Verdict {
	ctx, cancel := linger(ctx, finishWithin)
	defer cancel()
	for {
		if v := j.round(ctx); v != nil {
			return *v
		}
	}
}

func (j *job) round(ctx context.Context) verdict {
	if reason, unwanted := j.unwanted(j.q); unwanted {
		if !j.run.unwanted() { // else it was counted when it was ended
			j.running.dropped(j.State.DropBefore(j.q.Guild))
		}
		return j.end(ctx, chat.Dropped, reason, "")
	}
	if j.run.ctx.Err() != nil {
		return j.handBack(ctx, WaitDrain, 0, nil)
	}
	if v := j.look(ctx); v != nil {
		return v
	}
	if v := j.judge(ctx); v != nil {
		return v
	}
	return j.try(ctx)
}

// look reads what is on record, all at once: each read is a round trip that the asker waits for.
func (j *job) look(ctx context.Context) verdict {
	var attempts chan error
	if !j.open && !j.assumed() { // else this process holds the newest
		attempts = make(chan error, 1)
		go func() {
			var err error
			j.attempts, err = j.Records.Attempts(ctx, j.q)
			attempts <- err
		}()
		j.looked = true
	}
	seen, err := j.see(ctx)
	if attempts != nil {
		err = errors.Join(err, <-attempts)
	}
	if err != nil {
		return j.trouble(ctx, err)
	}
	j.memory = seen.Memory
	if seen.Answered {
		return j.settled(ctx, seen.Answer, true)
	}
	change, changed := seen.Change, seen.Changed
	if !changed {
		return nil
	}
	if change.Deleted {
		return j.end(ctx, chat.Dropped, ReasonDeleted, "")
	}
	if _, replay := Replay(j.q.ID); change.Refused && replay == 0 {
		return j.end(ctx, chat.Refusal, chat.ReasonFull, chat.TextFull)
	}
	if strings.TrimSpace(change.Text) == "" {
		return j.end(ctx, chat.Dropped, ReasonEmptied, "")
	}
	j.q.Text = change.Text
	return nil
}

// see waits for the first look, which was begun before it was known that it is the question's turn, or takes another one.
// The question before this one stores its memory before it is done, so that a memory that was read before the turn may
// lack it: unless it ends with the question that the gateway took before, it is read anew. Should the gateway not know of
// one in between, this answer knows one turn less.
func (j *job) see(ctx context.Context) (Seen, error) {
	early := j.early
	if j.early = nil; early == nil || (j.hasty && !j.assumed()) {
		j.hasty = false
		return j.Records.Look(j.q, true)(ctx)
	}
	seen, err := early(ctx)
	if err == nil && !seen.Answered && (j.q.Previous == "" || seen.Memory.Last != j.q.Previous) {
		seen.Memory, err = j.Memories.Recall(ctx, j.q)
	}
	return seen, err
}

// freshFor is how long after it was asked a question is unlikely to have been tried.
const freshFor = 2 * time.Second

// assumed says that nothing need be read of attempts: there are none, most likely, and if there are, the write that counts
// the first one is refused, since it expects no record.
func (j *job) assumed() bool { return !j.looked && time.Since(j.q.Asked) < freshFor }

// judge ends what can't or need not be asked.
func (j *job) judge(ctx context.Context) verdict {
	switch {
	case tooLong(j.q.Text):
		return j.end(ctx, chat.Refusal, ReasonTooLong, textTooLong)
	case !time.Now().Before(j.deadline()):
		return j.end(ctx, chat.Apology, ReasonLate, textLate)
	case j.attempts.Counted >= maxAttempts && !j.open:
		return j.giveUp(ctx)
	}
	return nil
}

// tooLong counts no further than it must.
func tooLong(text string) bool {
	if len(text) <= chat.MaxQuestionRunes {
		return false
	}
	n := 0
	for range text {
		if n++; n > chat.MaxQuestionRunes {
			return true
		}
	}
	return false
}

// deadline is when the question must have been answered.
func (j *job) deadline() time.Time { return j.q.Asked.Add(j.cfg.Within) }

// typingEvery renews the sign of typing, which Discord shows for 10 s. Gateways show it by themselves for 30 s after they
// took a question (CONTRACT 3), so that a young one needs no sign yet.
const (
	typingEvery = 5 * time.Second
	youngFor    = 20 * time.Second
)

// startTyping shows typing until the job ends.
func (j *job) startTyping() {
	t := &j.typing
	t.Lock()
	defer t.Unlock()
	if t.timer != nil || t.over {
		return
	}
	if _, replay := Replay(j.q.ID); replay > 0 || time.Since(j.q.Asked) > youngFor {
		j.Voice.Typing(j.q)
	}
	t.timer = time.AfterFunc(typingEvery, j.keepTyping)
}

func (j *job) keepTyping() {
	t := &j.typing
	t.Lock()
	defer t.Unlock()
	if t.over {
		return
	}
	j.Voice.Typing(j.q)
	t.timer.Reset(typingEvery)
}

func (j *job) stopTyping() {
	t := &j.typing
	t.Lock()
	defer t.Unlock()
	t.over = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

// recall returns what the model may know of the conversation.
func (j *job) recall() (turns []memory.Turn, whole bool) {
	return j.memory.Recall(j.cfg.Memory, time.Now(), j.State.ForgetBefore(j.q.Guild))
}
