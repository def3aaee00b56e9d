package discord

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/chat"
)

// reader turns the dispatches of one shard into events. It runs in discordgo's read loop, possibly under the session's
// lock: it changes the cache, pushes into a queue that never blocks, and calls nothing of the session.
type reader struct {
	shard int
	total int // shards of the bot
	cache *cache
	push  func(inbound.Event)
	ready func(*wireReady)       // READY was read
	slash func(*wireInteraction) // must not block
	freed func(guild id)         // permissions of the bot may have changed there
}

// dispatch reads one dispatch. Unknown and unreadable ones are skipped; the error is for the log.
func (r *reader) dispatch(kind string, raw json.RawMessage) error {
	switch kind {
	case "READY":
		return read(raw, r.onReady)
	case "GUILD_CREATE":
		return read(raw, r.onGuild)
	case "GUILD_UPDATE":
		return read(raw, func(w *wireGuild) {
			r.changed(w.ID, func(g *guildState) {
				g.owner, g.name = w.OwnerID, w.Name
				if len(w.Roles) > 0 {
					g.setRoles(w.Roles)
				}
			})
		})
	case "GUILD_DELETE":
		return read(raw, func(w *wireGuild) {
			if !w.Unavailable && w.ID != 0 { // an outage comes back by GUILD_CREATE
				r.cache.dropGuild(w.ID)
				r.push(inbound.GuildGone{Guild: chat.GuildID(w.ID.String())})
			}
		})
	case "GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE":
		return read(raw, func(w *wireRoleEvent) {
			r.changed(w.GuildID, func(g *guildState) { g.putRole(w.Role) })
		})
	case "GUILD_ROLE_DELETE":
		return read(raw, func(w *wireRoleEvent) {
			r.changed(w.GuildID, func(g *guildState) {
				g.roles = slices.DeleteFunc(g.roles, func(o role) bool { return o.id == w.RoleID })
				g.self = slices.DeleteFunc(g.self, func(o id) bool { return o == w.RoleID }) // no member update tells it
			})
		})
	case "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_ADD":
		return read(raw, func(w *wireMemberEvent) {
			r.changed(w.GuildID, func(g *guildState) { r.cache.setSelfLocked(g, &w.wireMember) })
		})
	case "CHANNEL_CREATE", "CHANNEL_UPDATE":
		return read(raw, func(w *wireChannel) {
			r.cache.sketch(r.shard, w.GuildID)
			r.changed(w.GuildID, func(g *guildState) { r.cache.putChannelLocked(g, w) })
		})
	case "THREAD_CREATE", "THREAD_UPDATE":
		return read(raw, r.onThread)
	case "CHANNEL_DELETE", "THREAD_DELETE":
		return read(raw, r.onChannelGone)
	case "THREAD_LIST_SYNC":
		return read(raw, r.onThreads)
	case "MESSAGE_CREATE", "MESSAGE_UPDATE":
		return read(raw, func(w *wireMessage) { r.onMessage(w, kind == "MESSAGE_UPDATE") })
	case "MESSAGE_DELETE", "MESSAGE_DELETE_BULK":
		return read(raw, r.onDeleted)
	case "INTERACTION_CREATE":
		return read(raw, func(w *wireInteraction) { r.slash(w) })
	}
	return nil
}

func read[T any](raw json.RawMessage, use func(*T)) error {
	w := new(T)
	if err := json.Unmarshal(raw, w); err != nil {
		return err
	}
	use(w)
	return nil
}

func (r *reader) onReady(w *wireReady) {
	list := make([]id, 0, len(w.Guilds))
	names := make([]chat.GuildID, 0, len(w.Guilds))
	for _, g := range w.Guilds {
		list = append(list, g.ID)
		names = append(names, chat.GuildID(g.ID.String()))
	}
	gone := r.cache.startShard(r.shard, parseID(w.User.ID), list)
	r.ready(w)
	r.push(inbound.Ready{Shard: r.shard, Total: r.total, Bot: chat.UserID(w.User.ID), BotName: w.User.name(nil), Guilds: names, Received: time.Now()})
	for _, g := range gone {
		r.push(inbound.GuildGone{Guild: g})
	}
}

