package discordsim

import (
	"fmt"
	"slices"
	"time"
)

// World is what [Server.DefaultWorld] lays out.
type World struct {
	Guild   ID `json:"guild"`
	Channel ID `json:"channel"`
	User    ID `json:"user"`
	Owner   ID `json:"owner"`
	Bot     ID `json:"bot"`
}

// DefaultWorld lays out one guild with an owner, the bot, one member "alice" and one
// text channel "chat".
func (s *Server) DefaultWorld() World {
	g := s.AddGuild(Guild{Name: "Simulated guild"})
	u := s.AddUser("alice", false)
	if err := s.AddMember(g.ID, u.ID); err != nil {
		panic(err) // the guild was made above
	}
	ch, err := s.AddChannel(Channel{Guild: g.ID, Name: "chat"})
	if err != nil {
		panic(err)
	}
	return World{Guild: g.ID, Channel: ch.ID, User: u.ID, Owner: g.Owner, Bot: s.BotID()}
}

// BotID is the user id of the bot, which is its application's id too.
func (s *Server) BotID() ID {
	s.lock()
	defer s.mu.Unlock()
	return s.bot.ID
}

// NewID takes the next snowflake, for ids of things that never existed.
func (s *Server) NewID() ID {
	s.lock()
	defer s.mu.Unlock()
	return s.ids.next(s.now())
}

// AddGuild adds a guild with @everyone, its owner and, unless NoBot, the bot, which
// hears GUILD_CREATE.
func (s *Server) AddGuild(in Guild) Guild {
	s.lock()
	defer s.unlock()
	now := s.now()
	if in.ID == 0 {
		in.ID = s.ids.guild(now)
	}
	in.Name = orDefault(in.Name, "Guild")
	in.Everyone = orDefault(in.Everyone, DefaultPermissions)
	if in.Owner == 0 {
		in.Owner = s.addUser(User{Name: "owner of " + in.Name}).ID
	}
	g := &guild{Guild: in, roles: map[ID]*Role{}, members: map[ID]*Member{}, joined: now}
	g.addRole(Role{ID: in.ID, Name: "@everyone", Permissions: in.Everyone})
	g.members[in.Owner] = &Member{User: in.Owner, Joined: now}
	s.guilds[in.ID] = g
	s.guildOrder = append(s.guildOrder, in.ID)
	if !in.NoBot {
		s.botJoins(g)
	}
	return in
}

func (s *Server) botJoins(g *guild, roles ...ID) {
	now := s.now()
	g.botIn, g.joined = true, now
	g.members[s.bot.ID] = &Member{User: s.bot.ID, Roles: slices.Clone(roles), Joined: now}
	s.dispatch(event{name: "GUILD_CREATE", guild: g.ID, intent: IntentGuilds, data: s.wireGuildCreate(g)})
	s.emit(func() Event { return Event{Kind: EventGuild, Guild: g.ID} })
}

func (g *guild) addRole(r Role) {
	if g.roles[r.ID] == nil {
		g.roleOrder = append(g.roleOrder, r.ID)
	}
	g.roles[r.ID] = &r
}

// AddUser adds an account; bot marks it as another bot.
func (s *Server) AddUser(name string, bot bool) User {
	return s.AddUserWith(User{Name: name, Bot: bot})
}

// AddUserWith adds an account with an id of the caller's choice (zero: one is made).
func (s *Server) AddUserWith(u User) User {
	s.lock()
	defer s.unlock()
	return s.addUser(u)
}

func (s *Server) addUser(u User) User {
	if u.ID == 0 {
		u.ID = s.ids.next(s.now())
	}
	s.users[u.ID] = &u
	return u
}

// AddMember makes a user a member of a guild, or gives a member these roles.
func (s *Server) AddMember(guild, user ID, roles ...ID) error {
	s.lock()
	defer s.unlock()
	g, u := s.guilds[guild], s.users[user]
	if g == nil || u == nil {
		return fmt.Errorf("add member %s to guild %s: unknown guild or user", user, guild)
	}
	for _, id := range roles {
		if g.roles[id] == nil {
			return fmt.Errorf("add member %s: unknown role %s", user, id)
		}
	}
	name := "GUILD_MEMBER_ADD"
	m := Member{User: user, Joined: s.now()}
	if old := g.members[user]; old != nil {
		name, m = "GUILD_MEMBER_UPDATE", *old
	}
	m.Roles = slices.Clone(roles)
	g.members[user] = &m
	s.dispatch(event{name: name, guild: guild, intent: s.memberIntent(user), data: s.wireMemberEvent(g, &m)})
	return nil
}

// memberIntent: events about the bot itself need no intent (docs: gateway events,
// "Guild Member Update").
func (s *Server) memberIntent(user ID) Intent {
	if user == s.bot.ID {
		return 0
	}
	return IntentGuildMembers
}

// Timeout lets a member do nothing but read for d; zero lifts it.
func (s *Server) Timeout(guild, user ID, d time.Duration) error {
	s.lock()
	defer s.unlock()
	g := s.guilds[guild]
	if g == nil || g.members[user] == nil {
		return fmt.Errorf("time out %s in guild %s: no such member", user, guild)
	}
	m := *g.members[user]
	m.TimeoutUntil = time.Time{}
	if d > 0 {
		m.TimeoutUntil = s.now().Add(d)
	}
	g.members[user] = &m
	s.dispatch(event{name: "GUILD_MEMBER_UPDATE", guild: guild, intent: s.memberIntent(user), data: s.wireMemberEvent(g, &m)})
	return nil
}

