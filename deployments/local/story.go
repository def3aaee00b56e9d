package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/chat"
)

// The story of the original bot, in fast time: a crowd comes, the first key is exhausted, the second takes over, a
// worker dies, the window turns, and nobody notices. Each chapter ends when the counters of the simulated Hugging Face
// and of the simulated Discord say that it happened, never after a time.
const (
	storyQuestions = 32
	storyEvery     = 450 * time.Millisecond // between questions
	storyPatience  = 2 * time.Minute        // for one chapter
	storyLook      = 50 * time.Millisecond
)

type storyState struct {
	On       bool      `json:"on"`
	Chapter  int       `json:"chapter"` // from 1; 0: never told
	Caption  string    `json:"caption"`
	Verdict  string    `json:"verdict,omitempty"`
	Good     bool      `json:"good,omitempty"`
	Ended    int64     `json:"ended,omitempty"` // ms since 1970; tells one verdict from another
	Facts    storyFact `json:"facts"`
	Chapters []string  `json:"chapters"`
}

// storyFact is what the judge counted.
type storyFact struct {
	Asked    int   `json:"asked"`
	Answered int   `json:"answered"`
	Twice    int   `json:"twice"`
	Failed   int   `json:"failed"` // a fallback or an apology in place of an answer
	Open     int   `json:"open"`
	Over     int64 `json:"over"` // calls over the limit of a key
	Longest  int64 `json:"longest_ms"`
}

var chapters = []string{"A crowd comes", "The first key is spent", "The second takes over", "A worker dies", "The window turns", "Nobody noticed"}

type story struct {
	mu   sync.Mutex
	s    storyState
	stop context.CancelFunc

	ids  []string
	over int64
}

func (s *story) state() storyState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.s
	out.Chapters = chapters
	return out
}

// tell begins the story; one that runs goes on.
func (p *playground) tellStory() error {
	if p.discord == nil || p.hugging == nil {
		return errReal
	}
	if err := p.tellable(); err != nil {
		return err
	}
	s := &p.story
	s.mu.Lock()
	if s.s.On {
		s.mu.Unlock()
		return errors.New("the story is being told")
	}
	ctx, stop := context.WithCancel(p.begun)
	s.s, s.stop = storyState{On: true}, stop
	s.ids, s.over = nil, p.hugging.Over()
	s.mu.Unlock()
	if err := p.setStage(); err != nil {
		stop()
		s.mu.Lock()
		s.s.On = false
		s.mu.Unlock()
		return err
	}
	p.tasks.Go(func() {
		defer stop()
		err := p.chaptersOf(ctx)
		p.crowd.halt()
		p.judge()
		s.mu.Lock()
		s.s.On, s.s.Ended = false, time.Now().UnixMilli()
		f := s.s.Facts
		s.s.Good = err == nil && f.Answered == f.Asked && f.Twice == 0 && f.Over == 0
		switch {
		case err != nil:
			s.s.Verdict = err.Error()
		default:
			s.s.Verdict = fmt.Sprintf("%d asked, %d answered, %d twice, %d calls over a limit. The longest wait was %.0f s.",
				f.Asked, f.Answered, f.Twice, f.Over, float64(f.Longest)/1000)
		}
		s.mu.Unlock()
		p.state.poke()
	})
	return nil
}

func (p *playground) endStory() {
	p.story.mu.Lock()
	defer p.story.mu.Unlock()
	if p.story.stop != nil {
		p.story.stop()
	}
}

