package app

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/config"
	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/lane"
	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/gateway/internal/edge/discord"
	"salamander.dev/gateway/internal/edge/store"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/logging"
)

// maxCommands bounds the commands of all servers together. It is out of reach of one server: its bounds are those of
// [moderation.Room].
const maxCommands = 1 << 16

// reins carry commands from where they are typed to where they are carried out: those of one author in one channel that
// change something take effect one after another. No command waits for another one's answer.
type reins struct {
	rules   moderation.Rules
	service *moderation.Service
	mirror  *bus.Mirror
	client  *discord.Client
	log     zerolog.Logger
	content logging.Content
	lanes   *lane.Group[commander]
	room    moderation.Room
	telling sync.WaitGroup
	watched moderation.Room // of commands that another gateway carries out

	registering sync.Once
	background  sync.WaitGroup
	draining    context.Context // ends when the process begins to drain
	drain       context.CancelFunc
}

// commander is who commands where.
type commander struct {
	channel chat.ChannelID
	user    chat.UserID
	// alone sets commands apart that nothing waits for.
	alone chat.MessageID
}

// rules are moderation's settings.
func rules(c config.Config) moderation.Rules {
	return moderation.Rules{
		Prefix: c.Prefix, ChatChannels: c.ChatChannels, ModeratorRoles: c.ModeratorRoles, Operators: c.Operators,
	}
}

func newReins(a *App) (*reins, error) {
	r := &reins{
		rules:  rules(a.cfg),
		mirror: a.mirror, client: a.discord, log: a.log, content: a.content, lanes: lane.New[commander](maxCommands),
	}
	r.rules.Bot = func() chat.UserID { return a.desk.Bot() }
	r.draining, r.drain = context.WithCancel(context.Background())
	hands := store.NewReins(a.bus, a.mirror, a.meters.dropped)
	var err error
	r.service, err = moderation.New(hands, hands, hands, hands, voice{a.discord, a.cfg.AuditChannel},
		moderation.Config{Rules: r.rules, Bot: r.rules.Bot})
	return r, err
}

// Is implements [inbound.Commands].
func (r *reins) Is(m inbound.Message) bool {
	_, ok := r.rules.FromMessage(m)
	return ok
}

// Take implements [inbound.Commands].
func (r *reins) Take(ctx context.Context, m inbound.Message) (command, ignored bool) {
	call, ok := r.rules.FromMessage(m)
	switch {
	case !ok:
		return false, false
	case call.Command.Name == moderation.Ignore:
		return true, true
	}
	r.carryOut(ctx, call)
	return true, false
}

// slash has a slash command carried out.
func (r *reins) slash(ctx context.Context, s inbound.Slash) { r.carryOut(ctx, r.rules.FromSlash(s)) }

func (r *reins) carryOut(ctx context.Context, call moderation.Call) {
	call.Actor.Muted = r.mirror.Muted(call.Place.Guild, call.Actor.User, time.Now())
	key := commander{channel: call.Place.Channel, user: call.Actor.User}
	if !call.Command.Ordered() {
		key.alone = call.Place.Command
	}
	leave, ok := r.room.Enter(call)
	if ok && !r.lanes.Try(key, func() { r.handle(ctx, call, leave) }) {
		ok = false
		leave()
	}
	if !ok {
		r.line(r.log.Warn(), call).Msg("a command was dropped: too many at once")
	}
}

// handle carries a command out and has it answered. leave is called when it was.
func (r *reins) handle(ctx context.Context, call moderation.Call, leave func()) {
	report, err := r.service.Handle(ctx, call)
	r.trouble(call, err)
	if report.Lost {
		leave()
		r.watch(ctx, call)
		return
	}
	if audit := report.Audit; audit != nil {
		e := r.line(r.log.Info(), call).Str("by", string(audit.By)).Str("by_name", audit.ByName).Str("what", audit.What)
		if audit.Reason != "" {
			e = r.content.Always(e, "reason", audit.Reason)
		}
		e.Str("ground", string(audit.Ground)).Str("scope", string(audit.Scope)).Str("effect", audit.Effect).
			Bool("refused", audit.Refused).Bool("failed", audit.Failed).Msg("audit: command")
	}
	r.telling.Go(func() {
		defer leave()
		r.trouble(call, r.service.Tell(r.draining, report))
	})
}

