package moderation

import (
	"fmt"
	"strings"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// Audit is what a control command leaves behind: who, where, what, on what ground, to what effect.
type Audit struct {
	By      chat.UserID
	ByName  string
	Guild   chat.GuildID
	Channel chat.ChannelID
	// Command is the snowflake of the message or interaction.
	Command chat.MessageID
	// What is the command in its canonical form, such as "stop all"; Reason is what its author wrote, as one line.
	What, Reason string
	Ground       control.Ground
	Scope        control.Scope
	// Effect is what happened, in a few words.
	Effect string
	// Refused says that it had no effect because the author may not.
	Refused bool
	// Failed says that it had no effect, or that the effect is not known, because something else was broken.
	Failed bool
}

// newAudit begins the audit of a call.
func newAudit(call Call, g control.Ground) *Audit {
	return &Audit{
		By: call.Actor.User, ByName: call.Actor.Name, Guild: call.Place.Guild, Channel: call.Place.Channel,
		Command: call.Place.Command, What: call.Command.canonical(), Reason: call.Command.Reason, Ground: g, Scope: call.scope(),
	}
}

// canonical writes a command without prefix, mentions and reason.
func (c Command) canonical() string {
	words := []string{string(c.Name)}
	if c.All {
		words = append(words, "all")
	}
	if c.Target != "" {
		words = append(words, string(c.Target))
	}
	if c.For > 0 {
		words = append(words, span(c.For))
	}
	return strings.Join(words, " ")
}

// Line is the audit in one line for the audit channel. Names and reasons stand in code style, so that no markup or
// mention in them does anything.
func (a *Audit) Line() string {
	what, ground := a.What, string(a.Ground)
	if a.Reason != "" {
		what += " (" + a.Reason + ")"
	}
	return fmt.Sprintf("%s by %s (%s, %s) in server %s, channel <#%s>: %s",
		inert(what), inert(cut(a.ByName, 64)), inert(string(a.By)), ground, inert(string(a.Guild)), a.Channel, a.Effect)
}

// scope is what a command is about: the server in which it was typed, or the fleet.
func (call Call) scope() control.Scope {
	if call.Command.All {
		return control.Fleet
	}
	return control.Scope(call.Place.Guild)
}
