package discord

import (
	"slices"
	"time"
)

// Permission bits (Discord, Permissions, "Bitwise Permission Flags").
const (
	permAdministrator        = 1 << 3
	permManageGuild          = 1 << 5
	permViewChannel          = 1 << 10
	permSendMessages         = 1 << 11
	permSendTTS              = 1 << 12
	permEmbedLinks           = 1 << 14
	permAttachFiles          = 1 << 15
	permReadHistory          = 1 << 16
	permMentionEveryone      = 1 << 17
	permCreatePublicThreads  = 1 << 35
	permCreatePrivateThreads = 1 << 36
	permSendInThreads        = 1 << 38
	permAll                  = ^uint64(0)
)

// member is someone whose permissions are asked.
type member struct {
	user  id
	roles []id
	muted bool // timed out by a moderator
}

// basePermissions are a member's permissions in a server, before any channel (Discord, Permissions, "Permission
// Hierarchy").
func (g *guildState) basePermissions(m member) uint64 {
	if m.user != 0 && m.user == g.owner {
		return permAll
	}
	var p uint64
	for _, r := range g.roles {
		if r.id == g.id || slices.Contains(m.roles, r.id) { // @everyone has the server's id
			p |= r.allow
		}
	}
	if p&permAdministrator != 0 {
		return permAll
	}
	return p
}

// permissionsIn are a member's permissions in a channel with these overwrites (a thread's are its parent's). thread
// says that sending is judged by Send Messages in Threads; then the Send Messages bit tells that.
func (g *guildState) permissionsIn(m member, overwrites []overwrite, thread bool) uint64 {
	p := g.granted(m, overwrites)
	if p == permAll {
		return p
	}
	return implied(p, thread, m.muted)
}

// granted are the permissions that a member's roles and a channel's overwrites give.
func (g *guildState) granted(m member, overwrites []overwrite) uint64 {
	p := g.basePermissions(m)
	if p == permAll {
		return p
	}
	var allow, deny uint64
	for _, o := range overwrites {
		if !o.member && o.id == g.id {
			p = p&^o.deny | o.allow
		}
	}
	for _, o := range overwrites {
		if !o.member && o.id != g.id && slices.Contains(m.roles, o.id) {
			allow, deny = allow|o.allow, deny|o.deny
		}
	}
	p = p&^deny | allow
	for _, o := range overwrites {
		if o.member && o.id == m.user {
			p = p&^o.deny | o.allow
		}
	}
	return p
}

// implied applies what follows from missing permissions: without View Channel nothing is left, without sending nothing
// that goes with a message, and a timeout leaves only looking.
func implied(p uint64, thread, muted bool) uint64 {
	if thread {
		p &^= permSendMessages
		if p&permSendInThreads != 0 {
			p |= permSendMessages
		}
	}
	if muted {
		p &= permViewChannel | permReadHistory
	}
	if p&permViewChannel == 0 {
		return 0
	}
	if p&permSendMessages == 0 {
		p &^= permMentionEveryone | permSendTTS | permAttachFiles | permEmbedLinks
	}
	return p
}

// mutedAt says whether a timeout holds.
func mutedAt(until, now time.Time) bool { return until.After(now) }
