package discordsim

import (
	"encoding/json"
	"slices"
	"time"
)

// timeFormat is Discord's ISO 8601 with microseconds and a numeric zone.
const timeFormat = "2006-01-02T15:04:05.000000-07:00"

func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }

func stampOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}

type wireUser struct {
	ID            ID      `json:"id"`
	Username      string  `json:"username"`
	Discriminator string  `json:"discriminator"`
	GlobalName    *string `json:"global_name"`
	Avatar        *string `json:"avatar"`
	Bot           bool    `json:"bot,omitempty"`
	PublicFlags   int     `json:"public_flags"`
	Flags         int     `json:"flags"`
	PrimaryGuild  *string `json:"primary_guild"`
}

type wireMember struct {
	User          *wireUser   `json:"user,omitempty"`
	Nick          *string     `json:"nick"`
	Avatar        *string     `json:"avatar"`
	Banner        *string     `json:"banner"`
	PremiumSince  *string     `json:"premium_since"`
	Roles         []ID        `json:"roles"`
	JoinedAt      string      `json:"joined_at"`
	Deaf          bool        `json:"deaf"`
	Mute          bool        `json:"mute"`
	Flags         int         `json:"flags"`
	Pending       bool        `json:"pending"`
	TimedOutUntil any         `json:"communication_disabled_until"`
	Permissions   *Permission `json:"permissions,omitempty"` // in interactions only
}

type wireMention struct {
	wireUser
	Member *wireMember `json:"member,omitempty"`
}

type wireAttachment struct {
	ID          ID     `json:"id"`
	Filename    string `json:"filename"`
	ContentType string `json:"content_type,omitempty"`
	Size        int    `json:"size"`
	URL         string `json:"url"`
	ProxyURL    string `json:"proxy_url"`
}

type wireSticker struct {
	ID         ID     `json:"id"`
	Name       string `json:"name"`
	FormatType int    `json:"format_type"`
}

type wireReference struct {
	Type      int `json:"type"`
	MessageID ID  `json:"message_id,omitempty"`
	ChannelID ID  `json:"channel_id"`
	GuildID   ID  `json:"guild_id,omitempty"`
}

type wireSnapshotBody struct {
	Content     string           `json:"content"`
	Type        MessageType      `json:"type"`
	Timestamp   string           `json:"timestamp"`
	Edited      any              `json:"edited_timestamp"`
	Flags       int              `json:"flags"`
	Mentions    []wireMention    `json:"mentions"`
	Roles       []ID             `json:"mention_roles"`
	Attachments []wireAttachment `json:"attachments"`
	Embeds      []any            `json:"embeds"`
	Components  []any            `json:"components"`
}

type wireSnapshot struct {
	Message wireSnapshotBody `json:"message"`
}

type wireMessage struct {
	ID              ID               `json:"id"`
	ChannelID       ID               `json:"channel_id"`
	GuildID         ID               `json:"guild_id,omitempty"` // gateway only
	Author          wireUser         `json:"author"`
	Member          *wireMember      `json:"member,omitempty"` // gateway only
	Content         string           `json:"content"`
	Timestamp       string           `json:"timestamp"`
	EditedTimestamp any              `json:"edited_timestamp"`
	TTS             bool             `json:"tts"`
	MentionEveryone bool             `json:"mention_everyone"`
	Mentions        []wireMention    `json:"mentions"`
	MentionRoles    []ID             `json:"mention_roles"`
	Attachments     []wireAttachment `json:"attachments"`
	Embeds          json.RawMessage  `json:"embeds"`
	Components      []any            `json:"components"`
	Pinned          bool             `json:"pinned"`
	Type            MessageType      `json:"type"`
	Flags           int              `json:"flags"`
	Nonce           any              `json:"nonce,omitempty"`
	WebhookID       ID               `json:"webhook_id,omitempty"`
	ApplicationID   ID               `json:"application_id,omitempty"`
	Reference       *wireReference   `json:"message_reference,omitempty"`
	Referenced      *json.RawMessage `json:"referenced_message,omitempty"`
	Snapshots       []wireSnapshot   `json:"message_snapshots,omitempty"`
	Stickers        []wireSticker    `json:"sticker_items,omitempty"`
	Thread          *wireChannelData `json:"thread,omitempty"`
}

func (s *Server) wireUser(id ID) wireUser {
	u := s.users[id]
	if u == nil {
		return wireUser{ID: id, Username: "Deleted User", Discriminator: "0"}
	}
	out := wireUser{ID: u.ID, Username: u.Name, Discriminator: "0", Bot: u.Bot}
	if !u.Bot {
		out.GlobalName = &u.Name
	}
	return out
}

