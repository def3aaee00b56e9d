package discordsim

import (
	"context"
	"time"
)

// World.

// DefaultWorld lays out one guild, one channel, one member and the bot.
func (c *Client) DefaultWorld(ctx context.Context) (World, error) {
	return invoke[World](ctx, c, "default-world", args{})
}

// BotID is the user id of the bot.
func (c *Client) BotID(ctx context.Context) (ID, error) { return invoke[ID](ctx, c, "bot", args{}) }

// AddGuild adds a guild.
func (c *Client) AddGuild(ctx context.Context, g Guild) (Guild, error) {
	return invoke[Guild](ctx, c, "add-guild", args{NewGuild: g})
}

// AddUser adds an account.
func (c *Client) AddUser(ctx context.Context, u User) (User, error) {
	return invoke[User](ctx, c, "add-user", args{NewUser: u})
}

// AddMember makes a user a member, or gives a member these roles.
func (c *Client) AddMember(ctx context.Context, guild, user ID, roles ...ID) error {
	return c.run(ctx, "add-member", args{Guild: guild, User: user, IDs: roles})
}

// Timeout lets a member do nothing but read for d.
func (c *Client) Timeout(ctx context.Context, guild, user ID, d time.Duration) error {
	return c.run(ctx, "timeout", args{Guild: guild, User: user, Duration: d})
}

// SetRole adds or changes a role.
func (c *Client) SetRole(ctx context.Context, guild ID, r Role) (Role, error) {
	return invoke[Role](ctx, c, "set-role", args{Guild: guild, NewRole: r})
}

// DeleteRole deletes a role.
func (c *Client) DeleteRole(ctx context.Context, guild, role ID) error {
	return c.run(ctx, "delete-role", args{Guild: guild, ID: role})
}

// AddChannel adds a channel to a guild.
func (c *Client) AddChannel(ctx context.Context, ch Channel) (Channel, error) {
	return invoke[Channel](ctx, c, "add-channel", args{NewChannel: &ch})
}

// SetOverwrites replaces a channel's permission overwrites.
func (c *Client) SetOverwrites(ctx context.Context, channel ID, list ...Overwrite) error {
	return c.run(ctx, "set-overwrites", args{Channel: channel, Overwrites: list})
}

// OpenDM returns the direct-message channel of a user and the bot.
func (c *Client) OpenDM(ctx context.Context, user ID) (Channel, error) {
	return invoke[Channel](ctx, c, "open-dm", args{User: user})
}

// DeleteChannel deletes a channel or thread.
func (c *Client) DeleteChannel(ctx context.Context, channel ID) error {
	return c.run(ctx, "delete-channel", args{Channel: channel})
}

// SetThread archives or locks a thread.
func (c *Client) SetThread(ctx context.Context, thread ID, archived, locked bool) error {
	return c.run(ctx, "set-thread", args{Channel: thread, Flag: archived, Locked: locked})
}

// KickBot takes the bot out of a guild.
func (c *Client) KickBot(ctx context.Context, guild ID) error {
	return c.run(ctx, "kick-bot", args{Guild: guild})
}

// InviteBot makes the bot a member again.
func (c *Client) InviteBot(ctx context.Context, guild ID, roles ...ID) error {
	return c.run(ctx, "invite-bot", args{Guild: guild, IDs: roles})
}

// RemoveGuild deletes a guild.
func (c *Client) RemoveGuild(ctx context.Context, guild ID) error {
	return c.run(ctx, "remove-guild", args{Guild: guild})
}

// SetUnavailable starts or ends an outage of one guild.
func (c *Client) SetUnavailable(ctx context.Context, guild ID, down bool) error {
	return c.run(ctx, "set-unavailable", args{Guild: guild, Flag: down})
}

// Users.

// Say posts a message as a user.
func (c *Client) Say(ctx context.Context, channel, user ID, text string, opts ...SayOpts) (Message, error) {
	a := args{Channel: channel, User: user, Text: text}
	if len(opts) > 0 {
		a.Say = opts[0]
	}
	return invoke[Message](ctx, c, "say", a)
}

