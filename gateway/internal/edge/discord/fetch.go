package discord

import (
	"context"
	"slices"
	"strconv"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/chat"
)

// pageSize is the most that one GET of messages returns.
const pageSize = 100

// User is an account: the id and the name to show.
type User struct {
	ID   chat.UserID
	Name string
}

// Me returns the bot's own account.
func (c *Client) Me(ctx context.Context) (User, error) {
	var u wireUser
	if err := c.do(ctx, call{route: routeMe, path: "users/@me"}, &u); err != nil {
		return User{}, err
	}
	c.cache.knowBot(parseID(u.ID))
	return User{chat.UserID(u.ID), u.name(nil)}, nil
}

// Application returns the id of the bot's application, for an invite link: as Discord tells it, or else the bot's own id,
// which is the same for all bots made since 2016.
func (c *Client) Application(ctx context.Context) (string, error) {
	var said struct {
		ID string `json:"id"`
	}
	err := c.do(ctx, call{route: routeApplication, path: "oauth2/applications/@me"}, &said)
	if err == nil && parseID(said.ID) != 0 {
		return said.ID, nil
	}
	me, meErr := c.Me(ctx)
	if meErr != nil {
		return "", meErr
	}
	return string(me.ID), nil
}

// GuildOf returns the server that a channel belongs to; [chat.DM] for a direct message.
func (c *Client) GuildOf(ctx context.Context, channel chat.ChannelID) (chat.GuildID, error) {
	if err := checkIDs(routeChannel, string(channel)); err != nil {
		return "", err
	}
	var w struct {
		Guild id `json:"guild_id"`
	}
	if err := c.do(ctx, call{route: routeChannel, path: "channels/" + string(channel), major: string(channel)}, &w); err != nil {
		return "", err
	}
	if w.Guild == 0 {
		return chat.DM, nil
	}
	return chat.GuildID(w.Guild.String()), nil
}

// knowBot tells the cache who we are before the first READY.
func (c *cache) knowBot(bot id) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bot == 0 {
		c.bot = bot
	}
}

// MessagesAfter returns up to limit messages that are younger than after, oldest first, as events would have told them,
// with CaughtUp set. REST tells no roles, so AuthorRoles and AuthorPermissions are empty, and the server is known from
// the cache only: a channel that is not in it counts as a direct message. Without Read Message History the list is
// empty, and no error says so (Discord, "Get Channel Messages").
func (c *Client) MessagesAfter(ctx context.Context, channel chat.ChannelID, after chat.MessageID, limit int) ([]inbound.Message, error) {
	var out []inbound.Message
	err := c.pages(ctx, channel, after, limit, func(w *wireMessage) bool {
		if w.Author == nil {
			return true
		}
		m := c.cache.message(w)
		m.CaughtUp, m.Received = true, time.Now()
		out = append(out, m)
		return true
	})
	return out, err
}

// pages reads messages younger than after, oldest first, until use returns false or limit is reached.
func (c *Client) pages(ctx context.Context, channel chat.ChannelID, after chat.MessageID, limit int, use func(*wireMessage) bool) error {
	if err := checkIDs(routeMessages, string(channel)); err != nil {
		return err
	}
	last := max(parseID(string(after)), 1)
	for limit > 0 {
		size := min(limit, pageSize)
		var page []wireMessage
		path := "channels/" + string(channel) + "/messages?after=" + last.String() + "&limit=" + strconv.Itoa(size)
		if err := c.do(ctx, call{route: routeMessages, path: path, major: string(channel), channel: channel}, &page); err != nil {
			return err
		}
		slices.SortFunc(page, func(a, b wireMessage) int { return compare(parseID(a.ID), parseID(b.ID)) }) // comes newest first
		before := last
		for i := range page {
			if n := parseID(page[i].ID); n > last {
				last = n
				if !use(&page[i]) {
					return nil
				}
			}
		}
		if len(page) < size || last == before {
			return nil
		}
		limit -= len(page)
	}
	return nil
}

func compare(a, b id) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// OwnMessage is a message that the bot posted.
type OwnMessage struct {
	ID      chat.MessageID
	Content string
	ReplyTo chat.MessageID // empty when it references none
}

// replySearchPages bounds the search for a reply: a thousand messages after the question.
const replySearchPages = 10

// FindReply looks for the bot's own message that references a question, for a redelivery that comes too late for
// nonces. It returns an empty id when there is none among the thousand messages after the question.
func (c *Client) FindReply(ctx context.Context, channel chat.ChannelID, question chat.MessageID) (chat.MessageID, error) {
	var found chat.MessageID
	err := c.own(ctx, channel, question, func(m OwnMessage) bool {
		if m.ReplyTo == question {
			found = m.ID
		}
		return found == ""
	})
	return found, err
}

// OwnAfter returns the bot's own messages among the thousand after a message, oldest first: the later parts of an answer
// reference nothing, and are known by their text and place.
func (c *Client) OwnAfter(ctx context.Context, channel chat.ChannelID, after chat.MessageID) ([]OwnMessage, error) {
	var out []OwnMessage
	err := c.own(ctx, channel, after, func(m OwnMessage) bool {
		out = append(out, m)
		return true
	})
	return out, err
}

func (c *Client) own(ctx context.Context, channel chat.ChannelID, after chat.MessageID, use func(OwnMessage) bool) error {
	if err := checkIDs(routeMessages, string(channel)); err != nil {
		return err
	}
	bot := c.cache.botID()
	if bot == 0 {
		me, err := c.Me(ctx)
		if err != nil {
			return err
		}
		bot = parseID(string(me.ID))
	}
	return c.pages(ctx, channel, after, replySearchPages*pageSize, func(w *wireMessage) bool {
		if w.Author == nil || parseID(w.Author.ID) != bot {
			return true
		}
		m := OwnMessage{ID: chat.MessageID(w.ID), Content: w.text()}
		if w.Reference != nil && w.Type == typeReply {
			m.ReplyTo = chat.MessageID(w.Reference.MessageID)
		}
		return use(m)
	})
}
