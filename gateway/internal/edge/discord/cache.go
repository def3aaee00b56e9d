package discord

import (
	"slices"
	"sync"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/chat"
)

// cache is what we remember of the servers, instead of discordgo's State, which takes four times the memory, hands out
// pointers that change in place, and keeps servers that the bot has left. Numbers instead of texts, and only what
// answers need: about 150 bytes a channel. Threads leave it when they are archived; Discord bounds the active ones.
type cache struct {
	mu       sync.RWMutex
	bot      id
	guilds   map[id]*guildState
	channels map[id]*channelState
	own      *recentIDs // the bot's messages
	opened   *recentIDs // the bot's threads, also where Discord does not tell of them
}

type guildState struct {
	id, owner id
	shard     int
	name      string
	roles     []role
	self      []id // the bot's roles
	selfMuted time.Time
	channels  []id
}

type role struct {
	id    id
	allow uint64
}

type channelState struct {
	guild               *guildState
	parent, owner, last id
	kind                uint8
	overwrites          []overwrite
}

type overwrite struct {
	id          id
	allow, deny uint64
	member      bool
}

func newCache() *cache {
	return &cache{guilds: map[id]*guildState{}, channels: map[id]*channelState{}, own: newRecentIDs(), opened: newRecentIDs()}
}

// Channel types (Discord, Channel Resource, "Channel Types").
const (
	kindText               = 0
	kindVoice              = 2
	kindAnnouncement       = 5
	kindAnnouncementThread = 10
	kindPublicThread       = 11
	kindPrivateThread      = 12
	kindStage              = 13
)

func (ch *channelState) isThread() bool {
	return ch.kind >= kindAnnouncementThread && ch.kind <= kindPrivateThread
}

// holdsText says whether people can write there.
func (ch *channelState) holdsText() bool {
	switch ch.kind {
	case kindText, kindVoice, kindAnnouncement, kindStage:
		return true
	}
	return ch.isThread()
}

// startShard begins anew after a READY: it returns the servers of the shard that the bot is no longer in.
func (c *cache) startShard(shard int, bot id, guilds []id) (gone []chat.GuildID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bot = bot
	for gid, g := range c.guilds {
		if g.shard == shard && !slices.Contains(guilds, gid) {
			c.dropGuildLocked(g)
			gone = append(gone, chat.GuildID(gid.String()))
		}
	}
	slices.Sort(gone)
	return gone
}

func (c *cache) putGuild(shard int, w *wireGuild) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.guilds[w.ID]; old != nil {
		c.dropGuildLocked(old)
	}
	g := &guildState{id: w.ID, owner: w.OwnerID, shard: shard, name: w.Name, channels: make([]id, 0, len(w.Channels)+len(w.Threads))}
	g.setRoles(w.Roles)
	for _, m := range w.Members {
		c.setSelfLocked(g, &m)
	}
	c.guilds[g.id] = g
	for i := range w.Channels {
		c.putChannelLocked(g, &w.Channels[i])
	}
	for i := range w.Threads {
		c.putChannelLocked(g, &w.Threads[i])
	}
}

func (g *guildState) setRoles(list []wireRole) {
	g.roles = make([]role, 0, len(list))
	for _, r := range list {
		g.roles = append(g.roles, role{r.ID, uint64(r.Permissions)})
	}
}

func (c *cache) setSelfLocked(g *guildState, m *wireMember) {
	if m.User == nil || c.bot == 0 || parseID(m.User.ID) != c.bot {
		return
	}
	g.self, g.selfMuted = ids(m.Roles), m.TimedOutUntil.Time
}

func ids(texts []string) []id {
	out := make([]id, 0, len(texts))
	for _, t := range texts {
		out = append(out, parseID(t))
	}
	return out
}

func (c *cache) dropGuild(gid id) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.guilds[gid]; g != nil {
		c.dropGuildLocked(g)
	}
}

func (c *cache) dropGuildLocked(g *guildState) {
	for _, ch := range g.channels {
		delete(c.channels, ch)
	}
	delete(c.guilds, g.id)
}

func (c *cache) putChannelLocked(g *guildState, w *wireChannel) {
	if w.ID == 0 {
		return
	}
	ch := c.channels[w.ID]
	if ch == nil || ch.guild != g {
		ch = &channelState{guild: g}
		c.channels[w.ID] = ch
		g.channels = append(g.channels, w.ID)
	}
	ch.parent, ch.owner, ch.kind = w.ParentID, w.OwnerID, uint8(min(max(w.Type, 0), 255))
	ch.last = max(ch.last, w.LastMessage)
	ch.overwrites = nil
	if len(w.Overwrites) > 0 {
		ch.overwrites = make([]overwrite, 0, len(w.Overwrites))
	}
	for _, o := range w.Overwrites {
		kind := string(o.Type)
		ch.overwrites = append(ch.overwrites, overwrite{o.ID, uint64(o.Allow), uint64(o.Deny), kind == "1" || kind == `"member"`})
	}
}

