package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/core/moderation"
	"salamander.dev/worker/internal/edge/huggingface"
	"salamander.dev/worker/internal/edge/store"
)

// instance is one life of the worker: from connecting to closing.
type instance struct {
	*App
	name    string
	log     zerolog.Logger
	started time.Time

	bus      *bus.Bus
	model    *huggingface.Client
	mirror   *bus.Mirror
	ledger   *store.Ledger
	answers  *answer.Service
	obeyer   *moderation.Service
	consumer *bus.QuestionConsumer

	epoch   chat.Snowflake // the fleet's reboot epoch that was read at the start
	changed chan struct{}  // the desired state changed
	reboot  chan struct{}  // closed when a newer epoch was seen
	once    sync.Once
	cost    atomic.Pointer[budget.Price] // of a token, as read from the provider
	reborn  bool                         // it is not the process's first life
	agreed  atomic.Bool                  // it holds the limits that stand in the ledger

	mu      sync.Mutex
	waiting error // why it is not ready yet
}

// live is one life; again says that the next is to begin at once, reborn that there was one before.
func (a *App) live(intake, work context.Context, name string, reborn bool) (again bool, err error) {
	l := &instance{
		App: a, name: name, log: a.log.With().Str("instance", name).Logger(), started: time.Now().UTC(),
		changed: make(chan struct{}, 1), reboot: make(chan struct{}), waiting: errStarting, reborn: reborn,
	}
	if l.model, err = newModel(a.cfg); err != nil {
		return false, err
	}
	defer l.model.Close()
	l.bus, err = bus.Connect(busConfig(a.cfg.Common), l.log)
	if err != nil {
		return false, err
	}
	defer l.bus.Close()
	a.setReady(l.isReady)
	defer a.setReady(func() error { return errStarting })
	again, err = l.run(intake, work)
	if errors.Is(err, context.Canceled) && intake.Err() != nil {
		err = nil // it was told to end before it was up
	}
	return again, err
}