func (p *playground) chaptersOf(ctx context.Context) error {
	asking, enough := context.WithCancel(ctx)
	defer enough()
	var asks sync.WaitGroup
	defer asks.Wait()
	defer enough()

	p.chapter(1, "People pour in. Most talk among themselves, some ask Salamander.")
	if err := p.crowd.begin(p, crowdOrder{People: 60, Rate: 5, Share: 0}); err != nil {
		return err
	}
	asks.Go(func() { p.askOn(asking) })
	if err := p.until(ctx, func() bool { return p.judge().Answered >= 3 }); err != nil {
		return err
	}

	p.chapter(2, "Every answer costs the first key one request of its window.")
	var turn int64
	if err := p.until(ctx, func() bool {
		l := p.key("primary")
		turn = l.Resets
		return firstSpent(l, p.key("second"))
	}); err != nil {
		return err
	}
	// The window may turn in any chapter from here on, and once more when no question is left to show it.
	back := false
	until := func(ok func() bool) error {
		return p.until(ctx, func() bool {
			l := p.key("primary")
			back = back || (l.Resets > turn && l.Book >= 1)
			return ok()
		})
	}

	p.chapter(3, "The first key has nothing left. The next question takes the second key, in the same breath.")
	if err := until(func() bool { l := p.key("second"); return l.Book >= 1 }); err != nil {
		return err
	}

	dead, victims, err := p.fell(until)
	if err != nil {
		return err
	}
	p.chapter(4, fmt.Sprintf("%s was killed with %s in its hands. Another worker takes them up.", dead, count(len(victims), "question")))
	if err := until(func() bool {
		for _, id := range victims {
			if !p.road.fate(id).Done {
				return false
			}
		}
		return true
	}); err != nil {
		return err
	}
	if _, err := p.keep.add(stack.Worker); err != nil {
		return err
	}

	p.chapter(5, "The window turns. Traffic goes back to the first key by itself.")
	if err := until(func() bool { return back }); err != nil {
		return err
	}

	p.chapter(6, "The last questions that waited are answered.")
	asks.Wait()
	return p.until(ctx, func() bool { f := p.judge(); return f.Asked == storyQuestions && f.Open == 0 })
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (p *playground) chapter(n int, caption string) {
	p.story.mu.Lock()
	p.story.s.Chapter, p.story.s.Caption = n, caption
	p.story.mu.Unlock()
	p.state.poke()
}

// askOn asks the story's questions, one after the other.
func (p *playground) askOn(ctx context.Context) {
	tick := time.NewTicker(storyEvery)
	defer tick.Stop()
	for range storyQuestions {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ids, err := p.crowd.burst(p, 1)
		if err != nil {
			return
		}
		p.story.mu.Lock()
		p.story.ids = append(p.story.ids, ids...)
		p.story.mu.Unlock()
	}
}

// fell kills a worker that has calls in flight and returns what it held.
func (p *playground) fell(until func(func() bool) error) (name string, victims []string, err error) {
	err = until(func() bool {
		for _, w := range p.keep.names(stack.Worker) {
			if held := p.road.callsOf(w); len(held) > 0 && len(p.keep.names(stack.Worker)) > 1 {
				name, victims = w, held
				return true
			}
		}
		return false
	})
	if err != nil {
		return "", nil, err
	}
	return name, victims, p.keep.kill(name, true)
}

// until waits for what the counters must say, and has the judge count meanwhile.
func (p *playground) until(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, storyPatience)
	defer cancel()
	tick := time.NewTicker(storyLook)
	defer tick.Stop()
	for p.judge(); !ok(); p.judge() {
		select {
		case <-ctx.Done():
			if p.begun.Err() != nil || errors.Is(ctx.Err(), context.Canceled) {
				return errors.New("the story was ended early")
			}
			return fmt.Errorf("this did not happen within %s: %s", storyPatience, p.story.state().Caption)
		case <-tick.C:
		}
	}
	return nil
}

// key is the request limit of a key as it stands in the simulated Hugging Face's books.
func (p *playground) key(name string) limitState {
	for _, w := range p.hugging.Books().Key(name).Windows {
		now := time.Now()
		if w.End.After(now) && !w.Start.After(now) {
			return limitState{Limit: w.Limit.String(), Max: w.Limit.Max, Book: float64(w.Used()), Resets: w.End.UnixMilli()}
		}
	}
	return limitState{}
}

// firstSpent says that the first key has nothing left, by Hugging Face's books. A call in flight over the turn counts in
// both windows for the workers and in one for Hugging Face, where the key then never gets full: that the second key is
// asked says as much.
func firstSpent(first, second limitState) bool {
	return first.Max > 0 && (first.Book >= first.Max || second.Book >= 1)
}

// judge counts what became of the story's questions.
func (p *playground) judge() storyFact {
	s := &p.story
	s.mu.Lock()
	defer s.mu.Unlock()
	f := storyFact{Asked: len(s.ids), Over: p.hugging.Over() - s.over}
	for _, id := range s.ids {
		x := p.road.fate(id)
		switch {
		case !x.Done:
			f.Open++
			continue
		case x.Kind == chat.Reply:
			f.Answered++
		default:
			f.Failed++
		}
		if x.Posts > 1 {
			f.Twice++
		}
		f.Longest = max(f.Longest, x.Waited.Milliseconds())
	}
	s.s.Facts = f
	return f
}
