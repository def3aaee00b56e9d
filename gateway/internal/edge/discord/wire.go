package discord

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// These are the parts of Discord's objects that we read. discordgo's own types fail as a whole where one part is new to
// them (a reply to a message with an unknown component type loses the reply), and lack others (resume_gateway_url).

// id is a snowflake as a number: half the memory of the text, which counts in the cache. Zero is none.
type id uint64

func parseID(s string) id {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil { // out of range gives the largest number
		return 0
	}
	return id(n)
}

func (n id) String() string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(n), 10)
}

// UnmarshalJSON reads a string or a number; null and nonsense are none.
func (n *id) UnmarshalJSON(raw []byte) error {
	*n = parseID(strings.Trim(string(raw), `"`))
	return nil
}

// bits are permissions, which Discord writes as a decimal string.
type bits uint64

// UnmarshalJSON reads a string or a number; null and nonsense are no bits.
func (b *bits) UnmarshalJSON(raw []byte) error {
	n, err := strconv.ParseUint(strings.Trim(string(raw), `"`), 10, 64)
	if err != nil { // out of range gives the largest number: all rights
		n = 0
	}
	*b = bits(n)
	return nil
}

// instant is a moment that may be null or unreadable, which is the zero time.
type instant struct{ time.Time }

// UnmarshalJSON reads ISO 8601.
func (t *instant) UnmarshalJSON(raw []byte) error {
	t.Time, _ = time.Parse(time.RFC3339, strings.Trim(string(raw), `"`))
	return nil
}

type wireUser struct {
	ID         string `json:"id"`
	Username   string `json:"username"`
	GlobalName string `json:"global_name"`
	Bot        bool   `json:"bot"`
	System     bool   `json:"system"`
}

type wireMember struct {
	User          *wireUser `json:"user"`
	Nick          string    `json:"nick"`
	Roles         []string  `json:"roles"`
	TimedOutUntil instant   `json:"communication_disabled_until"`
	Permissions   bits      `json:"permissions"` // in interactions only
}

// name is what people call the user there.
func (u *wireUser) name(m *wireMember) string {
	switch {
	case m != nil && m.Nick != "":
		return m.Nick
	case u.GlobalName != "":
		return u.GlobalName
	default:
		return u.Username
	}
}

type wireMessage struct {
	ID         string          `json:"id"`
	ChannelID  string          `json:"channel_id"`
	GuildID    string          `json:"guild_id"`
	Author     *wireUser       `json:"author"`
	Member     *wireMember     `json:"member"`
	Content    *string         `json:"content"` // nil: an update of something else
	Type       int             `json:"type"`
	WebhookID  string          `json:"webhook_id"`
	Mentions   []wireMention   `json:"mentions"`
	Nonce      json.RawMessage `json:"nonce"`
	Reference  *wireReference  `json:"message_reference"`
	Referenced *struct {
		Author *wireUser `json:"author"`
	} `json:"referenced_message"`
	Snapshots []struct {
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
	} `json:"message_snapshots"`
}

func (w *wireMessage) text() string {
	if w.Content == nil {
		return ""
	}
	return *w.Content
}

type wireMention struct {
	wireUser
	Member *wireMember `json:"member"`
}

type wireReference struct {
	Type      int    `json:"type"`
	MessageID string `json:"message_id"`
	ChannelID string `json:"channel_id"`
}

type wireDeleted struct {
	ID        string   `json:"id"`
	IDs       []string `json:"ids"`
	ChannelID string   `json:"channel_id"`
	GuildID   string   `json:"guild_id"`
}

type wireOverwrite struct {
	ID    id              `json:"id"`
	Type  json.RawMessage `json:"type"` // 0 role, 1 member
	Allow bits            `json:"allow"`
	Deny  bits            `json:"deny"`
}

type wireChannel struct {
	ID          id              `json:"id"`
	GuildID     id              `json:"guild_id"`
	Type        int             `json:"type"`
	ParentID    id              `json:"parent_id"`
	OwnerID     id              `json:"owner_id"`
	LastMessage id              `json:"last_message_id"`
	Overwrites  []wireOverwrite `json:"permission_overwrites"`
	Thread      *struct {
		Archived bool `json:"archived"`
	} `json:"thread_metadata"`
}

type wireRole struct {
	ID          id   `json:"id"`
	Permissions bits `json:"permissions"`
}

type wireGuild struct {
	ID          id            `json:"id"`
	Name        string        `json:"name"`
	OwnerID     id            `json:"owner_id"`
	Unavailable bool          `json:"unavailable"`
	Roles       []wireRole    `json:"roles"`
	Channels    []wireChannel `json:"channels"`
	Threads     []wireChannel `json:"threads"`
	Members     []wireMember  `json:"members"`
}

type wireRoleEvent struct {
	GuildID id       `json:"guild_id"`
	Role    wireRole `json:"role"`
	RoleID  id       `json:"role_id"`
}

type wireMemberEvent struct {
	GuildID id `json:"guild_id"`
	wireMember
}

type wireThreadSync struct {
	GuildID    id            `json:"guild_id"`
	ChannelIDs []id          `json:"channel_ids"`
	Threads    []wireChannel `json:"threads"`
}

type wireReady struct {
	User        wireUser `json:"user"`
	ResumeURL   string   `json:"resume_gateway_url"`
	SessionID   string   `json:"session_id"`
	Application struct {
		ID string `json:"id"`
	} `json:"application"`
	Guilds []struct {
		ID id `json:"id"`
	} `json:"guilds"`
}

type wireInteraction struct {
	ID    string `json:"id"`
	Type  int    `json:"type"`
	Token string `json:"token"`
	// Application is whose webhook answers it.
	Application string      `json:"application_id"`
	GuildID     string      `json:"guild_id"`
	ChannelID   string      `json:"channel_id"`
	Channel     wireChannel `json:"channel"`
	Member      *wireMember `json:"member"`
	User        *wireUser   `json:"user"`
	Data        struct {
		Name    string       `json:"name"`
		Type    int          `json:"type"`
		Options []wireOption `json:"options"`
	} `json:"data"`
}

type wireOption struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}
