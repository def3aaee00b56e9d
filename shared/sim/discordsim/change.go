package discordsim

import (
	"fmt"
	"slices"
	"time"
)

// StartThread opens a thread as a user: on a message, or without one if message is zero.
func (s *Server) StartThread(channel, message, user ID, name string) (Channel, error) {
	s.lock()
	defer s.unlock()
	ch := s.channels[channel]
	if ch == nil || ch.Guild == 0 || ch.isThread() || message != 0 && s.messages[message] == nil || s.channels[message] != nil && message != 0 {
		return Channel{}, fmt.Errorf("start thread in %s on %s: no such channel or message, or it has one", channel, message)
	}
	return s.openThread(ch, s.messages[message], user, name, 0, PublicThread).snapshot(), nil
}

// openThread makes the thread; on a message it takes the message's id, marks the message
// (MESSAGE_UPDATE) and puts a starter (type 21) into the thread.
func (s *Server) openThread(parent *Channel, on *Message, owner ID, name string, archive time.Duration, kind ChannelType) *Channel {
	now := s.now()
	th := &Channel{Type: kind, Guild: parent.Guild, Parent: parent.ID, Name: name, Owner: owner,
		AutoArchive: orDefault(archive, 24*time.Hour), Members: []ID{owner}, active: now}
	if on != nil {
		th.ID = on.ID
	} else {
		th.ID = s.ids.next(now)
	}
	if parent.Type == AnnouncementChan {
		th.Type = AnnouncementThread
	}
	s.channels[th.ID] = th
	g := s.guilds[parent.Guild]
	g.channels = append(g.channels, th.ID)
	w := s.wireChannel(th)
	w.NewlyCreated = true
	s.dispatch(event{name: "THREAD_CREATE", guild: th.Guild, intent: IntentGuilds, channel: th, data: w})
	s.emit(func() Event {
		copied := th.snapshot()
		return Event{Kind: EventThread, Guild: th.Guild, Channel: parent.ID, User: owner, Thread: &copied}
	})
	if on != nil {
		marked := *on
		marked.Thread, marked.Flags = th.ID, marked.Flags|FlagHasThread
		s.change(marked)
		s.store(&Message{ID: s.ids.next(now), Channel: th.ID, Guild: th.Guild, Author: on.Author, Type: ThreadStarter,
			Reference: on.ID, ReferenceIn: parent.ID, Created: now}, th)
		return th
	}
	if kind == PublicThread {
		s.store(&Message{ID: s.ids.next(now), Channel: parent.ID, Guild: th.Guild, Author: owner, Type: ThreadCreated,
			Content: name, Reference: 0, Created: now}, parent)
	}
	return th
}

func (s *Server) threadEvent(name string, th *Channel) {
	s.dispatch(event{name: name, guild: th.Guild, intent: IntentGuilds, channel: th, data: s.wireChannel(th)})
	s.emit(func() Event {
		copied := th.snapshot()
		return Event{Kind: EventThread, Guild: th.Guild, Channel: th.Parent, Thread: &copied}
	})
}

// SetThread archives, unarchives, locks or unlocks a thread as a moderator.
func (s *Server) SetThread(thread ID, archived, locked bool) error {
	s.lock()
	defer s.unlock()
	th := s.channels[thread]
	if th == nil || !th.isThread() {
		return fmt.Errorf("set thread %s: no such thread", thread)
	}
	th.Archived, th.Locked = archived, locked
	s.threadEvent("THREAD_UPDATE", th)
	return nil
}

// activeThreads counts threads that are not archived; those whose inactivity time has
// passed are archived on the way.
func (s *Server) activeThreads(g *guild) int {
	n, now := 0, s.now()
	for _, id := range g.channels {
		th := s.channels[id]
		if !th.isThread() || th.Archived {
			continue
		}
		if now.Sub(th.active) > th.AutoArchive {
			th.Archived = true
			s.threadEvent("THREAD_UPDATE", th)
			continue
		}
		n++
	}
	return n
}

