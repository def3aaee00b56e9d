package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// serve runs everything once NATS is there.
func (a *App) serve(intake, work context.Context) error {
	life, endLife := context.WithCancel(context.WithoutCancel(work)) // what lives until the very end
	defer a.background.Wait()
	defer endLife()
	intake, endIntake := context.WithCancel(intake)
	defer endIntake()
	pull, endPull := context.WithCancel(life)
	defer endPull()

	a.background.Go(func() {
		if err := a.mirror.Run(life); err != nil {
			a.log.Error().Err(err).Msg("the desired state can't be followed; restart this process")
		}
	})
	stopServe, err := a.bus.Serve(life, control.Gateway, a.instance, bus.Obey{Sync: a.sync, Status: a.status})
	if err != nil {
		return err
	}
	defer stopServe()
	stopTyping, err := a.bus.SubscribeTyping(func(t chat.Typing) { a.typist.Running(t.Guild, t.Channel, t.Question) })
	if err != nil {
		return err
	}
	defer stopTyping()
	a.background.Go(func() { a.bus.Announce(life, a.live) })
	a.background.Go(func() { a.desk.Run(life) })
	a.background.Go(func() { a.leaver.run(life) })
	a.share = newShare(a.bus, a.discord)
	a.background.Go(func() { a.share.run(life) })
	var pulling sync.WaitGroup
	pulling.Go(func() {
		a.bus.ConsumeAnswers(pull, func(p bus.Posting) {
			a.share.posting()
			a.poster.Accept(delivery(work, p))
		}, a.malformed)
	})
	a.phase.Store(&phase{})

	err = a.discord.RunShards(intake, func(e inbound.Event) { a.deliver(work, e) }, a.shards.begin)
	endIntake()
	a.phase.Store(&phase{why: "draining"})
	a.log.Info().Int("held", a.desk.Held()).Int("posting", a.poster.InHand()).Msg("draining")

	// What was heard goes into the queue while answers are finished.
	a.desk.Close()
	a.reins.drain()
	a.shards.wait()
	endPull()
	a.poster.Close()
	pulling.Wait()
	a.poster.Wait()
	a.desk.Wait()
	a.reins.close()
	a.words.close(work)
	a.typist.Close()
	save, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := a.desk.Save(save); err != nil {
		a.log.Warn().Err(err).Msg("how far messages were handled could not be stored; the next start looks a little further back")
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// deliver hands one event on. Events of one shard come one after another.
func (a *App) deliver(ctx context.Context, e inbound.Event) {
	switch e := e.(type) {
	case inbound.Message:
		a.poster.ChannelSeen(e.Channel)
	case inbound.Slash:
		a.reins.slash(ctx, e)
		return
	case inbound.ChannelGone:
		a.poster.ChannelGone(e.Channel)
		return
	case inbound.GuildGone:
		a.poster.GuildGone(e.Guild)
		a.leaver.left(e.Guild)
		return
	case inbound.GuildSeen:
		a.poster.GuildSeen(e.Guild)
		a.leaver.joined(e.Guild)
	case inbound.Ready:
		a.reins.register()
		if !e.Resumed {
			a.leaver.session(e)
		}
	}
	a.desk.Handle(ctx, e)
}

// malformed is told of what lies among the answers and can't be read. It becomes a dead letter before it is acknowledged.
func (a *App) malformed(raw string, err error) {
	a.meters.replies.WithLabelValues(string(outbound.Failed)).Inc()
	l := chat.DeadLetter{Raw: raw, Stage: string(control.Gateway), Reason: "malformed", Cause: err.Error(), At: time.Now().UTC()}
	if lost := a.bus.PublishDeadLetter(context.Background(), l); lost != nil {
		a.log.Error().Err(lost).Msg("a dead letter could not be stored; this line is all that is left of it")
	} else {
		a.meters.letters.WithLabelValues(l.Reason).Inc()
	}
	e := a.log.Error().Err(err)
	a.content.Failure(e, "raw", raw).Msg("an answer could not be read and is a dead letter now; who else writes to the answers' stream?")
}