// watch takes a command over if the gateway that carries it out dies. One for which there is no room is not watched.
func (r *reins) watch(ctx context.Context, call moderation.Call) {
	leave, ok := r.watched.Enter(call)
	if !ok {
		return
	}
	r.background.Go(func() {
		call, dead := r.service.Inherit(r.draining, call)
		leave()
		if dead {
			r.line(r.log.Warn(), call).Msg("the gateway that had a command fell silent; it is carried out here")
			r.carryOut(ctx, call)
		}
	})
}

func (r *reins) trouble(call moderation.Call, err error) {
	if err == nil {
		return
	}
	e := r.line(r.log.Warn(), call).Err(err)
	if advice := outbound.AdviceOf(err); advice != "" {
		e = e.Str("advice", advice)
	}
	e.Msg("a command had trouble")
}

func (r *reins) line(e *zerolog.Event, call moderation.Call) *zerolog.Event {
	return e.Str("command", string(call.Place.Command)).Str("guild", string(call.Place.Guild)).Str("channel", string(call.Place.Channel))
}

// close waits for commands that are being carried out.
func (r *reins) close() {
	r.drain()
	r.lanes.Close()
	r.lanes.Wait()
	r.telling.Wait()
	r.background.Wait()
}

// registerWithin bounds one try to register the slash commands; registerAgain is the pause between two.
const (
	registerWithin = 30 * time.Second
	registerAgain  = time.Minute
	registerTries  = 5
)

// register brings the slash commands to Discord, once per process and only if they differ from what is there.
func (r *reins) register() {
	r.registering.Do(func() {
		r.background.Go(func() {
			ctx := r.draining
			for try := 1; ; try++ {
				err := r.registerOnce(ctx)
				if err == nil || ctx.Err() != nil {
					return
				}
				r.log.Warn().Err(err).Int("try", try).Msg("slash commands could not be registered; the prefix commands work all the same")
				if try == registerTries || !sleep(ctx, registerAgain) {
					return
				}
			}
		})
	})
}

func (r *reins) registerOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, registerWithin)
	defer cancel()
	changed, err := r.client.RegisterCommands(ctx, slashCommands())
	if err == nil && changed {
		r.log.Info().Msg("slash commands registered")
	}
	return err
}

// slashCommands are moderation's in the edge's words.
func slashCommands() []discord.Command {
	types := map[moderation.OptionType]discord.OptionType{
		moderation.UserOption: discord.OptionUser, moderation.StringOption: discord.OptionString, moderation.BoolOption: discord.OptionBoolean,
	}
	var out []discord.Command
	for _, s := range moderation.SlashCommands() {
		c := discord.Command{Name: s.Name, Description: s.Description, InDM: s.Direct}
		for _, o := range s.Options {
			c.Options = append(c.Options, discord.Option{Name: o.Name, Description: o.Description, Type: types[o.Type], Required: o.Required})
		}
		out = append(out, c)
	}
	return out
}

// voice answers commands.
type voice struct {
	client *discord.Client
	audit  chat.ChannelID
}

// Reply implements [moderation.Voice].
func (v voice) Reply(ctx context.Context, p moderation.Place, part moderation.Part, text string) error {
	if p.Slash {
		return v.client.EditSlash(ctx, p.Token, text)
	}
	parts := map[moderation.Part]string{moderation.Final: "c", moderation.Progress: "cp", moderation.Trouble: "ct"}
	_, err := v.client.Post(ctx, discord.PostRequest{
		Channel: p.Channel, Content: text, ReplyTo: p.Command, Nonce: outbound.Nonce(string(p.Command), parts[part]),
	})
	return err
}

// Audit implements [moderation.Voice].
func (v voice) Audit(ctx context.Context, command chat.MessageID, line string) error {
	if v.audit == "" {
		return nil
	}
	_, err := v.client.Post(ctx, discord.PostRequest{Channel: v.audit, Content: line, Nonce: outbound.Nonce(string(command), "a")})
	return err
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var (
	_ inbound.Commands = (*reins)(nil)
	_ moderation.Voice = voice{}
)
