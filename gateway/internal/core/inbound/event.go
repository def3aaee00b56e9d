package inbound

import (
	"time"

	"salamander.dev/shared/chat"
)

// Event is what the Discord edge hands to the core, one value for each thing that happened, in the order in which one
// shard saw them. The concrete types are the structs of this file.
type Event any

// Message is a message as a user typed it, with what Discord tells beside it.
type Message struct {
	ID      chat.MessageID
	Guild   chat.GuildID // chat.DM in a direct message
	Channel chat.ChannelID
	// Parent is the channel under which a thread stands; empty when Channel is no thread or the parent is not known.
	Parent chat.ChannelID
	// InThread says that Channel is a thread; BotThread that the bot opened it.
	InThread, BotThread bool

	Author chat.UserID
	// AuthorName is what people call the author there; AuthorAccount is the account's username.
	AuthorName, AuthorAccount string
	// AuthorIsUser is false for bots, webhooks and system messages; only types 0 (default) and 19 (reply) are a user's.
	AuthorIsUser bool
	// AuthorRoles are the author's roles in the server, without @everyone.
	AuthorRoles []string
	// AuthorPermissions are the author's permissions in the channel (a thread's parent counts), computed from the
	// cache; Administrator and the owner have all bits.
	AuthorPermissions uint64
	// AuthorIsOwner says that the author owns the server.
	AuthorIsOwner bool

	Content string
	// Forwarded are the texts of forwarded messages (message_snapshots).
	Forwarded []string
	// Mentions are the users that the message names, as the event tells them.
	Mentions []Mention
	// MentionsBot says that the bot is among the mentioned users (a reply's automatic ping included).
	MentionsBot bool
	// RepliesToBot says that the message is a reply to one of the bot's messages.
	RepliesToBot bool
	// CaughtUp says that the message was fetched after a downtime and not seen live.
	CaughtUp bool
	// Received is when the gateway process saw the event.
	Received time.Time
}

// maxOff is how far the time in an id may be from our own clock before the id says nothing about time.
const maxOff = 24 * time.Hour

// MarkOf orders what was typed among questions and commands: it is the id, which is Discord's clock. Ids whose time makes
// no sense, because some server like Discord just counts, are ordered by when we saw them.
func MarkOf(id chat.MessageID, received time.Time) chat.Snowflake {
	mark := id.Snowflake()
	if off := received.Sub(mark.Time()); !received.IsZero() && (off > maxOff || off < -maxOff) {
		return chat.SnowflakeAt(received)
	}
	return mark
}

// Mark orders the message among commands.
func (m Message) Mark() chat.Snowflake {
	if m.CaughtUp { // long after it was said
		return m.ID.Snowflake()
	}
	return MarkOf(m.ID, m.Received)
}

// Mention is one mentioned user: the id and the name to show.
type Mention struct {
	ID   chat.UserID
	Name string
}

// Edited says that a message has new text. Message is as complete as Discord's update was; its Author may be empty.
type Edited struct{ Message Message }

// Deleted says that messages are gone.
type Deleted struct {
	Guild    chat.GuildID
	Channel  chat.ChannelID
	Messages []chat.MessageID
}

// ChannelGone says that a channel or thread was deleted.
type ChannelGone struct {
	Guild   chat.GuildID
	Channel chat.ChannelID
}

// GuildGone says that the bot was removed from a server (not an outage).
type GuildGone struct{ Guild chat.GuildID }

// GuildSeen says that the bot is in a server: at the start, after an outage, or newly invited.
type GuildSeen struct {
	Shard int
	Guild chat.GuildID
	Name  string
	// Channels are the text channels and active threads with the newest message id of each, which catch-up compares.
	Channels []SeenChannel
}

// SeenChannel is a channel of [GuildSeen].
type SeenChannel struct {
	ID, Parent          chat.ChannelID
	InThread, BotThread bool
	LastMessage         chat.MessageID
}

// Ready says that a shard's session is up. Resumed sessions missed nothing; a fresh one needs catch-up.
type Ready struct {
	Shard   int
	Total   int // how many shards there are
	Bot     chat.UserID
	BotName string
	Resumed bool
	// Guilds are all servers of this shard; empty when resumed.
	Guilds []chat.GuildID
	// Received is when the gateway process saw the event.
	Received time.Time
}

// Slash is a slash command as a user ran it. It was acknowledged already (deferred) within Discord's three seconds;
// the answer edits that.
type Slash struct {
	ID      chat.MessageID // the interaction's snowflake
	Token   string         // good for 15 minutes
	Guild   chat.GuildID
	Channel chat.ChannelID
	// Parent, InThread and BotThread are as in Message.
	Parent              chat.ChannelID
	InThread, BotThread bool
	Author              chat.UserID
	AuthorName          string
	AuthorRoles         []string
	AuthorPermissions   uint64
	AuthorIsOwner       bool
	Command             string
	// Options are the typed options by name: user ids as digits, booleans as "true" or "false", else the text.
	Options map[string]string
	// Ephemeral says that the deferred answer is visible to the asker only.
	Ephemeral bool
	Received  time.Time
}