// isReady is what /readyz tells.
func (l *instance) isReady() error {
	if err := l.bus.Ready(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// wait notes why the instance is not ready, and logs each new reason once.
func (l *instance) wait(err error) {
	l.mu.Lock()
	before := l.waiting
	l.waiting = err
	l.mu.Unlock()
	if err != nil && (before == nil || before.Error() != err.Error()) {
		l.log.Warn().Err(err).Msg("not ready yet; trying on")
	}
}

// until tries f again and again until it succeeds, ends the start for good, or ctx ends.
func (l *instance) until(ctx context.Context, what string, f func(context.Context) error) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := f(ctx)
		var conflict *budget.LimitsConflictError
		if err == nil || errors.As(err, &conflict) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.wait(fmt.Errorf("%s: %w", what, err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// run starts everything in order, answers questions, and drains in the opposite order.
func (l *instance) run(intake, work context.Context) (again bool, err error) {
	if err := l.bus.Open(intake, l.cfg.NATSProvision == "auto", func(err error) {
		if err != nil {
			l.wait(err)
		}
	}); err != nil {
		return false, err
	}
	if err := l.until(intake, "read the desired state", func(ctx context.Context) (err error) {
		l.mirror, err = l.bus.NewMirror(ctx, l.stateChanged)
		return err
	}); err != nil {
		return false, err
	}
	l.epoch = l.mirror.Desired(control.Fleet).Epoch
	if err := l.until(intake, "open the budget", func(ctx context.Context) (err error) {
		l.ledger, err = store.OpenLedger(ctx, l.bus.Conn(), l.ledgerConfig())
		return err
	}); err != nil {
		return false, err
	}
	defer l.closeLedger(work)
	if err := l.build(); err != nil {
		return false, err
	}
	beside, end := context.WithCancel(context.WithoutCancel(work)) // what must go on while questions are drained
	var wg sync.WaitGroup
	defer wg.Wait()
	defer end()
	if l.cfg.Price.Auto {
		wg.Go(func() { l.followPrice(beside) })
	}
	wg.Go(func() { _ = l.mirror.Run(beside) })
	wg.Go(func() { l.obey(beside) })
	wg.Go(func() { l.bus.Announce(beside, l.entry) })
	stop, err := l.bus.Serve(beside, control.Worker, l.name, bus.Obey{
		Sync: l.obeyer.Sync, Status: l.obeyer.Status, Budget: l.obeyer.Budget, Forget: l.obeyer.Forget,
	})
	if err != nil {
		return false, err
	}
	defer stop()
	if err := l.until(intake, "agree on the limits", l.agree); err != nil {
		return false, err
	}
	l.metrics.attach(l)
	defer l.metrics.detach()
	l.wait(nil)
	l.log.Info().Strs("keys", keyNames(l.cfg)).Str("task", l.cfg.HFTask).Str("model", l.cfg.HFModel).Msg("answering questions")
	again = l.serve(intake, work)
	return again, nil
}

// serve takes questions until intake ends or a reboot is this worker's turn, and returns when all in hand ended.
func (l *instance) serve(intake, work context.Context) (again bool) {
	taking, stop := context.WithCancel(intake)
	defer stop()
	drained, end := context.WithCancel(context.WithoutCancel(work))
	var wg sync.WaitGroup
	wg.Go(func() {
		if again = l.awaitTurn(taking); again {
			stop()
			l.keepTurn(drained)
		}
	})
	l.consumer.Run(taking, work)
	stop()
	end()
	wg.Wait()
	if again {
		l.release(work)
		l.log.Info().Msg("rebooting: this instance has drained")
	}
	return again
}

// build makes the core and its edges.
func (l *instance) build() (err error) {
	questions := store.NewQuestions(l.bus)
	memories := store.NewMemories(l.bus)
	l.answers, err = answer.New(answer.Deps{
		Answers: questions, Records: questions, Memories: memories, Voice: questions, Letters: questions,
		State: l.mirror, Budget: tracedBudget{l.ledger}, Model: tracedModel{l.model},
		Journal: &journal{log: l.log, content: contentOf(l.cfg), metrics: l.metrics},
	}, answer.Config{
		Persona: l.cfg.Persona, Memory: l.cfg.Memory(), MaxTokens: l.cfg.HFMaxTokens, Timeout: l.cfg.HFTimeout,
		Within: l.cfg.AnswerWithin, Slots: l.cfg.Concurrency, Price: l.price, Name: l.name,
		Model: strings.Join([]string{l.cfg.HFTask, l.cfg.HFModel, l.cfg.HFBaseURL}, " "),
	})
	if err != nil {
		return err
	}
	l.consumer = l.bus.NewQuestionConsumer(l.cfg.Concurrency, tracedAnswers{l.answers})
	l.obeyer, err = moderation.New(l.mirror, l.answers, held{l}, l.ledger, store.NewArchive(l.bus, memories), moderation.Config{
		Instance: l.name, Started: l.started, Epoch: l.epoch, Agreed: l.agreed.Load, Spell: l.cfg.LimitText, Refused: func(o control.Order, err error) {
			l.log.Warn().Err(err).Str("verb", string(o.Verb)).Str("scope", string(o.Scope)).Str("origin", string(o.Origin)).
				Str("by", string(o.By)).Str("ground", string(o.Ground)).Msg("a control record has no effect")
		},
	})
	return err
}

// held are the questions that wait in the consumer's room.
type held struct{ l *instance }

// Wake has those of a scope looked at that are to be dropped.
func (h held) Wake(s control.Scope) {
	h.l.consumer.Wake(func(q chat.Question) bool {
		return (s == control.Fleet || s == control.Scope(q.Guild)) && h.l.answers.Urgent(q)
	})
}

// Held tells how many there are.
func (h held) Held() int { return h.l.consumer.Held() }

// closeLedger writes what is still to be settled.
func (l *instance) closeLedger(work context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), flushWithin-time.Second)
	defer cancel()
	if err := l.ledger.Close(ctx); err != nil {
		l.log.Warn().Err(err).Msg("some calls stay charged as they were reserved")
	}
}
