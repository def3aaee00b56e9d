package discord

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/chat"
)

// PostRequest is one message to post. Content is at most 2000 UTF-16 units; Nonce at most 25 characters, and the same
// at every try of the same part.
type PostRequest struct {
	Channel chat.ChannelID
	Content string
	// ReplyTo is the message that the post references; empty: a plain message. One that is gone makes it plain.
	ReplyTo chat.MessageID
	Nonce   string
	// MentionUser is the only one whom the post may ping: by a mention in Content, and by being replied to. Empty: nobody.
	MentionUser chat.UserID
}

// post is the body of a message; discordgo's MessageSend has no nonce.
type post struct {
	Content         string          `json:"content"`
	Reference       *reference      `json:"message_reference,omitempty"`
	AllowedMentions allowedMentions `json:"allowed_mentions"`
	Nonce           string          `json:"nonce,omitempty"`
	EnforceNonce    bool            `json:"enforce_nonce,omitempty"`
}

type reference struct {
	MessageID       chat.MessageID `json:"message_id"`
	FailIfNotExists bool           `json:"fail_if_not_exists"`
}

// allowedMentions forbids every ping but those that it names; parse must be an empty list, null is something else.
type allowedMentions struct {
	Parse       []string      `json:"parse"`
	Users       []chat.UserID `json:"users,omitempty"`
	RepliedUser bool          `json:"replied_user"`
}

func pingOnly(user chat.UserID, reply bool) allowedMentions {
	m := allowedMentions{Parse: []string{}}
	if user != "" {
		m.Users, m.RepliedUser = []chat.UserID{user}, reply
	}
	return m
}

// Post posts a message and returns its id. Lost answers, 5xx and rate limits are tried again until ctx's deadline with
// the same nonce, for which Discord returns the earlier message within "the past few minutes". Errors are *APIError.
func (c *Client) Post(ctx context.Context, r PostRequest) (chat.MessageID, error) {
	if err := checkIDs(routePost, string(r.Channel), string(orDefault(r.ReplyTo, chat.MessageID(r.Channel)))); err != nil {
		return "", err
	}
	body := post{Content: r.Content, AllowedMentions: pingOnly(r.MentionUser, r.ReplyTo != ""), Nonce: r.Nonce, EnforceNonce: r.Nonce != ""}
	if r.ReplyTo != "" {
		body.Reference = &reference{MessageID: r.ReplyTo}
	}
	k := call{route: routePost, path: "channels/" + string(r.Channel) + "/messages", major: string(r.Channel), channel: r.Channel, body: body}
	if r.Nonce == "" {
		plainPost := *routePost
		plainPost.once = true // nothing would stop a double
		k.route = &plainPost
	}
	var m wireMessage
	err := c.do(ctx, k, &m)
	if f, ok := errors.AsType[*APIError](err); ok && r.ReplyTo != "" && refusedReference(f) {
		body.Reference, body.AllowedMentions = nil, pingOnly(r.MentionUser, false)
		k.body = body
		err = c.do(ctx, k, &m)
	}
	if err != nil {
		return "", err
	}
	c.cache.sawMessage(parseID(string(r.Channel)), parseID(m.ID))
	c.cache.own.add(parseID(m.ID))
	return chat.MessageID(m.ID), nil
}

// refusedReference says that only the reference is wrong: a system message can't be replied to.
func refusedReference(e *APIError) bool {
	return e.Code == codeInvalidForm && strings.Contains(e.Detail, "message_reference")
}

// threadNameMaxUnits is Discord's limit, counted in UTF-16 units to be safe.
const threadNameMaxUnits = 100