// dropChannelLocked forgets a channel and returns the threads that it takes along.
func (c *cache) dropChannelLocked(cid id) (threads []id) {
	ch := c.channels[cid]
	if ch == nil {
		return nil
	}
	delete(c.channels, cid)
	g := ch.guild
	g.channels = slices.DeleteFunc(g.channels, func(other id) bool { return other == cid })
	if ch.isThread() {
		return nil
	}
	for _, other := range slices.Clone(g.channels) {
		if t := c.channels[other]; t != nil && t.isThread() && t.parent == cid {
			c.dropChannelLocked(other)
			threads = append(threads, other)
		}
	}
	return threads
}

// sketch makes room for a server that was not told of yet, so that its channels are known.
func (c *cache) sketch(shard int, gid id) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gid != 0 && c.guilds[gid] == nil {
		c.guilds[gid] = &guildState{id: gid, shard: shard}
	}
}

// change applies an event to a server that is known.
func (c *cache) change(gid id, apply func(*guildState)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.guilds[gid]; g != nil {
		apply(g)
	}
}

// sawMessage notes the newest message of a channel.
func (c *cache) sawMessage(channel, message id) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.channels[channel]; ch != nil {
		ch.last = max(ch.last, message)
	}
}

// place is where a channel stands.
type place struct {
	known               bool
	guild               chat.GuildID
	parent              chat.ChannelID
	inThread, botThread bool
}

func (c *cache) place(channel id) place {
	c.mu.RLock()
	defer c.mu.RUnlock()
	ch := c.channels[channel]
	if ch == nil {
		mine := c.opened.has(channel)
		return place{inThread: mine, botThread: mine}
	}
	return c.placeLocked(ch)
}

func (c *cache) placeLocked(ch *channelState) place {
	p := place{known: true, guild: chat.GuildID(ch.guild.id.String())}
	if ch.isThread() {
		p.parent, p.inThread, p.botThread = chat.ChannelID(ch.parent.String()), true, c.bot != 0 && ch.owner == c.bot
	}
	return p
}

// permissions are what a member who spoke in a channel was given there, and whether the member owns the server. That they
// could speak need not be told by a role: so nothing is taken away that follows from not seeing the channel. One that is
// not known counts as one without overwrites: the server's roles still tell who manages it.
func (c *cache) permissions(guild, channel id, m member) (p uint64, owner bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	g := c.guilds[guild]
	if g == nil {
		return 0, false
	}
	overwrites, _ := c.overwritesLocked(c.channels[channel])
	return g.granted(m, overwrites), m.user != 0 && m.user == g.owner
}

// overwritesLocked are the overwrites that judge a channel: a thread's are its parent's.
func (c *cache) overwritesLocked(ch *channelState) (list []overwrite, thread bool) {
	switch {
	case ch == nil:
		return nil, false
	case !ch.isThread():
		return ch.overwrites, false
	}
	if parent := c.channels[ch.parent]; parent != nil {
		return parent.overwrites, true
	}
	return nil, true
}

func (c *cache) selfLocked(ch *channelState, now time.Time) uint64 {
	overwrites, thread := c.overwritesLocked(ch)
	return ch.guild.permissionsIn(member{c.bot, ch.guild.self, mutedAt(ch.guild.selfMuted, now)}, overwrites, thread)
}

// self are the bot's own permissions in a channel; not known outside servers.
func (c *cache) self(channel id) (p uint64, known bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	ch := c.channels[channel]
	if ch == nil || !c.tellsLocked(ch.guild) {
		return 0, false
	}
	return c.selfLocked(ch, time.Now()), true
}

// tellsLocked says whether a server tells what the bot may. One in which the bot's roles let it see nothing at all
// rather told no roles: the invitation asks for seeing. There, Discord is asked by trying.
func (c *cache) tellsLocked(g *guildState) bool {
	return g.basePermissions(member{user: c.bot, roles: g.self})&permViewChannel != 0
}

// seen tells a server as catch-up needs it: the text channels whose history the bot may read.
func (c *cache) seen(gid id) (inbound.GuildSeen, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	g := c.guilds[gid]
	if g == nil {
		return inbound.GuildSeen{}, false
	}
	now, tells := time.Now(), c.tellsLocked(g)
	out := inbound.GuildSeen{Shard: g.shard, Guild: chat.GuildID(g.id.String()), Name: g.name}
	for _, cid := range g.channels {
		ch := c.channels[cid]
		if ch == nil || !ch.holdsText() || tells && c.selfLocked(ch, now)&permReadHistory == 0 {
			continue
		}
		at := c.placeLocked(ch)
		out.Channels = append(out.Channels, inbound.SeenChannel{
			ID: chat.ChannelID(cid.String()), Parent: at.parent, InThread: at.inThread, BotThread: at.botThread,
			LastMessage: chat.MessageID(ch.last.String()),
		})
	}
	return out, true
}

// ofShard are the servers that one shard told of.
func (c *cache) ofShard(shard int) (list []id) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for gid, g := range c.guilds {
		if g.shard == shard {
			list = append(list, gid)
		}
	}
	slices.Sort(list)
	return list
}
