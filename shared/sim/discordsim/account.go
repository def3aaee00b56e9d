package discordsim

import (
	"net/http"
)

var accountRoutes = []route{
	{pattern: "GET /gateway", run: getGateway, open: true},
	{pattern: "GET /gateway/bot", run: getGatewayBot},
	{pattern: "GET /users/@me", run: getSelf},
	{pattern: "GET /users/@me/guilds", run: listOwnGuilds},
	{pattern: "GET /users/{user}", run: getUser},
	{pattern: "GET /applications/@me", run: getApplication},
	{pattern: "GET /oauth2/applications/@me", run: getApplication},
	{pattern: "GET /guilds/{guild}", run: getGuild},
	{pattern: "GET /guilds/{guild}/channels", run: listChannels},
	{pattern: "GET /guilds/{guild}/roles", run: listRoles},
	{pattern: "GET /guilds/{guild}/threads/active", run: listActiveThreads},
	{pattern: "GET /guilds/{guild}/members/{user}", run: getMember},
}

func getGateway(_ *Server, c *call) (int, any) {
	return http.StatusOK, map[string]any{"url": "ws://" + c.r.Host}
}

func getGatewayBot(s *Server, c *call) (int, any) {
	remaining, reset := s.sessionStarts()
	return http.StatusOK, map[string]any{"url": "ws://" + c.r.Host, "shards": orDefault(s.Shards, 1),
		"session_start_limit": map[string]any{"total": orDefault(s.SessionStarts, 1000), "remaining": remaining,
			"reset_after": reset.Milliseconds(), "max_concurrency": s.maxConcurrency()}}
}

func getSelf(s *Server, _ *call) (int, any) {
	return http.StatusOK, struct {
		wireUser
		MFAEnabled bool   `json:"mfa_enabled"`
		Verified   bool   `json:"verified"`
		Locale     string `json:"locale"`
	}{s.wireUser(s.bot.ID), false, true, "en-US"}
}

func getUser(s *Server, c *call) (int, any) {
	id, e := c.id("user")
	if e != nil {
		return 0, e
	}
	if s.users[id] == nil {
		return 0, errUnknownUser
	}
	return http.StatusOK, s.wireUser(id)
}

func listOwnGuilds(s *Server, _ *call) (int, any) {
	out := []any{}
	for _, id := range s.guildOrder {
		if g := s.guilds[id]; g.botIn {
			p := g.basePermissions(g.members[s.bot.ID])
			out = append(out, map[string]any{"id": id, "name": g.Name, "icon": nil, "owner": false, "permissions": p, "features": []any{}})
		}
	}
	return http.StatusOK, out
}

// applicationFlags: GATEWAY_MESSAGE_CONTENT_LIMITED, GATEWAY_GUILD_MEMBERS_LIMITED and
// GATEWAY_PRESENCE_LIMITED say which privileged intents are switched on in the portal.
func (s *Server) applicationFlags() int {
	flags := 0
	for intent, flag := range map[Intent]int{IntentGuildPresences: 1 << 13, IntentGuildMembers: 1 << 15, IntentMessageContent: 1 << 19} {
		if s.denied&intent == 0 {
			flags |= flag
		}
	}
	return flags
}

func getApplication(s *Server, _ *call) (int, any) {
	return http.StatusOK, map[string]any{"id": s.app, "name": s.bot.Name, "icon": nil, "description": "", "bot_public": true,
		"bot_require_code_grant": false, "flags": s.applicationFlags(), "verify_key": "", "bot": s.wireUser(s.bot.ID),
		"approximate_guild_count": len(s.guilds)}
}

// ownGuild finds the guild of the path; without the bot in it, access is missing.
func (s *Server) ownGuild(c *call) (*guild, *apiError) {
	id, e := c.id("guild")
	if e != nil {
		return nil, e
	}
	g := s.guilds[id]
	switch {
	case g == nil:
		return nil, errUnknownGuild
	case !g.botIn:
		return nil, errMissingAccess
	}
	return g, nil
}

func getGuild(s *Server, c *call) (int, any) {
	g, e := s.ownGuild(c)
	if e != nil {
		return 0, e
	}
	return http.StatusOK, s.wireGuild(g)
}

func listChannels(s *Server, c *call) (int, any) {
	g, e := s.ownGuild(c)
	if e != nil {
		return 0, e
	}
	out := []any{}
	for _, id := range g.channels {
		if ch := s.channels[id]; !ch.isThread() {
			out = append(out, s.wireChannel(ch))
		}
	}
	return http.StatusOK, out
}

func listRoles(s *Server, c *call) (int, any) {
	g, e := s.ownGuild(c)
	if e != nil {
		return 0, e
	}
	return http.StatusOK, s.wireGuild(g).Roles
}

func listActiveThreads(s *Server, c *call) (int, any) {
	g, e := s.ownGuild(c)
	if e != nil {
		return 0, e
	}
	threads := []any{}
	for _, id := range g.channels {
		if ch := s.channels[id]; ch.isThread() && !ch.Archived && s.permissionsIn(ch, s.bot.ID).Has(ViewChannel) {
			threads = append(threads, s.wireChannel(ch))
		}
	}
	return http.StatusOK, map[string]any{"threads": threads, "members": []any{}}
}

func getMember(s *Server, c *call) (int, any) {
	g, e := s.ownGuild(c)
	if e != nil {
		return 0, e
	}
	user, e := c.id("user")
	if e != nil {
		return 0, e
	}
	if m := s.wireFullMember(g.ID, user); m != nil {
		return http.StatusOK, m
	}
	return 0, errUnknownMember
}
