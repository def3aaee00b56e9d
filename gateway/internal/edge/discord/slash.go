package discord

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/chat"
)

// deferWithin is how long acknowledging may take: Discord gives up after 3 s, counted from its sending.
const deferWithin = 2500 * time.Millisecond

// Interaction numbers (Discord, Receiving and Responding to Interactions).
const (
	interactionCommand = 2
	commandChat        = 1
	responseDeferred   = 5
	flagEphemeral      = 1 << 6
)

func flagsOf(ephemeral bool) int {
	if ephemeral {
		return flagEphemeral
	}
	return 0
}

// onInteraction acknowledges a slash command in a goroutine of its own and then hands it over. Over SlashSlots at a
// time it is dropped: the user sees that the application did not respond. Other interactions are none of ours.
func (sh *shard) onInteraction(w *wireInteraction) {
	// Servers that speak Discord's language may leave the command's type out: there is no other one that we register.
	if w.Type != interactionCommand || orDefault(w.Data.Type, commandChat) != commandChat || w.ID == "" || w.Token == "" {
		return
	}
	c := sh.client
	c.knowApplication(w.Application)
	select {
	case c.slots <- struct{}{}:
	default:
		c.metrics.unanswered.WithLabelValues("busy").Inc()
		sh.log.Warn().Str("command", w.Data.Name).Msg("slash command dropped: too many at once")
		return
	}
	received := time.Now()
	sh.deferring.Add(1)
	go func() {
		defer sh.deferring.Done()
		defer func() { <-c.slots }()
		e := c.cache.slash(w)
		e.Ephemeral, e.Received = c.cfg.Ephemeral(e), received
		if err := c.deferInteraction(w, e.Ephemeral); err != nil {
			c.metrics.unanswered.WithLabelValues("refused").Inc()
			sh.log.Warn().Err(err).Str("command", w.Data.Name).Msg("slash command could not be acknowledged within Discord's 3 s")
			return
		}
		sh.push(e)
	}()
}

// deferInteraction tells the user that an answer will come. It is not cut short by a shutdown: it takes at most
// deferWithin. With two gateways on a shard both try; the one that comes second did not fail.
func (c *Client) deferInteraction(w *wireInteraction, ephemeral bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), deferWithin)
	defer cancel()
	body := map[string]any{"type": responseDeferred, "data": map[string]int{"flags": flagsOf(ephemeral)}}
	err := c.do(ctx, call{route: routeDefer, path: "interactions/" + url.PathEscape(w.ID) + "/" + url.PathEscape(w.Token) + "/callback", body: body, token: w.Token}, nil)
	if e, ok := errors.AsType[*APIError](err); ok && e.Code == codeInteractionAcked {
		return nil
	}
	return err
}

// slash turns a slash command into the core's. Discord tells the member's permissions in the channel itself; where it
// does not, they are computed as for a message.
func (c *cache) slash(w *wireInteraction) inbound.Slash {
	w.ChannelID = orDefault(w.ChannelID, w.Channel.ID.String())
	at := c.place(parseID(w.ChannelID))
	e := inbound.Slash{
		ID: chat.MessageID(w.ID), Token: w.Token, Guild: guildOf(w.GuildID), Channel: chat.ChannelID(w.ChannelID),
		Parent: at.parent, InThread: at.inThread, BotThread: at.botThread,
		Command: w.Data.Name, Options: map[string]string{},
	}
	user := w.User
	if w.Member != nil {
		e.AuthorRoles, e.AuthorPermissions = w.Member.Roles, uint64(w.Member.Permissions)
		user = orDefault(w.Member.User, user)
	}
	if user != nil {
		e.Author, e.AuthorName = chat.UserID(user.ID), user.name(w.Member)
		var computed uint64
		computed, e.AuthorIsOwner = c.permissions(parseID(w.GuildID), parseID(w.ChannelID), member{user: parseID(user.ID), roles: ids(e.AuthorRoles)})
		e.AuthorPermissions = orDefault(e.AuthorPermissions, computed)
	}
	for _, o := range w.Data.Options {
		e.Options[o.Name] = optionText(o.Value)
	}
	return e
}

// optionText is a value as text: strings as they are, numbers and booleans as JSON writes them.
func optionText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var b bool
	if json.Unmarshal(raw, &b) == nil {
		return strconv.FormatBool(b)
	}
	return strings.TrimSpace(string(raw))
}
