package discordsim

import (
	"cmp"
	"slices"
)

// Guilds are all guilds, in order of creation; NoBot tells where the bot is not.
func (s *Server) Guilds() []Guild {
	s.lock()
	defer s.mu.Unlock()
	out := make([]Guild, 0, len(s.guildOrder))
	for _, id := range s.guildOrder {
		g := s.guilds[id].Guild
		g.NoBot = !s.guilds[id].botIn
		out = append(out, g)
	}
	return out
}

// Channels are the channels and threads of a guild, in order of creation.
func (s *Server) Channels(guild ID) []Channel {
	s.lock()
	defer s.mu.Unlock()
	out := []Channel{}
	if g := s.guilds[guild]; g != nil {
		for _, id := range g.channels {
			out = append(out, s.channels[id].snapshot())
		}
	}
	return out
}

// Members are the members of a guild, ordered by user.
func (s *Server) Members(guild ID) []Member {
	s.lock()
	defer s.mu.Unlock()
	out := []Member{}
	if g := s.guilds[guild]; g != nil {
		for _, m := range g.members {
			out = append(out, *m)
		}
	}
	slices.SortFunc(out, func(a, b Member) int { return cmp.Compare(a.User, b.User) })
	return out
}

// Roles are the roles of a guild, @everyone first.
func (s *Server) Roles(guild ID) []Role {
	s.lock()
	defer s.mu.Unlock()
	out := []Role{}
	if g := s.guilds[guild]; g != nil {
		for _, id := range g.roleOrder {
			out = append(out, *g.roles[id])
		}
	}
	return out
}

// Users are all accounts, the bot's too, in order of creation.
func (s *Server) Users() []User {
	s.lock()
	defer s.mu.Unlock()
	out := make([]User, 0, len(s.users))
	for _, u := range s.users {
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b User) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