func (r *reader) onGuild(w *wireGuild) {
	if w.ID == 0 || w.Unavailable {
		return
	}
	r.cache.putGuild(r.shard, w)
	r.freed(w.ID)
	if seen, ok := r.cache.seen(w.ID); ok {
		r.push(seen)
	}
}

func (g *guildState) putRole(w wireRole) {
	for i := range g.roles {
		if g.roles[i].id == w.ID {
			g.roles[i].allow = uint64(w.Permissions)
			return
		}
	}
	g.roles = append(g.roles, role{w.ID, uint64(w.Permissions)})
}

// changed applies a change. A channel that is out of sight by it is not gone: a moderator may show it again before an
// answer is posted there.
func (r *reader) changed(guild id, apply func(*guildState)) {
	r.cache.change(guild, apply)
	r.freed(guild)
}

// onThread keeps active threads only: an archived one is neither deleted nor out of sight, and comes back by
// THREAD_UPDATE before its next message.
func (r *reader) onThread(w *wireChannel) {
	r.cache.sketch(r.shard, w.GuildID)
	r.cache.putThread(w, w.Thread == nil || !w.Thread.Archived)
}

func (c *cache) putThread(w *wireChannel, active bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.guilds[w.GuildID]
	if known := c.channels[w.ID]; known != nil && w.GuildID == 0 { // partial: what was known before holds
		g = known.guild
		w.ParentID, w.OwnerID = orDefault(w.ParentID, known.parent), orDefault(w.OwnerID, known.owner)
	}
	if g != nil && active {
		c.putChannelLocked(g, w)
	} else {
		c.dropChannelLocked(w.ID)
	}
}

func (r *reader) onChannelGone(w *wireChannel) {
	if w.GuildID == 0 || w.ID == 0 {
		return
	}
	gone := []id{w.ID} // told of also where it was not known
	r.cache.change(w.GuildID, func(*guildState) { gone = append(gone, r.cache.dropChannelLocked(w.ID)...) })
	for _, ch := range gone {
		r.push(inbound.ChannelGone{Guild: chat.GuildID(w.GuildID.String()), Channel: chat.ChannelID(ch.String())})
	}
}

// onThreads replaces the threads of the named channels (of all, when none is named): the bot came to see them.
func (r *reader) onThreads(w *wireThreadSync) {
	r.cache.change(w.GuildID, func(g *guildState) {
		for _, cid := range slices.Clone(g.channels) {
			t := r.cache.channels[cid]
			if t != nil && t.isThread() && (len(w.ChannelIDs) == 0 || slices.Contains(w.ChannelIDs, t.parent)) &&
				!slices.ContainsFunc(w.Threads, func(n wireChannel) bool { return n.ID == cid }) {
				r.cache.dropChannelLocked(cid)
			}
		}
		for i := range w.Threads {
			r.cache.putChannelLocked(g, &w.Threads[i])
		}
	})
}

func (r *reader) onMessage(w *wireMessage, edited bool) {
	if w.ID == "" || w.ChannelID == "" || (edited && w.Content == nil) {
		return // an update of embeds only
	}
	if w.Author == nil {
		if edited { // an update may name no more than what changed
			r.push(inbound.Edited{Message: inbound.Message{
				ID: chat.MessageID(w.ID), Guild: guildOf(w.GuildID), Channel: chat.ChannelID(w.ChannelID), Content: w.text(),
			}})
		}
		return
	}
	m := r.cache.message(w)
	m.Received = time.Now()
	if edited {
		r.push(inbound.Edited{Message: m})
		return
	}
	r.cache.sawMessage(parseID(w.ChannelID), parseID(w.ID))
	if parseID(w.Author.ID) == r.cache.botID() {
		r.cache.own.add(parseID(w.ID))
	}
	r.push(m)
}

