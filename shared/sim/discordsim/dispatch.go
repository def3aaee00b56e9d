package discordsim

import "encoding/json"

// event is one gateway dispatch before it is known who hears it.
type event struct {
	name    string
	guild   ID     // zero: a DM or a global event, which shard 0 hears
	intent  Intent // zero: needs none
	channel *Channel
	data    any
	message *Message // in place of data: rendered for each kind of reader
}

// dispatch appends an event to every session that should hear it: by shard
// ((guild>>22) % n; DMs go to shard 0), by intent, and by the bot's right to see the
// channel. The caller holds s.mu, so all sessions see the same order.
func (s *Server) dispatch(e event) {
	if e.guild != 0 {
		if g := s.guilds[e.guild]; g == nil || !g.botIn && e.name != "GUILD_DELETE" || g.unavailable && e.name != "GUILD_DELETE" {
			return
		}
	}
	if e.channel != nil && !s.permissionsIn(e.channel, s.bot.ID).Has(ViewChannel) {
		return
	}
	var full, bare json.RawMessage
	now := s.now()
	for _, ss := range s.sessions {
		if ss.expired(now, s.sessionTTL()) {
			s.end(ss)
			continue
		}
		if !ss.hears(e) {
			continue
		}
		raw := &full
		if e.message != nil && ss.intents&IntentMessageContent == 0 {
			raw = &bare
		}
		if *raw == nil {
			*raw = s.eventBody(e, raw == &full)
		}
		ss.append(e.name, *raw, true)
	}
}

func (s *Server) eventBody(e event, content bool) json.RawMessage {
	if e.message == nil {
		return mustJSON(e.data)
	}
	return mustJSON(s.wireMessage(e.message, messageView{gateway: true, content: content}))
}

func (ss *session) hears(e event) bool {
	if e.intent != 0 && ss.intents&e.intent == 0 {
		return false
	}
	if e.guild == 0 {
		return ss.shard == 0
	}
	return uint64(e.guild>>22)%uint64(ss.count) == uint64(ss.shard)
}

// messageEvent is MESSAGE_CREATE or MESSAGE_UPDATE.
func (s *Server) messageEvent(name string, m *Message) {
	intent := IntentGuildMessages
	if m.Guild == 0 {
		intent = IntentDirectMessages
	}
	s.dispatch(event{name: name, guild: m.Guild, intent: intent, channel: s.channels[m.Channel], message: m})
}
