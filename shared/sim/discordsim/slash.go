package discordsim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Interaction is a slash command that a user ran, and what the bot made of it.
type Interaction struct {
	ID        ID             `json:"id"`
	Guild     ID             `json:"guild,omitempty"`
	Channel   ID             `json:"channel"`
	User      ID             `json:"user"`
	Command   string         `json:"command"`
	Options   map[string]any `json:"options,omitempty"`
	Created   time.Time      `json:"created"`
	Type      int            `json:"type,omitempty"` // of the callback: 4 message, 5 deferred; 0: none came
	Acked     time.Time      `json:"acked,omitzero"`
	Ephemeral bool           `json:"ephemeral,omitempty"`
	Loading   bool           `json:"loading,omitempty"`  // deferred and not filled in yet
	Response  *Message       `json:"response,omitempty"` // as it stands now
	Edits     []string       `json:"edits,omitempty"`    // contents that edits gave it, in order
	FollowUps []Message      `json:"follow_ups,omitempty"`
	Deleted   bool           `json:"deleted,omitempty"` // the response was deleted by the bot
}

// Answered reports whether the user sees an answer, not just "thinking".
func (i Interaction) Answered() bool { return i.Type != 0 && !i.Loading }

type interaction struct {
	Interaction
	token string
}

func (i *interaction) snapshot() Interaction {
	out := i.Interaction
	if i.Response != nil {
		m := *i.Response
		out.Response = &m
	}
	out.Edits, out.FollowUps = slices.Clone(i.Edits), slices.Clone(i.FollowUps)
	return out
}

// The ways in which Discord's client keeps a user from running a command.
var (
	// ErrNoCommand: no such command is registered for that place.
	ErrNoCommand = errors.New("no such slash command here")
	// ErrCommandHidden: default_member_permissions hides it from this member.
	ErrCommandHidden = errors.New("the slash command is hidden from this user")
	// ErrBadOption: an option is unknown, missing or of the wrong type.
	ErrBadOption = errors.New("bad slash command option")
)

// RunSlash runs a registered command as a user, as the client would: options are
// checked against the registration. Values are text, float64 or int, bool, or an ID
// (also as text) for users, channels and roles. The answer is seen by [Server.Interaction]
// and [Server.WaitAnswer].
func (s *Server) RunSlash(channel, user ID, command string, options map[string]any) (Interaction, error) {
	s.lock()
	defer s.unlock()
	ch := s.channels[channel]
	if ch == nil || s.users[user] == nil {
		return Interaction{}, fmt.Errorf("run /%s in %s: unknown channel or user", command, channel)
	}
	g := s.guilds[ch.Guild]
	if g != nil && (!g.botIn || g.members[user] == nil) {
		return Interaction{}, fmt.Errorf("run /%s: the bot or the user is not in guild %s: %w", command, ch.Guild, ErrNoCommand)
	}
	cmd := s.lookUp(command, ch)
	if cmd == nil {
		return Interaction{}, fmt.Errorf("run /%s: %w", command, ErrNoCommand)
	}
	if p := cmd.DefaultMemberPermissions; p != nil && g != nil {
		if have := s.permissionsIn(ch, user); have != AllPermissions && (*p == 0 || !have.Has(*p)) {
			return Interaction{}, fmt.Errorf("run /%s: %w", command, ErrCommandHidden)
		}
	}
	data, err := s.commandData(cmd, ch, options)
	if err != nil {
		return Interaction{}, fmt.Errorf("run /%s: %w", command, err)
	}
	now := s.now()
	s.sweepInteractions(now)
	i := &interaction{token: "interaction-" + newSessionID(), Interaction: Interaction{ID: s.ids.next(now), Guild: ch.Guild,
		Channel: ch.ID, User: user, Command: command, Options: options, Created: now}}
	s.interactions[i.token], s.interactionByID[i.ID] = i, i
	s.dispatch(event{name: "INTERACTION_CREATE", guild: ch.Guild, data: s.wireInteraction(i, ch, data)})
	return i.snapshot(), nil
}

// lookUp prefers the guild's command over the global one of the same name.
func (s *Server) lookUp(name string, ch *Channel) *Command {
	if g := s.guilds[ch.Guild]; g != nil {
		if cmd := g.commands.find(name); cmd != nil {
			return cmd
		}
	}
	cmd := s.globals.find(name)
	if cmd == nil || ch.Guild != 0 {
		return cmd
	}
	if cmd.DMPermission != nil && !*cmd.DMPermission || cmd.Contexts != nil && !slices.Contains(cmd.Contexts, 1) {
		return nil
	}
	return cmd
}

