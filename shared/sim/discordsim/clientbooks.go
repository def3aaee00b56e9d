package discordsim

import "context"

// Counts are the totals so far.
func (c *Client) Counts(ctx context.Context) (Counts, error) {
	return invoke[Counts](ctx, c, "counts", args{})
}

// Posts are the bot's messages without the first n ever made (see Server.PostsSince).
func (c *Client) Posts(ctx context.Context, since int) ([]Post, error) {
	return invoke[[]Post](ctx, c, "posts", args{Number: since})
}

// Replies are the bot's answers to a message (see Server.Replies).
func (c *Client) Replies(ctx context.Context, message ID) ([]Post, error) {
	return invoke[[]Post](ctx, c, "replies", args{Message: message})
}

// ReplyCounts are the numbers of Replies of many messages at once.
func (c *Client) ReplyCounts(ctx context.Context, messages []ID) (map[ID]int, error) {
	return invoke[map[ID]int](ctx, c, "reply-counts", args{IDs: messages})
}

// Messages are what stands in a channel, oldest first.
func (c *Client) Messages(ctx context.Context, channel ID) ([]Message, error) {
	return invoke[[]Message](ctx, c, "messages", args{Channel: channel})
}

// Message looks up one message.
func (c *Client) Message(ctx context.Context, message ID) (Message, error) {
	return invoke[Message](ctx, c, "message", args{Message: message})
}

// Channel looks up a channel or thread.
func (c *Client) Channel(ctx context.Context, channel ID) (Channel, error) {
	return invoke[Channel](ctx, c, "channel", args{Channel: channel})
}

// Typing are the bot's typing calls in a channel, or (zero) everywhere.
func (c *Client) Typing(ctx context.Context, channel ID) ([]TypingCall, error) {
	return invoke[[]TypingCall](ctx, c, "typing", args{Channel: channel})
}

// Threads are the threads that the bot opened.
func (c *Client) Threads(ctx context.Context) ([]Channel, error) {
	return invoke[[]Channel](ctx, c, "threads", args{})
}

// Requests are the REST calls, oldest first.
func (c *Client) Requests(ctx context.Context) ([]Request, error) {
	return invoke[[]Request](ctx, c, "requests", args{})
}

// RequestCounts are all REST calls by route and status.
func (c *Client) RequestCounts(ctx context.Context) (map[string]map[int]int, error) {
	return invoke[map[string]map[int]int](ctx, c, "request-counts", args{})
}

// Interaction is the state of a slash command that was run.
func (c *Client) Interaction(ctx context.Context, id ID) (Interaction, error) {
	return invoke[Interaction](ctx, c, "interaction", args{ID: id})
}

// Commands are the registered commands: global ones if guild is zero.
func (c *Client) Commands(ctx context.Context, guild ID) ([]Command, error) {
	return invoke[[]Command](ctx, c, "commands", args{Guild: guild})
}

// Sessions are all sessions that IDENTIFY made.
func (c *Client) Sessions(ctx context.Context) ([]Session, error) {
	return invoke[[]Session](ctx, c, "sessions", args{})
}

// Connections are all WebSockets that were opened.
func (c *Client) Connections(ctx context.Context) ([]Connection, error) {
	return invoke[[]Connection](ctx, c, "connections", args{})
}

// Violations are request bodies that CheckRequest refused.
func (c *Client) Violations(ctx context.Context) ([]Violation, error) {
	return invoke[[]Violation](ctx, c, "violations", args{})
}

// Guilds are all guilds.
func (c *Client) Guilds(ctx context.Context) ([]Guild, error) {
	return invoke[[]Guild](ctx, c, "guilds", args{})
}

// Channels are the channels and threads of a guild.
func (c *Client) Channels(ctx context.Context, guild ID) ([]Channel, error) {
	return invoke[[]Channel](ctx, c, "channels", args{Guild: guild})
}

// Members are the members of a guild.
func (c *Client) Members(ctx context.Context, guild ID) ([]Member, error) {
	return invoke[[]Member](ctx, c, "members", args{Guild: guild})
}

// Roles are the roles of a guild, @everyone first.
func (c *Client) Roles(ctx context.Context, guild ID) ([]Role, error) {
	return invoke[[]Role](ctx, c, "roles", args{Guild: guild})
}

// Users are all accounts.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	return invoke[[]User](ctx, c, "users", args{})
}