// DeleteChannel deletes a channel with its threads, or a thread.
func (s *Server) DeleteChannel(channel ID) error {
	s.lock()
	defer s.unlock()
	ch := s.channels[channel]
	if ch == nil || ch.Guild == 0 {
		return fmt.Errorf("delete channel %s: no such channel of a guild", channel)
	}
	g := s.guilds[ch.Guild]
	if ch.isThread() {
		s.dispatch(event{name: "THREAD_DELETE", guild: ch.Guild, intent: IntentGuilds, channel: ch,
			data: map[string]any{"id": ch.ID, "guild_id": ch.Guild, "parent_id": ch.Parent, "type": ch.Type}})
	} else {
		for _, id := range slices.Clone(g.channels) {
			if th := s.channels[id]; th.isThread() && th.Parent == channel {
				s.forgetChannel(g, th) // Discord sends no THREAD_DELETE of its own for these
			}
		}
		s.dispatch(event{name: "CHANNEL_DELETE", guild: ch.Guild, intent: IntentGuilds, data: s.wireChannel(ch)})
	}
	s.forgetChannel(g, ch)
	s.emit(func() Event { return Event{Kind: EventGone, Guild: ch.Guild, Channel: channel} })
	return nil
}

// DeleteThread is DeleteChannel under the name that people look for.
func (s *Server) DeleteThread(thread ID) error { return s.DeleteChannel(thread) }

func (s *Server) forgetChannel(g *guild, ch *Channel) {
	for _, id := range s.history[ch.ID] {
		delete(s.messages, id)
	}
	delete(s.history, ch.ID)
	delete(s.channels, ch.ID)
	g.channels = slices.DeleteFunc(g.channels, func(id ID) bool { return id == ch.ID })
}

// KickBot takes the bot out of a guild: GUILD_DELETE without "unavailable". The guild
// and its messages stay, out of the bot's sight.
func (s *Server) KickBot(guild ID) error {
	s.lock()
	defer s.unlock()
	g := s.guilds[guild]
	if g == nil || !g.botIn {
		return fmt.Errorf("kick the bot from guild %s: it is not there", guild)
	}
	g.botIn = false
	delete(g.members, s.bot.ID)
	s.dispatch(event{name: "GUILD_DELETE", guild: guild, intent: IntentGuilds, data: map[string]any{"id": guild}})
	s.emit(func() Event { return Event{Kind: EventGuild, Guild: guild} })
	return nil
}

// InviteBot makes the bot a member (again), with these roles.
func (s *Server) InviteBot(guild ID, roles ...ID) error {
	s.lock()
	defer s.unlock()
	g := s.guilds[guild]
	if g == nil || g.botIn {
		return fmt.Errorf("invite the bot to guild %s: unknown guild, or it is there", guild)
	}
	s.botJoins(g, roles...)
	return nil
}

// RemoveGuild deletes a guild with everything in it.
func (s *Server) RemoveGuild(guild ID) error {
	s.lock()
	defer s.unlock()
	g := s.guilds[guild]
	if g == nil {
		return fmt.Errorf("remove guild %s: unknown guild", guild)
	}
	for _, id := range slices.Clone(g.channels) {
		s.forgetChannel(g, s.channels[id])
	}
	if g.botIn {
		s.dispatch(event{name: "GUILD_DELETE", guild: guild, intent: IntentGuilds, data: map[string]any{"id": guild}})
	}
	delete(s.guilds, guild)
	s.guildOrder = slices.DeleteFunc(s.guildOrder, func(id ID) bool { return id == guild })
	s.emit(func() Event { return Event{Kind: EventGuild, Guild: guild} })
	return nil
}

// SetUnavailable starts or ends an outage of one guild: GUILD_DELETE with
// "unavailable": true, then GUILD_CREATE again. Its events are not delivered meanwhile.
func (s *Server) SetUnavailable(guild ID, down bool) error {
	s.lock()
	defer s.unlock()
	g := s.guilds[guild]
	if g == nil || !g.botIn {
		return fmt.Errorf("set guild %s unavailable: unknown guild, or without the bot", guild)
	}
	g.unavailable = down
	if down {
		s.dispatch(event{name: "GUILD_DELETE", guild: guild, intent: IntentGuilds, data: map[string]any{"id": guild, "unavailable": true}})
		return nil
	}
	s.dispatch(event{name: "GUILD_CREATE", guild: guild, intent: IntentGuilds, data: s.wireGuildCreate(g)})
	return nil
}