func (s *Server) commandData(cmd *Command, ch *Channel, given map[string]any) (map[string]any, error) {
	list, users, members := []any{}, map[ID]any{}, map[ID]any{}
	for _, o := range cmd.Options {
		v, ok := given[o.Name]
		if !ok {
			if o.Required {
				return nil, fmt.Errorf("%q is missing: %w", o.Name, ErrBadOption)
			}
			continue
		}
		v, err := optionValue(o, v)
		if err != nil {
			return nil, err
		}
		if id, isID := v.(ID); isID && o.Type == 6 {
			users[id] = s.wireUser(id)
			if m := s.wireMemberOf(ch.Guild, id); m != nil {
				p := s.permissionsIn(ch, id)
				m.Permissions = &p
				members[id] = m
			}
		}
		list = append(list, map[string]any{"name": o.Name, "type": o.Type, "value": v})
	}
	for name := range given {
		if !slices.ContainsFunc(cmd.Options, func(o CommandOption) bool { return o.Name == name }) {
			return nil, fmt.Errorf("%q is not registered: %w", name, ErrBadOption)
		}
	}
	data := map[string]any{"id": cmd.ID, "name": cmd.Name, "type": cmd.Type}
	if len(list) > 0 {
		data["options"] = list
	}
	if len(users) > 0 {
		data["resolved"] = map[string]any{"users": users, "members": members}
	}
	if cmd.GuildID != 0 {
		data["guild_id"] = cmd.GuildID
	}
	return data, nil
}

// optionValue brings a value to the option's type.
func optionValue(o CommandOption, v any) (any, error) {
	bad := fmt.Errorf("%q cannot be %v (%T): %w", o.Name, v, v, ErrBadOption)
	switch o.Type {
	case 3:
		if text, ok := v.(string); ok {
			return text, nil
		}
	case 4, 10:
		switch n := v.(type) {
		case int:
			return n, nil
		case float64:
			return n, nil
		}
	case 5:
		if yes, ok := v.(bool); ok {
			return yes, nil
		}
	case 6, 7, 8:
		switch id := v.(type) {
		case ID:
			return id, nil
		case string:
			if parsed, err := ParseID(id); err == nil {
				return parsed, nil
			}
		}
	}
	return nil, bad
}

func (s *Server) wireInteraction(i *interaction, ch *Channel, data map[string]any) any {
	app := s.permissionsIn(ch, s.bot.ID)
	out := map[string]any{
		"id": i.ID, "application_id": s.app, "type": 2, "data": data, "channel_id": ch.ID, "channel": s.wireChannel(ch),
		"token": i.token, "version": 1, "locale": "en-US", "app_permissions": app, "entitlements": []any{}, "context": 0,
		"attachment_size_limit": 10 << 20, "authorizing_integration_owners": map[string]any{"0": ch.Guild},
	}
	if ch.Guild == 0 {
		out["user"], out["context"] = s.wireUser(i.User), 1
		return out
	}
	m := s.wireFullMember(ch.Guild, i.User)
	p := s.permissionsIn(ch, i.User)
	m.Permissions = &p
	out["member"], out["guild_id"], out["guild_locale"] = m, ch.Guild, "en-US"
	return out
}

// Interaction is the state of a slash command that was run.
func (s *Server) Interaction(id ID) (Interaction, bool) {
	s.lock()
	defer s.mu.Unlock()
	if i := s.interactionByID[id]; i != nil {
		return i.snapshot(), true
	}
	return Interaction{}, false
}

// WaitAnswer waits until the user of a slash command sees an answer.
func (s *Server) WaitAnswer(ctx context.Context, id ID) (Interaction, error) {
	var out Interaction
	err := s.WaitFor(ctx, func() bool {
		out, _ = s.Interaction(id)
		return out.Answered()
	})
	if err != nil {
		return out, fmt.Errorf("answer to interaction %s: %w", id, err)
	}
	return out, nil
}

// sweepInteractions drops dead tokens; their books stay for a while.
func (s *Server) sweepInteractions(now time.Time) {
	if len(s.interactionByID) < 10_000 {
		return
	}
	for token, i := range s.interactions {
		if now.Sub(i.Created) > s.interactionLife() {
			delete(s.interactions, token)
			delete(s.interactionByID, i.ID)
		}
	}
}

func (s *Server) interactionLife() time.Duration { return orDefault(s.InteractionLife, 15*time.Minute) }
