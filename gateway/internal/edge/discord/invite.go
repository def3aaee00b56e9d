package discord

import (
	"net/url"
	"strconv"
)

// ReplyStyle says where answers stand.
type ReplyStyle string

// The reply styles.
const (
	StyleReply  ReplyStyle = "reply"
	StyleThread ReplyStyle = "thread"
)

// InvitePermissions are the least permissions that a reply style needs. Sending in threads is among them in either:
// a question asked in a thread is answered there.
func InvitePermissions(style ReplyStyle) uint64 {
	p := uint64(permViewChannel | permSendMessages | permReadHistory | permSendInThreads)
	if style == StyleThread {
		p |= permCreatePublicThreads
	}
	return p
}

// InviteURL is the link with which somebody who manages a server invites the bot, with slash commands and the least
// permissions for the reply style. It always leads to the real Discord.
func InviteURL(appID string, style ReplyStyle) string {
	return "https://discord.com/oauth2/authorize?client_id=" + url.QueryEscape(appID) +
		"&scope=bot%20applications.commands&permissions=" + strconv.FormatUint(InvitePermissions(style), 10)
}

// permissionNames are the names that Discord's settings show, in their order there.
var permissionNames = []struct {
	bit  uint64
	name string
}{
	{permViewChannel, "View Channel"}, {permSendMessages, "Send Messages"}, {permSendInThreads, "Send Messages in Threads"},
	{permCreatePublicThreads, "Create Public Threads"}, {permReadHistory, "Read Message History"},
}

// MissingPermissions names what a reply style needs and these permissions lack.
func MissingPermissions(have uint64, style ReplyStyle) (names []string) {
	lacking := InvitePermissions(style) &^ have
	for _, p := range permissionNames {
		if lacking&p.bit != 0 {
			names = append(names, p.name)
		}
	}
	return names
}
