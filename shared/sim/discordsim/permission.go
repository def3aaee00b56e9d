package discordsim

import "strconv"

// Permission is Discord's bit set (docs: topics/permissions).
type Permission uint64

// The permissions that the simulator looks at.
const (
	Administrator         Permission = 1 << 3
	ManageChannels        Permission = 1 << 4
	ManageGuild           Permission = 1 << 5
	AddReactions          Permission = 1 << 6
	ViewChannel           Permission = 1 << 10
	SendMessages          Permission = 1 << 11
	ManageMessages        Permission = 1 << 13
	EmbedLinks            Permission = 1 << 14
	AttachFiles           Permission = 1 << 15
	ReadMessageHistory    Permission = 1 << 16
	MentionEveryone       Permission = 1 << 17
	ManageRoles           Permission = 1 << 28
	UseCommands           Permission = 1 << 31
	ManageThreads         Permission = 1 << 34
	CreatePublicThreads   Permission = 1 << 35
	CreatePrivateThreads  Permission = 1 << 36
	SendMessagesInThreads Permission = 1 << 38
	ModerateMembers       Permission = 1 << 40
	PinMessages           Permission = 1 << 51
	BypassSlowmode        Permission = 1 << 52

	// AllPermissions is what owners and administrators have.
	AllPermissions Permission = 1<<53 - 1

	// DefaultPermissions is what @everyone of a new guild has here.
	DefaultPermissions = AddReactions | ViewChannel | SendMessages | EmbedLinks | AttachFiles |
		ReadMessageHistory | UseCommands | CreatePublicThreads | SendMessagesInThreads
)

// Has reports whether every bit of want is set.
func (p Permission) Has(want Permission) bool { return p&want == want }

// String is the decimal form that Discord sends.
func (p Permission) String() string { return strconv.FormatUint(uint64(p), 10) }

// MarshalText makes the JSON string that Discord sends.
func (p Permission) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the decimal form.
func (p *Permission) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	*p = Permission(n)
	return err
}

// permissionsIn is what a user may do in a channel, by Discord's documented order:
// owner; @everyone and roles; administrator; overwrites of @everyone, of the roles
// together, of the member; then the implicit denials and the timeout. A thread takes
// everything from its parent.
func (s *Server) permissionsIn(ch *Channel, user ID) Permission {
	if ch.Guild == 0 {
		return AllPermissions
	}
	g := s.guilds[ch.Guild]
	if g == nil {
		return 0
	}
	m := g.members[user]
	if m == nil {
		return 0
	}
	base := g.basePermissions(m)
	if g.Owner == user || base.Has(Administrator) {
		return AllPermissions
	}
	at := ch
	if ch.isThread() {
		if at = s.channels[ch.Parent]; at == nil {
			return 0
		}
	}
	p := overwritten(base, at.Overwrites, g.ID, m)
	if !p.Has(ViewChannel) {
		return 0
	}
	if ch.Type == PrivateThread && !ch.hasMember(user) && !p.Has(ManageThreads) {
		return 0
	}
	if !p.Has(SendMessages) && !ch.isThread() {
		p &^= MentionEveryone | EmbedLinks | AttachFiles
	}
	if m.TimeoutUntil.After(s.now()) {
		p &= ViewChannel | ReadMessageHistory
	}
	return p
}

func (g *guild) basePermissions(m *Member) Permission {
	var p Permission
	if everyone := g.roles[g.ID]; everyone != nil {
		p = everyone.Permissions
	}
	for _, id := range m.Roles {
		if role := g.roles[id]; role != nil {
			p |= role.Permissions
		}
	}
	return p
}

func overwritten(p Permission, list []Overwrite, everyone ID, m *Member) Permission {
	var allow, deny, ownAllow, ownDeny Permission
	for _, o := range list {
		switch {
		case !o.Member && o.ID == everyone:
			p = p&^o.Deny | o.Allow
		case !o.Member && m.hasRole(o.ID):
			allow, deny = allow|o.Allow, deny|o.Deny
		case o.Member && o.ID == m.User:
			ownAllow, ownDeny = o.Allow, o.Deny
		}
	}
	p = p&^deny | allow
	return p&^ownDeny | ownAllow
}

// Permissions is what a user may do in a channel or thread.
func (s *Server) Permissions(channel, user ID) Permission {
	s.lock()
	defer s.mu.Unlock()
	ch := s.channels[channel]
	if ch == nil {
		return 0
	}
	return s.permissionsIn(ch, user)
}

// GuildPermissions is what a user may do in a guild before channel overwrites: the
// number that interactions carry is the channel's, this is the base of it.
func (s *Server) GuildPermissions(guild, user ID) Permission {
	s.lock()
	defer s.mu.Unlock()
	g := s.guilds[guild]
	if g == nil || g.members[user] == nil {
		return 0
	}
	p := g.basePermissions(g.members[user])
	if g.Owner == user || p.Has(Administrator) {
		return AllPermissions
	}
	return p
}