// SetRole adds a role or changes the one with that id; the guild's id is @everyone.
func (s *Server) SetRole(guild ID, r Role) (Role, error) {
	s.lock()
	defer s.unlock()
	g := s.guilds[guild]
	if g == nil {
		return Role{}, fmt.Errorf("set role: unknown guild %s", guild)
	}
	name := "GUILD_ROLE_CREATE"
	if r.ID == 0 {
		r.ID = s.ids.next(s.now())
	}
	if old := g.roles[r.ID]; old != nil {
		name, r.Name = "GUILD_ROLE_UPDATE", orDefault(r.Name, old.Name)
	}
	r.Name = orDefault(r.Name, "role")
	g.addRole(r)
	s.dispatch(event{name: name, guild: guild, intent: IntentGuilds,
		data: map[string]any{"guild_id": guild, "role": wireRole(&r)}})
	return r, nil
}

// AddRole adds a role with these permissions.
func (s *Server) AddRole(guild ID, name string, p Permission) (Role, error) {
	return s.SetRole(guild, Role{Name: name, Permissions: p})
}

// DeleteRole takes a role from the guild and from its members.
func (s *Server) DeleteRole(guild, role ID) error {
	s.lock()
	defer s.unlock()
	g := s.guilds[guild]
	if g == nil || g.roles[role] == nil || role == guild {
		return fmt.Errorf("delete role %s of guild %s: no such role", role, guild)
	}
	delete(g.roles, role)
	g.roleOrder = slices.DeleteFunc(g.roleOrder, func(id ID) bool { return id == role })
	for id, m := range g.members {
		if m.hasRole(role) {
			without := *m
			without.Roles = slices.DeleteFunc(slices.Clone(m.Roles), func(id ID) bool { return id == role })
			g.members[id] = &without
		}
	}
	s.dispatch(event{name: "GUILD_ROLE_DELETE", guild: guild, intent: IntentGuilds,
		data: map[string]any{"guild_id": guild, "role_id": role}})
	return nil
}

// AddChannel adds a channel to a guild. Threads are opened by [Server.StartThread].
func (s *Server) AddChannel(in Channel) (Channel, error) {
	s.lock()
	defer s.unlock()
	g := s.guilds[in.Guild]
	if g == nil || in.isThread() || in.Type == DMChannel {
		return Channel{}, fmt.Errorf("add channel %q: unknown guild %s, or a thread or DM", in.Name, in.Guild)
	}
	if in.ID == 0 {
		in.ID = s.ids.next(s.now())
	}
	in.Name = orDefault(in.Name, "channel")
	ch := in.snapshot()
	s.channels[ch.ID] = &ch
	g.channels = append(g.channels, ch.ID)
	s.dispatch(event{name: "CHANNEL_CREATE", guild: g.ID, intent: IntentGuilds, data: s.wireChannel(&ch)})
	s.emit(func() Event { return Event{Kind: EventChannel, Guild: g.ID, Channel: ch.ID} })
	return ch.snapshot(), nil
}

// SetOverwrites replaces a channel's permission overwrites.
func (s *Server) SetOverwrites(channel ID, list ...Overwrite) error {
	s.lock()
	defer s.unlock()
	ch := s.channels[channel]
	if ch == nil || ch.Guild == 0 || ch.isThread() {
		return fmt.Errorf("set overwrites of %s: not a guild's channel", channel)
	}
	ch.Overwrites = slices.Clone(list)
	s.dispatch(event{name: "CHANNEL_UPDATE", guild: ch.Guild, intent: IntentGuilds, data: s.wireChannel(ch)})
	s.emit(func() Event { return Event{Kind: EventChannel, Guild: ch.Guild, Channel: ch.ID} })
	return nil
}

// OpenDM returns the direct-message channel between a user and the bot. No event
// tells the bot of it (Discord sends none since v8).
func (s *Server) OpenDM(user ID) (Channel, error) {
	s.lock()
	defer s.unlock()
	ch, err := s.openDM(user)
	if err != nil {
		return Channel{}, err
	}
	return ch.snapshot(), nil
}

func (s *Server) openDM(user ID) (*Channel, error) {
	if s.users[user] == nil || user == s.bot.ID {
		return nil, fmt.Errorf("open DM with %s: unknown user, or the bot itself", user)
	}
	if id := s.dms[user]; id != 0 {
		return s.channels[id], nil
	}
	ch := &Channel{ID: s.ids.next(s.now()), Type: DMChannel, Recipient: user}
	s.channels[ch.ID], s.dms[user] = ch, ch.ID
	return ch, nil
}

// Channel looks a channel or thread up.
func (s *Server) Channel(id ID) (Channel, bool) {
	s.lock()
	defer s.mu.Unlock()
	ch := s.channels[id]
	if ch == nil {
		return Channel{}, false
	}
	return ch.snapshot(), true
}
