package moderation

import (
	"slices"
	"strings"
	"unicode"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// Permission bits that make a moderator (Discord, Topics, "Permissions").
const (
	administrator = 1 << 3
	manageServer  = 1 << 5
)

// Rules are the settings that say what is a command, who may, and where the bot may speak unasked.
type Rules struct {
	// Prefix is COMMAND_PREFIX.
	Prefix string
	// ChatChannels is CHAT_CHANNEL_IDS.
	ChatChannels []chat.ChannelID
	// ModeratorRoles is MODERATOR_ROLE_IDS.
	ModeratorRoles []string
	// Operators is OPERATOR_USER_IDS.
	Operators []chat.UserID
	// Bot returns the bot's own id, empty as long as it isn't known. Default: never known.
	Bot func() chat.UserID
}

// Actor is who commands, with the grounds that they have in the server where they do.
type Actor struct {
	User chat.UserID
	Name string
	// Owner, Permission, Role and Operator are the grounds; any of them makes a moderator of the place's server, and
	// Operator alone reaches beyond it.
	Owner, Permission, Role, Operator bool
	// Direct says that the command came in a direct message, where nobody moderates anything.
	Direct bool
	// Muted says that the server muted the user; the caller, who knows the mutes, sets it. Moderators are heard anyway,
	// else they could lock each other out.
	Muted bool
}

// Place is where a command was typed and where its answer goes.
type Place struct {
	Guild   chat.GuildID
	Channel chat.ChannelID
	// InThread says that Channel is a thread.
	InThread bool
	// Command is the id of the message or of the interaction.
	Command chat.MessageID
	// Mark orders the command among questions and other commands; zero: the id does.
	Mark chat.Snowflake
	// Slash says that the answer edits the deferred answer of an interaction, whose token is Token.
	Slash bool
	Token string
	// Ephemeral says that the deferred answer is visible to the asker only.
	Ephemeral bool
	// Open says that hints and refusals may be posted here: a chat channel, a thread of the bot or under a chat
	// channel, a direct message; or the answer of a slash command, which Discord shows anyway.
	Open bool
}

// Call is one command with who and where.
type Call struct {
	Actor   Actor
	Place   Place
	Command Command
	// Since is the mark since when another gateway that has the command is silent; zero: nobody is known to have it.
	Since uint64
}

// FromMessage reads a command from a message; false means that it is none, so it may be a question. Bots never command.
// A command that was missed in a downtime is not caught up: it becomes $ignore.
func (r Rules) FromMessage(m inbound.Message) (Call, bool) {
	if !m.AuthorIsUser {
		return Call{}, false
	}
	c, ok := Parse(r.Prefix, m.Content)
	if rest, led := r.afterMention(m.Content); !ok && led {
		if c, ok = Parse(r.Prefix, rest); c.Name == Unknown { // a question may begin with any word
			ok = false
		}
	}
	if !ok {
		return Call{}, false
	}
	if m.CaughtUp {
		c = Command{Name: Ignore, Mark: c.Mark}
	}
	return Call{
		Actor: r.actor(m.Guild, m.Author, m.AuthorName, m.AuthorIsOwner, m.AuthorPermissions, m.AuthorRoles),
		Place: Place{
			Guild: m.Guild, Channel: m.Channel, InThread: m.InThread, Command: m.ID, Mark: m.Mark(),
			Open: r.open(m.Guild, m.Channel, m.Parent, m.InThread && m.BotThread),
		},
		Command: c,
	}, true
}

// afterMention is what follows mentions of the bot at the beginning: some write them in front of everything.
func (r Rules) afterMention(text string) (rest string, led bool) {
	if r.Bot == nil || r.Bot() == "" {
		return text, false
	}
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		rest, ok := strings.CutPrefix(text, "<@"+string(r.Bot())+">")
		if !ok {
			rest, ok = strings.CutPrefix(text, "<@!"+string(r.Bot())+">")
		}
		if !ok {
			return text, led
		}
		text, led = rest, true
	}
}

// FromSlash reads a slash command.
func (r Rules) FromSlash(s inbound.Slash) Call {
	return Call{
		Actor: r.actor(s.Guild, s.Author, s.AuthorName, s.AuthorIsOwner, s.AuthorPermissions, s.AuthorRoles),
		Place: Place{
			Guild: s.Guild, Channel: s.Channel, InThread: s.InThread, Command: s.ID, Mark: inbound.MarkOf(s.ID, s.Received),
			Slash: true, Token: s.Token, Ephemeral: s.Ephemeral, Open: true,
		},
		Command: FromSlash(s),
	}
}

// actor finds the grounds. In a direct message there are none but the operator's.
func (r Rules) actor(g chat.GuildID, u chat.UserID, name string, owner bool, permissions uint64, roles []string) Actor {
	a := Actor{User: u, Name: name, Operator: slices.Contains(r.Operators, u), Direct: g == chat.DM}
	if !a.Direct {
		a.Owner = owner
		a.Permission = permissions&(administrator|manageServer) != 0
		a.Role = slices.ContainsFunc(roles, func(id string) bool { return slices.Contains(r.ModeratorRoles, id) })
	}
	return a
}

// open says whether the bot may post hints and refusals there.
func (r Rules) open(g chat.GuildID, c, parent chat.ChannelID, botThread bool) bool {
	return g == chat.DM || botThread || slices.Contains(r.ChatChannels, c) ||
		parent != "" && slices.Contains(r.ChatChannels, parent)
}

// Refusal says why a command has no effect.
type Refusal struct {
	// Reason is one word of a closed set, for logs: direct, moderators, operators.
	Reason string
	// Text is for the asker.
	Text string
}

// Authorize says on what ground a command may be carried out, or why not. The strongest ground that is not the
// operator's is named, for the audit; a fleet-wide command has no ground but the operator's.
func Authorize(a Actor, c Command) (control.Ground, *Refusal) {
	e, known := lookup(c.Name)
	switch {
	case a.Direct && known && !e.direct:
		return "", &Refusal{"direct", "In direct messages I know " + c.words(Help) + " and " + c.words(Forget) + "; the rest is for servers."}
	case !known || e.who == everyone:
		return control.Self, nil
	case c.All && !a.Operator && a.moderates():
		return "", &Refusal{"operators", "Only my operators may command all servers; " + c.words(c.Name) + " alone is for this one."}
	case c.All && a.Operator:
		return control.Operator, nil
	case a.Owner:
		return control.Owner, nil
	case a.Permission:
		return control.Permission, nil
	case a.Role:
		return control.Role, nil
	case a.Operator:
		return control.Operator, nil
	}
	return "", &Refusal{"moderators", "Only this server's moderators may use " + c.words(c.Name) + "."}
}

// moderates says that the actor commands the bot in this server.
func (a Actor) moderates() bool {
	return !a.Direct && (a.Owner || a.Permission || a.Role || a.Operator)
}

// unheard says that the actor's server muted them. Direct messages belong to no server.
func (a Actor) unheard() bool { return a.Muted && !a.Direct && !a.moderates() }

// Ephemeral says whether nobody but the asker needs to see the answer to a slash command by anyone who may use it.
func Ephemeral(command string) bool {
	e, known := lookup(Name(command))
	return !known || e.private
}

// EphemeralFor decides for one slash command, before its answer is deferred: refusals and hints are the asker's alone.
func (r Rules) EphemeralFor(s inbound.Slash) bool {
	call := r.FromSlash(s)
	_, refusal := Authorize(call.Actor, call.Command)
	return refusal != nil || call.Command.Problem != "" || Ephemeral(string(call.Command.Name))
}
