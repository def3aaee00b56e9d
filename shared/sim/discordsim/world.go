package discordsim

import (
	"encoding/json"
	"slices"
	"time"
)

// ChannelType is Discord's number (docs: resources/channel, "Channel Types").
type ChannelType int

// The channel types that the simulator knows.
const (
	TextChannel        ChannelType = 0
	DMChannel          ChannelType = 1
	VoiceChannel       ChannelType = 2
	CategoryChannel    ChannelType = 4
	AnnouncementChan   ChannelType = 5
	AnnouncementThread ChannelType = 10
	PublicThread       ChannelType = 11
	PrivateThread      ChannelType = 12
	ForumChannel       ChannelType = 15
)

// Guild is a server as it is laid out by [Server.AddGuild].
type Guild struct {
	ID       ID         `json:"id,omitempty"`       // zero: one is made
	Name     string     `json:"name,omitempty"`     // "": "Guild"
	Owner    ID         `json:"owner,omitempty"`    // zero: a user of its own
	Everyone Permission `json:"everyone,omitempty"` // zero: [DefaultPermissions]
	NoBot    bool       `json:"no_bot,omitempty"`   // the bot is no member (see [Server.InviteBot])
}

// Role grants permissions to the members that hold it. @everyone's id is the guild's.
type Role struct {
	ID          ID         `json:"id,omitempty"`
	Name        string     `json:"name,omitempty"`
	Permissions Permission `json:"permissions,omitempty"`
}

// Overwrite changes permissions in one channel for a role or a member.
type Overwrite struct {
	ID     ID         `json:"id"`
	Member bool       `json:"member,omitempty"`
	Allow  Permission `json:"allow,omitempty"`
	Deny   Permission `json:"deny,omitempty"`
}

// User is an account; Bot marks other bots as well as our own.
type User struct {
	ID   ID     `json:"id,omitempty"`
	Name string `json:"name"`
	Bot  bool   `json:"bot,omitempty"`
}

// Member is a user in a guild.
type Member struct {
	User         ID        `json:"user"`
	Nick         string    `json:"nick,omitempty"`
	Roles        []ID      `json:"roles,omitempty"`
	Joined       time.Time `json:"joined"`
	TimeoutUntil time.Time `json:"timeout_until,omitzero"`
}

func (m *Member) hasRole(id ID) bool { return slices.Contains(m.Roles, id) }

// Channel is a text channel, a DM, a thread or another place of a guild.
type Channel struct {
	ID          ID          `json:"id,omitempty"`
	Guild       ID          `json:"guild,omitempty"` // zero in DMs
	Type        ChannelType `json:"type"`
	Name        string      `json:"name,omitempty"`
	Parent      ID          `json:"parent,omitempty"` // a thread's channel, or a channel's category
	Overwrites  []Overwrite `json:"overwrites,omitempty"`
	LastMessage ID          `json:"last_message,omitempty"`
	Recipient   ID          `json:"recipient,omitempty"` // the other side of a DM

	// Of threads only.
	Owner       ID            `json:"owner,omitempty"`
	Archived    bool          `json:"archived,omitempty"`
	Locked      bool          `json:"locked,omitempty"`
	AutoArchive time.Duration `json:"auto_archive,omitempty"`
	Members     []ID          `json:"members,omitempty"`
	active      time.Time
}

func (c *Channel) isThread() bool {
	return c.Type == AnnouncementThread || c.Type == PublicThread || c.Type == PrivateThread
}

func (c *Channel) hasMember(user ID) bool { return slices.Contains(c.Members, user) }

// text reports whether messages can stand in the channel.
func (c *Channel) text() bool {
	return c.isThread() || c.Type == TextChannel || c.Type == DMChannel || c.Type == VoiceChannel || c.Type == AnnouncementChan
}

func (c *Channel) snapshot() Channel {
	out := *c
	out.Overwrites = slices.Clone(c.Overwrites)
	out.Members = slices.Clone(c.Members)
	return out
}

// guild is the living form of a Guild.
type guild struct {
	Guild
	roles       map[ID]*Role
	roleOrder   []ID
	members     map[ID]*Member
	channels    []ID // in order of creation, threads too
	botIn       bool
	unavailable bool
	joined      time.Time
	commands    commandSet
}

// MessageType is Discord's number (docs: resources/message, "Message Types").
type MessageType int

// The message types that matter to a chat bot; 0 and 19 are what people write.
const (
	Default       MessageType = 0
	PinNotice     MessageType = 6
	MemberJoin    MessageType = 7
	ThreadCreated MessageType = 18
	Reply         MessageType = 19
	SlashCommand  MessageType = 20
	ThreadStarter MessageType = 21
	ContextMenu   MessageType = 23
)

// system reports types that nobody wrote, which can't be replied to.
func (t MessageType) system() bool {
	return t != Default && t != Reply && t != SlashCommand && t != ContextMenu
}

// Message flags that the simulator sets or looks at.
const (
	FlagHasThread = 1 << 5
	FlagEphemeral = 1 << 6
	FlagLoading   = 1 << 7
	FlagSnapshot  = 1 << 14
)

// Message is what stands in a channel. Mentions are the users that the message pings.
type Message struct {
	ID           ID              `json:"id"`
	Channel      ID              `json:"channel"`
	Guild        ID              `json:"guild,omitempty"`
	Author       ID              `json:"author"`
	Content      string          `json:"content,omitempty"`
	Type         MessageType     `json:"type,omitempty"`
	Flags        int             `json:"flags,omitempty"`
	Reference    ID              `json:"reference,omitempty"` // the message replied to
	ReferenceIn  ID              `json:"reference_in,omitempty"`
	Nonce        string          `json:"nonce,omitempty"`
	Mentions     []ID            `json:"mentions,omitempty"`
	MentionRoles []ID            `json:"mention_roles,omitempty"`
	Everyone     bool            `json:"everyone,omitempty"`
	Created      time.Time       `json:"created"`
	Edited       time.Time       `json:"edited,omitzero"`
	Webhook      ID              `json:"webhook,omitempty"`
	Interaction  ID              `json:"interaction,omitempty"`
	Thread       ID              `json:"thread,omitempty"` // opened on this message
	Attachments  []Attachment    `json:"attachments,omitempty"`
	Stickers     []Sticker       `json:"stickers,omitempty"`
	Snapshots    []string        `json:"snapshots,omitempty"` // texts of forwarded messages
	Embeds       json.RawMessage `json:"embeds,omitempty"`
	nonceNumber  bool
}

// Attachment is a file at a message; only what a text bot can see.
type Attachment struct {
	Name        string `json:"name"`
	ContentType string `json:"content_type,omitempty"`
	Size        int    `json:"size,omitempty"`
	URL         string `json:"url,omitempty"`
}

// Sticker is a sticker item at a message (format 4 is a GIF).
type Sticker struct {
	ID     ID     `json:"id,omitempty"`
	Name   string `json:"name"`
	Format int    `json:"format,omitempty"`
}

// clone is safe to hand out: slices are never changed in place, so sharing them is fine.
func (m *Message) clone() Message { return *m }