func (r *reader) onDeleted(w *wireDeleted) {
	out := inbound.Deleted{Guild: guildOf(w.GuildID), Channel: chat.ChannelID(w.ChannelID)}
	if w.ID != "" {
		out.Messages = append(out.Messages, chat.MessageID(w.ID))
	}
	for _, m := range w.IDs {
		out.Messages = append(out.Messages, chat.MessageID(m))
	}
	if len(out.Messages) > 0 {
		r.push(out)
	}
}

func guildOf(text string) chat.GuildID {
	if text == "" {
		return chat.DM
	}
	return chat.GuildID(text)
}

// Message types that users write (Discord, Message Resource, "Message Types").
const (
	typeDefault = 0
	typeReply   = 19
)

// message turns a message into the core's, whether it came by an event or by REST, which tells neither the server nor
// the author's roles. The author is not nil.
func (c *cache) message(w *wireMessage) inbound.Message {
	cid, author := parseID(w.ChannelID), parseID(w.Author.ID)
	at := c.place(cid)
	guild := guildOf(w.GuildID)
	if w.GuildID == "" && at.known {
		guild = at.guild
	}
	m := inbound.Message{
		ID: chat.MessageID(w.ID), Guild: guild, Channel: chat.ChannelID(w.ChannelID),
		Parent: at.parent, InThread: at.inThread, BotThread: at.botThread,
		Author: chat.UserID(w.Author.ID), AuthorName: w.Author.name(w.Member), AuthorAccount: w.Author.Username,
		AuthorIsUser: !w.Author.Bot && !w.Author.System && w.WebhookID == "" && (w.Type == typeDefault || w.Type == typeReply),
		Content:      w.text(),
	}
	bot := c.botID()
	if w.Member != nil {
		m.AuthorRoles = w.Member.Roles
	}
	if guild != chat.DM { // the owner is known without the member, which is optional
		m.AuthorPermissions, m.AuthorIsOwner = c.permissions(parseID(string(guild)), cid, member{user: author, roles: ids(m.AuthorRoles)})
	}
	for _, s := range w.Snapshots {
		if s.Message.Content != "" {
			m.Forwarded = append(m.Forwarded, s.Message.Content)
		}
	}
	for _, u := range w.Mentions {
		m.Mentions = append(m.Mentions, inbound.Mention{ID: chat.UserID(u.ID), Name: u.name(u.Member)})
		m.MentionsBot = m.MentionsBot || (bot != 0 && parseID(u.ID) == bot)
	}
	m.MentionsBot = m.MentionsBot || namesBot(w, bot)
	m.RepliesToBot = bot != 0 && c.repliesTo(w, bot)
	return m
}

// namesBot says that the text mentions the bot where the list of mentions does not tell: the list is always there at
// Discord, and then holds whom the text mentions outside of code.
func namesBot(w *wireMessage, bot id) bool {
	return bot != 0 && len(w.Mentions) == 0 && !strings.ContainsRune(w.text(), '`') &&
		(strings.Contains(w.text(), "<@"+bot.String()+">") || strings.Contains(w.text(), "<@!"+bot.String()+">"))
}

// referenceForward is the type of a reference that forwards a message, and is no reply.
const referenceForward = 1

// repliesTo says whether a message replies to one of the bot's. Where Discord does not tell whose the message is
// ("referenced_message" is optional), the newest of the bot's own are known.
func (c *cache) repliesTo(w *wireMessage, bot id) bool {
	switch ref := w.Reference; {
	case ref != nil && ref.Type == referenceForward:
		return false
	case w.Referenced != nil && w.Referenced.Author != nil:
		return parseID(w.Referenced.Author.ID) == bot
	case ref != nil:
		return c.own.has(parseID(ref.MessageID))
	}
	return false
}

func (c *cache) botID() id {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.bot
}
