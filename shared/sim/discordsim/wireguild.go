package discordsim

import "time"

type wireOverwrite struct {
	ID    ID         `json:"id"`
	Type  int        `json:"type"` // 0 role, 1 member
	Allow Permission `json:"allow"`
	Deny  Permission `json:"deny"`
}

type wireThreadMeta struct {
	Archived            bool   `json:"archived"`
	AutoArchiveDuration int    `json:"auto_archive_duration"` // minutes
	ArchiveTimestamp    string `json:"archive_timestamp"`
	Locked              bool   `json:"locked"`
	CreateTimestamp     string `json:"create_timestamp"`
}

type wireChannelData struct {
	ID               ID              `json:"id"`
	Type             ChannelType     `json:"type"`
	GuildID          ID              `json:"guild_id,omitempty"`
	Name             string          `json:"name,omitempty"`
	ParentID         *ID             `json:"parent_id"`
	Position         int             `json:"position"`
	Overwrites       []wireOverwrite `json:"permission_overwrites,omitempty"`
	LastMessageID    *ID             `json:"last_message_id"`
	RateLimitPerUser int             `json:"rate_limit_per_user"`
	Topic            *string         `json:"topic"`
	NSFW             bool            `json:"nsfw"`
	Flags            int             `json:"flags"`
	Recipients       []wireUser      `json:"recipients,omitempty"`
	OwnerID          ID              `json:"owner_id,omitempty"`
	ThreadMetadata   *wireThreadMeta `json:"thread_metadata,omitempty"`
	MessageCount     *int            `json:"message_count,omitempty"`
	TotalMessageSent *int            `json:"total_message_sent,omitempty"`
	MemberCount      *int            `json:"member_count,omitempty"`
	NewlyCreated     bool            `json:"newly_created,omitempty"`
	Member           any             `json:"member,omitempty"` // the bot's thread member
}

func idOrNil(id ID) *ID {
	if id == 0 {
		return nil
	}
	return &id
}

func (s *Server) wireChannel(c *Channel) *wireChannelData {
	out := &wireChannelData{ID: c.ID, Type: c.Type, GuildID: c.Guild, Name: c.Name,
		ParentID: idOrNil(c.Parent), LastMessageID: idOrNil(c.LastMessage)}
	for _, o := range c.Overwrites {
		w := wireOverwrite{ID: o.ID, Allow: o.Allow, Deny: o.Deny}
		if o.Member {
			w.Type = 1
		}
		out.Overwrites = append(out.Overwrites, w)
	}
	if c.Type == DMChannel {
		out.Recipients = []wireUser{s.wireUser(c.Recipient)}
	}
	if !c.isThread() {
		return out
	}
	count, members := len(s.history[c.ID]), len(c.Members)
	out.OwnerID, out.MessageCount, out.TotalMessageSent, out.MemberCount = c.Owner, &count, &count, &members
	out.ThreadMetadata = &wireThreadMeta{Archived: c.Archived, Locked: c.Locked, AutoArchiveDuration: int(c.AutoArchive / time.Minute),
		ArchiveTimestamp: stamp(c.active), CreateTimestamp: stamp(c.active)}
	if c.hasMember(s.bot.ID) {
		out.Member = map[string]any{"id": c.ID, "user_id": s.bot.ID, "join_timestamp": stamp(c.active), "flags": 0}
	}
	return out
}

type wireRoleData struct {
	ID          ID         `json:"id"`
	Name        string     `json:"name"`
	Color       int        `json:"color"`
	Hoist       bool       `json:"hoist"`
	Position    int        `json:"position"`
	Permissions Permission `json:"permissions"`
	Managed     bool       `json:"managed"`
	Mentionable bool       `json:"mentionable"`
	Flags       int        `json:"flags"`
}

func wireRole(r *Role) wireRoleData {
	return wireRoleData{ID: r.ID, Name: r.Name, Permissions: r.Permissions}
}

type wireGuildData struct {
	ID                ID             `json:"id"`
	Name              string         `json:"name"`
	Icon              *string        `json:"icon"`
	OwnerID           ID             `json:"owner_id"`
	Roles             []wireRoleData `json:"roles"`
	Emojis            []any          `json:"emojis"`
	Features          []any          `json:"features"`
	VerificationLevel int            `json:"verification_level"`
	PreferredLocale   string         `json:"preferred_locale"`
	NSFWLevel         int            `json:"nsfw_level"`

	// GUILD_CREATE only.
	JoinedAt    string             `json:"joined_at,omitempty"`
	Large       *bool              `json:"large,omitempty"`
	Unavailable *bool              `json:"unavailable,omitempty"`
	MemberCount int                `json:"member_count,omitempty"`
	Members     []*wireMember      `json:"members,omitempty"`
	Channels    []*wireChannelData `json:"channels,omitempty"`
	Threads     []*wireChannelData `json:"threads,omitempty"`
	VoiceStates []any              `json:"voice_states,omitempty"`
	Presences   []any              `json:"presences,omitempty"`
}

func (s *Server) wireGuild(g *guild) *wireGuildData {
	out := &wireGuildData{ID: g.ID, Name: g.Name, OwnerID: g.Owner, Emojis: []any{}, Features: []any{}, PreferredLocale: "en-US"}
	for _, id := range g.roleOrder {
		out.Roles = append(out.Roles, wireRole(g.roles[id]))
	}
	return out
}

// wireGuildCreate carries channels, active threads that the bot can see, and, since the
// presences intent is not there, the bot as only member (docs: gateway events, "Guild Create").
func (s *Server) wireGuildCreate(g *guild) *wireGuildData {
	out := s.wireGuild(g)
	no := false
	out.JoinedAt, out.Large, out.Unavailable, out.MemberCount = stamp(g.joined), &no, &no, len(g.members)
	out.Members = []*wireMember{s.wireFullMember(g.ID, s.bot.ID)}
	for _, id := range g.channels {
		ch := s.channels[id]
		switch {
		case !ch.isThread():
			w := s.wireChannel(ch)
			w.GuildID = 0 // really missing here (docs: resources/channel, "guild_id")
			out.Channels = append(out.Channels, w)
		case !ch.Archived && s.permissionsIn(ch, s.bot.ID).Has(ViewChannel):
			out.Threads = append(out.Threads, s.wireChannel(ch))
		}
	}
	return out
}