// OpenThread opens a public thread on a message and returns its id, which is the message's. A thread that exists
// already is returned as if it had been opened now.
func (c *Client) OpenThread(ctx context.Context, channel chat.ChannelID, message chat.MessageID, name string) (chat.ChannelID, error) {
	if err := checkIDs(routeThread, string(channel), string(message)); err != nil {
		return "", err
	}
	body := struct {
		Name        string `json:"name"`
		AutoArchive int    `json:"auto_archive_duration"` // minutes
	}{threadName(name), 1440}
	var t wireChannel
	err := c.do(ctx, call{route: routeThread, path: "channels/" + string(channel) + "/messages/" + string(message) + "/threads",
		major: string(channel), channel: channel, body: body}, &t)
	if outbound.ClassOf(err) == outbound.ClassThreadExists {
		c.cache.opened.add(parseID(string(message)))
		return chat.ChannelID(message), nil
	}
	if err != nil {
		return "", err
	}
	parent := parseID(string(channel))
	t.ID, t.ParentID, t.OwnerID = orDefault(t.ID, parseID(string(message))), orDefault(t.ParentID, parent), c.cache.botID()
	if t.GuildID == 0 {
		t.GuildID = parseID(string(c.cache.place(parent).guild))
	}
	if t.Type < kindAnnouncementThread || t.Type > kindPrivateThread {
		t.Type = kindPublicThread
	}
	c.cache.opened.add(t.ID)
	c.cache.putThread(&t, true) // THREAD_CREATE may come later than the first message in it
	return chat.ChannelID(t.ID.String()), nil
}

// threadName makes any text a valid name.
func threadName(name string) string {
	name = strings.Join(strings.Fields(name), " ")
	units := 0
	for i, r := range name {
		if units += utf16Len(r); units > threadNameMaxUnits {
			name = strings.TrimSpace(name[:i])
			break
		}
	}
	return orDefault(name, "Answer")
}

func utf16Len(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// Typing shows "is typing" in a channel for ten seconds. It is a nicety: where it would have to wait, where a post waits,
// and where the channel refuses it, it does nothing. It is tried once.
func (c *Client) Typing(ctx context.Context, channel chat.ChannelID) error {
	if err := checkIDs(routeTyping, string(channel)); err != nil {
		return err
	}
	k := call{route: routeTyping, path: "channels/" + string(channel) + "/typing", major: string(channel), channel: channel}
	if c.allowed(k) != nil || !c.mayType(channel) {
		c.metrics.skipped.Inc()
		return nil
	}
	b := c.limits.bucket(k.route, k.major)
	if !b.spare() {
		c.metrics.skipped.Inc()
		return nil
	}
	if !c.global.spare() {
		b.answered(0, nil, 0)
		c.metrics.skipped.Inc()
		return nil
	}
	if _, err := c.send(ctx, k, nil, b); err != nil && err.Class != outbound.ClassRetry {
		return err
	}
	return nil
}

// EditSlash replaces the deferred answer of a slash command, within 15 minutes of it.
func (c *Client) EditSlash(ctx context.Context, token, content string) error {
	app, err := c.application(ctx)
	if err != nil {
		return err
	}
	body := struct {
		Content         string          `json:"content"`
		AllowedMentions allowedMentions `json:"allowed_mentions"`
	}{content, pingOnly("", false)}
	return c.do(ctx, call{route: routeEditSlash, path: "webhooks/" + app + "/" + url.PathEscape(token) + "/messages/@original", major: token, body: body, token: token}, nil)
}

// FollowupSlash posts another message to a slash command. It is not protected by a nonce (Discord has none there), so
// a lost answer is an error and not tried again.
func (c *Client) FollowupSlash(ctx context.Context, token, content string, ephemeral bool) (chat.MessageID, error) {
	app, err := c.application(ctx)
	if err != nil {
		return "", err
	}
	body := struct {
		Content         string          `json:"content"`
		AllowedMentions allowedMentions `json:"allowed_mentions"`
		Flags           int             `json:"flags,omitempty"`
	}{content, pingOnly("", false), flagsOf(ephemeral)}
	var m wireMessage
	if err := c.do(ctx, call{route: routeFollowup, path: "webhooks/" + app + "/" + url.PathEscape(token), major: token, body: body, token: token}, &m); err != nil {
		return "", err
	}
	return chat.MessageID(m.ID), nil
}
