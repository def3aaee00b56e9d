package inbound

import "salamander.dev/shared/chat"

// Audience says which messages are meant for the bot (CONTRACT 3).
type Audience struct {
	// ChatChannels are the channels in which every message is meant for the bot.
	ChatChannels map[chat.ChannelID]bool
}

// Includes says whether a message is for the bot: in a chat channel, a mention, a reply to one of its messages, in a
// thread that it opened or under a chat channel, or a direct message. Messages of bots, webhooks and the system never
// are.
func (a Audience) Includes(m Message) bool {
	if !m.AuthorIsUser || m.Author == "" {
		return false
	}
	return m.MentionsBot || m.RepliesToBot || a.Everything(m.Guild, m.Channel, m.Parent, m.InThread && m.BotThread)
}

// Everything says whether all that people write in a channel is for the bot.
func (a Audience) Everything(g chat.GuildID, c, parent chat.ChannelID, botThread bool) bool {
	return g == chat.DM || botThread || a.ChatChannels[c] || (parent != "" && a.ChatChannels[parent])
}