// Edit changes a message's text.
func (c *Client) Edit(ctx context.Context, message ID, text string) (Message, error) {
	return invoke[Message](ctx, c, "edit", args{Message: message, Text: text})
}

// Delete removes a message.
func (c *Client) Delete(ctx context.Context, message ID) error {
	return c.run(ctx, "delete", args{Message: message})
}

// BulkDelete removes messages of one channel at once.
func (c *Client) BulkDelete(ctx context.Context, channel ID, messages ...ID) error {
	return c.run(ctx, "bulk-delete", args{Channel: channel, IDs: messages})
}

// TypeAs shows a user typing.
func (c *Client) TypeAs(ctx context.Context, channel, user ID) error {
	return c.run(ctx, "type", args{Channel: channel, User: user})
}

// StartThread opens a thread as a user, on a message or (zero) without one.
func (c *Client) StartThread(ctx context.Context, channel, message, user ID, name string) (Channel, error) {
	return invoke[Channel](ctx, c, "start-thread", args{Channel: channel, Message: message, User: user, Text: name})
}

// RunSlash runs a registered command as a user.
func (c *Client) RunSlash(ctx context.Context, channel, user ID, command string, options map[string]any) (Interaction, error) {
	return invoke[Interaction](ctx, c, "slash", args{Channel: channel, User: user, Text: command, Options: options})
}

// Trouble.

// Inject adds faults of REST requests.
func (c *Client) Inject(ctx context.Context, list ...Fault) error {
	return c.run(ctx, "inject", args{Faults: list})
}

// InjectGateway sets the faults of the gateway protocol.
func (c *Client) InjectGateway(ctx context.Context, f GatewayFault) error {
	return c.run(ctx, "inject-gateway", args{Gateway: f})
}

// ClearFaults ends all faults.
func (c *Client) ClearFaults(ctx context.Context) error { return c.run(ctx, "clear-faults", args{}) }

// SetLimits changes the rate limits.
func (c *Client) SetLimits(ctx context.Context, r RateLimits) error {
	return c.run(ctx, "set-limits", args{Limits: r})
}

// Deny switches privileged intents off in the portal, and all others on.
func (c *Client) Deny(ctx context.Context, intents Intent) error {
	return c.run(ctx, "deny", args{Number: int(intents)})
}

// ForgetNonces ends the window of all nonces.
func (c *Client) ForgetNonces(ctx context.Context) error { return c.run(ctx, "forget-nonces", args{}) }

// RestoreToken makes the configured token valid again.
func (c *Client) RestoreToken(ctx context.Context) error { return c.run(ctx, "restore-token", args{}) }

// CloseSockets closes every WebSocket; code 0 is a TCP reset. It returns how many.
func (c *Client) CloseSockets(ctx context.Context, code int) (int, error) {
	return invoke[int](ctx, c, "close-sockets", args{Number: code})
}

// HalfOpen lets all WebSockets fall silent. It returns how many.
func (c *Client) HalfOpen(ctx context.Context) (int, error) {
	return invoke[int](ctx, c, "half-open", args{})
}

// AskReconnect sends op 7 on all WebSockets. It returns how many.
func (c *Client) AskReconnect(ctx context.Context) (int, error) {
	return invoke[int](ctx, c, "ask-reconnect", args{})
}

// AskHeartbeat sends op 1 on all WebSockets. It returns how many.
func (c *Client) AskHeartbeat(ctx context.Context) (int, error) {
	return invoke[int](ctx, c, "ask-heartbeat", args{})
}

// InvalidateSessions sends op 9 on all WebSockets. It returns how many.
func (c *Client) InvalidateSessions(ctx context.Context, resumable bool) (int, error) {
	return invoke[int](ctx, c, "invalidate-sessions", args{Flag: resumable})
}