// wireMemberOf is the member object without its user, or nil for strangers.
func (s *Server) wireMemberOf(guild, user ID) *wireMember {
	g := s.guilds[guild]
	if g == nil || g.members[user] == nil {
		return nil
	}
	m := g.members[user]
	out := &wireMember{Roles: m.Roles, JoinedAt: stamp(m.Joined), TimedOutUntil: stampOrNil(m.TimeoutUntil)}
	if out.Roles == nil {
		out.Roles = []ID{}
	}
	if m.Nick != "" {
		nick := m.Nick
		out.Nick = &nick
	}
	return out
}

func (s *Server) wireFullMember(guild, user ID) *wireMember {
	m := s.wireMemberOf(guild, user)
	if m != nil {
		u := s.wireUser(user)
		m.User = &u
	}
	return m
}

func (s *Server) wireMemberEvent(g *guild, m *Member) any {
	return struct {
		*wireMember
		GuildID ID `json:"guild_id"`
	}{s.wireFullMember(g.ID, m.User), g.ID}
}

// messageView says for whom a message is rendered.
type messageView struct {
	gateway bool // with guild_id and member
	content bool // MESSAGE_CONTENT is there
	nested  bool // inside referenced_message: no further nesting
}

// readable: without MESSAGE_CONTENT, an app still reads its own messages, direct
// messages and messages that mention it (docs: gateway, "Message Content Intent").
func (s *Server) readable(m *Message, content bool) bool {
	return content || m.Guild == 0 || m.Author == s.bot.ID || slices.Contains(m.Mentions, s.bot.ID)
}

func (s *Server) wireMessage(m *Message, v messageView) *wireMessage {
	out := &wireMessage{
		ID: m.ID, ChannelID: m.Channel, Author: s.wireUser(m.Author), Timestamp: stamp(m.Created),
		EditedTimestamp: stampOrNil(m.Edited), MentionEveryone: m.Everyone, Mentions: []wireMention{},
		MentionRoles: orEmpty(m.MentionRoles), Attachments: []wireAttachment{}, Embeds: json.RawMessage("[]"),
		Components: []any{}, Type: m.Type, Flags: m.Flags, WebhookID: m.Webhook,
	}
	if v.gateway {
		out.GuildID = m.Guild
		if m.Webhook == 0 {
			out.Member = s.wireMemberOf(m.Guild, m.Author)
		}
	}
	if m.Interaction != 0 {
		out.ApplicationID = s.app
	}
	for _, id := range m.Mentions {
		mention := wireMention{wireUser: s.wireUser(id)}
		if v.gateway {
			mention.Member = s.wireMemberOf(m.Guild, id)
		}
		out.Mentions = append(out.Mentions, mention)
	}
	if m.Nonce != "" {
		out.Nonce = m.Nonce
		if m.nonceNumber {
			out.Nonce = json.Number(m.Nonce)
		}
	}
	s.wireContent(out, m, v)
	s.wireReferenceOf(out, m, v)
	if th := s.channels[m.Thread]; m.Thread != 0 && th != nil {
		out.Thread = s.wireChannel(th)
	}
	return out
}

func (s *Server) wireContent(out *wireMessage, m *Message, v messageView) {
	if !s.readable(m, v.content) {
		return
	}
	out.Content = m.Content
	if len(m.Embeds) > 0 {
		out.Embeds = m.Embeds
	}
	for i, a := range m.Attachments {
		out.Attachments = append(out.Attachments, wireAttachment{ID: m.ID + ID(i) + 1, Filename: a.Name,
			ContentType: a.ContentType, Size: a.Size, URL: a.URL, ProxyURL: a.URL})
	}
	for _, st := range m.Stickers {
		out.Stickers = append(out.Stickers, wireSticker{ID: orDefault(st.ID, m.ID), Name: st.Name, FormatType: orDefault(st.Format, 1)})
	}
	for _, text := range m.Snapshots {
		out.Snapshots = append(out.Snapshots, wireSnapshot{wireSnapshotBody{Content: text, Timestamp: stamp(m.Created),
			Mentions: []wireMention{}, Roles: []ID{}, Attachments: []wireAttachment{}, Embeds: []any{}, Components: []any{}}})
	}
}

var rawNull = json.RawMessage("null")

func (s *Server) wireReferenceOf(out *wireMessage, m *Message, v messageView) {
	if m.Reference == 0 {
		return
	}
	out.Reference = &wireReference{MessageID: m.Reference, ChannelID: orDefault(m.ReferenceIn, m.Channel), GuildID: m.Guild}
	if len(m.Snapshots) > 0 {
		out.Reference.Type = 1
	}
	if v.nested || m.Type != Reply && m.Type != ThreadStarter {
		return
	}
	out.Referenced = &rawNull // the referenced message is gone
	if ref := s.messages[m.Reference]; ref != nil {
		raw := mustJSON(s.wireMessage(ref, messageView{content: v.content, nested: true}))
		out.Referenced = &raw
	}
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// mustJSON encodes values of this package's own types, which cannot fail.
func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
