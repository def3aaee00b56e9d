package moderation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// who is somebody in server A and, as the same person, elsewhere.
type who struct {
	name        string
	user        chat.UserID
	owner       bool
	permissions uint64
	roles       []string
	// ground is what they command server A by; elsewhere only the operator has one.
	ground control.Ground
}

var people = []who{
	{name: "owner", user: "110", owner: true, permissions: ^uint64(0), ground: control.Owner},
	{name: "administrator", user: "111", permissions: 1 << 3, ground: control.Permission},
	{name: "manage server", user: "112", permissions: 1<<5 | 1<<11, ground: control.Permission},
	{name: "moderator role", user: "113", roles: []string{"701", moderatorRole}, ground: control.Role},
	{name: "operator", user: operator, permissions: 1 << 11, ground: control.Operator},
	// Everything but the two bits that count: kick, ban, manage channels, messages, roles, webhooks, mute and move
	// members make no moderator of the bot.
	{name: "plain user", user: plainUser, permissions: ^uint64(1<<3 | 1<<5), roles: []string{"701"}},
}

// where is a place.
type where struct {
	name                string
	guild               chat.GuildID
	channel, parent     chat.ChannelID
	inThread, botThread bool
	// open says that refusals and hints may be posted there.
	open bool
}

var places = []where{
	{name: "chat channel", guild: serverA, channel: chatChannel, open: true},
	{name: "other channel", guild: serverA, channel: anyChat},
	{name: "bot's thread", guild: serverA, channel: "310", parent: anyChat, inThread: true, botThread: true, open: true},
	{name: "other thread", guild: serverA, channel: "311", parent: anyChat, inThread: true},
	{name: "thread under a chat channel", guild: serverA, channel: "312", parent: chatChannel, inThread: true, open: true},
	{name: "direct message", guild: chat.DM, channel: "320", open: true},
	{name: "other server", guild: serverB, channel: "330"},
}

// what is a command in both forms.
type what struct {
	text    string
	slash   string
	options map[string]string
	verb    control.Verb
	// moderator and fleet say who may; direct that it works in direct messages.
	moderator, fleet, direct bool
	// hint says that the answer is a sentence about how to write it, refused that nobody may.
	hint bool
	// silent says that the prefix form is nothing to anybody.
	silent bool
}

var commands = []what{
	{text: "$help", slash: "help", direct: true},
	{text: "$HELP me", slash: "help", direct: true},
	{text: "$ignore $stop", silent: true},
	{text: "$IGNORE", silent: true},
	{text: "$forget", slash: "forget", verb: control.Forget, direct: true},
	{text: "$stop", slash: "stop", verb: control.Stop, moderator: true},
	{text: "$stop all", slash: "stop", options: map[string]string{"all": "true"}, verb: control.Stop, moderator: true, fleet: true},
	{text: "$start", slash: "start", options: map[string]string{"all": "false"}, verb: control.Start, moderator: true},
	{text: "$Start ALL", slash: "start", options: map[string]string{"all": "true"}, verb: control.Start, moderator: true, fleet: true},
	{text: "$reboot", slash: "reboot", verb: control.Reboot, moderator: true},
	{text: "$reboot all", slash: "reboot", options: map[string]string{"all": "true"}, verb: control.Reboot, moderator: true, fleet: true},
	{text: "$status", slash: "status", options: map[string]string{"all": "true"}, verb: control.Status, moderator: true},
	{text: "$budget", slash: "budget", options: map[string]string{"user": targetUser}, verb: control.Budget, moderator: true},
	{text: "$mute <@101> 10m shouts", slash: "mute", options: map[string]string{"user": targetUser, "duration": "10m", "reason": "shouts"}, verb: control.Mute, moderator: true},
	{text: "$unmute <@!101>", slash: "unmute", options: map[string]string{"user": targetUser}, verb: control.Unmute, moderator: true},
	{text: "$mute <@&700>", slash: "mute", options: map[string]string{"user": "<@&700>"}, moderator: true, hint: true},
	{text: "$mute @everyone", slash: "mute", options: map[string]string{"user": "@everyone"}, moderator: true, hint: true},
	{text: "$mute", slash: "mute", moderator: true, hint: true},
	{text: "$weather", silent: true},
}

// expectation is what must come of it.
type expectation struct {
	said   bool
	order  bool
	scope  control.Scope
	ground control.Ground
}

// expect is CONTRACT 5 in the order in which it is written there.
func expect(c what, p who, at where, slash bool) expectation {
	if c.silent {
		return expectation{}
	}
	heardHere := at.open || slash
	if at.guild == chat.DM && !c.direct {
		return expectation{said: true}
	}
	ground := p.ground
	if at.guild != serverA {
		ground = ""
		if p.user == operator && at.guild != chat.DM {
			ground = control.Operator
		}
	}
	switch {
	case !c.moderator && c.verb == "":
		return expectation{said: true}
	case !c.moderator:
		return expectation{said: true, order: true, scope: control.Scope(at.guild), ground: control.Self}
	case ground == "":
		return expectation{said: heardHere}
	case c.hint:
		return expectation{said: true}
	case c.fleet && p.user != operator:
		return expectation{said: heardHere}
	case c.fleet:
		return expectation{said: true, order: true, scope: control.Fleet, ground: control.Operator}
	}
	return expectation{said: true, order: true, scope: control.Scope(at.guild), ground: ground}
}

// call makes the event and reads it as the gateway does.
func call(t *testing.T, c what, p who, at where, slash bool, id chat.MessageID) moderation.Call {
	t.Helper()
	owner, permissions, roles := p.owner, p.permissions, p.roles
	if at.guild != serverA { // the same person is nobody there
		owner, permissions, roles = false, 1<<11, []string{"790"}
	}
	if slash {
		return rules.FromSlash(inbound.Slash{
			ID: id, Guild: at.guild, Channel: at.channel, Parent: at.parent, InThread: at.inThread, BotThread: at.botThread,
			Author: p.user, AuthorName: p.name, AuthorIsOwner: owner, AuthorPermissions: permissions, AuthorRoles: roles,
			Command: c.slash, Options: c.options, Token: "token",
		})
	}
	got, ok := rules.FromMessage(inbound.Message{
		ID: id, Guild: at.guild, Channel: at.channel, Parent: at.parent, InThread: at.inThread, BotThread: at.botThread,
		Author: p.user, AuthorName: p.name, AuthorIsUser: true, AuthorIsOwner: owner, AuthorPermissions: permissions, AuthorRoles: roles,
		Content: c.text,
	})
	if !ok {
		t.Fatalf("%q is no command", c.text)
	}
	return got
}

// TestEveryCommandRolePlaceAndForm is CONTRACT 5 as a table: what is said, what is ordered, on what ground, and that
// nothing but the expected scope is touched.
func TestEveryCommandRolePlaceAndForm(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, c := range commands {
		for _, p := range people {
			for _, at := range places {
				for _, slash := range []bool{false, true} {
					if slash && c.slash == "" {
						continue
					}
					tried++
					name := fmt.Sprintf("%s (slash %v) by %s in %s", c.text, slash, p.name, at.name)
					w := newWorld()
					audit, err := handle(t.Context(), gateway(t, w), call(t, c, p, at, slash, "1300000000000000001"))
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					check(t, name, expect(c, p, at, slash), c, w, audit)
				}
			}
		}
	}
	if tried < 1400 {
		t.Errorf("only %d combinations were tried", tried)
	}
}

func check(t *testing.T, name string, want expectation, c what, w *world, audit *moderation.Audit) {
	t.Helper()
	if got := len(w.spoken) == 1; got != want.said || len(w.spoken) > 1 {
		t.Errorf("%s: said %q, want an answer: %v", name, w.texts(), want.said)
	}
	if got := len(w.orders) == 1; got != want.order || len(w.orders) > 1 {
		t.Errorf("%s: ordered %+v, want an order: %v", name, w.orders, want.order)
		return
	}
	if !want.order {
		if len(w.scopes()) > 0 || len(w.syncs) > 0 || len(w.audits) > 0 {
			t.Errorf("%s: had an effect on %v", name, w.scopes())
		}
		if audit != nil && !audit.Refused {
			t.Errorf("%s: audit %+v of nothing", name, audit)
		}
		return
	}
	o := w.orders[0]
	if o.Verb != c.verb || o.Scope != want.scope || o.Ground != want.ground {
		t.Errorf("%s: ordered %s %s on ground %s, want %s %s on %s", name, o.Verb, o.Scope, o.Ground, c.verb, want.scope, want.ground)
	}
	if err := o.Validate(); err != nil {
		t.Errorf("%s: a worker would refuse it: %v", name, err)
	}
	if s := w.scopes(); slices.ContainsFunc(s, func(s control.Scope) bool { return s != want.scope }) {
		t.Errorf("%s: touched %v, want only %s", name, s, want.scope)
	}
	for _, s := range w.syncs {
		if s.Order != o {
			t.Errorf("%s: synced another order", name)
		}
	}
	if audit == nil || audit.Refused || audit.Failed || audit.Ground != want.ground || audit.Scope != want.scope || audit.Effect == "" {
		t.Errorf("%s: audit %+v", name, audit)
	}
	if public := want.ground != control.Self; (len(w.audits) == 1) != public {
		t.Errorf("%s: audit lines %q, want one: %v", name, w.audits, public)
	}
}

// TestOrderCarriesWhatWasTyped shows that nothing but the typed arguments reaches the record.
func TestOrderCarriesWhatWasTyped(t *testing.T) {
	t.Parallel()
	w := newWorld()
	c := call(t, what{text: "$mute <@101> 10m  shouts \n at `@everyone`"}, people[3], places[1], false, "1300000000000000001")
	if _, err := handle(t.Context(), gateway(t, w), c); err != nil {
		t.Fatal(err)
	}
	o := w.orders[0]
	if length := o.Until.Sub(o.At); length < 10*time.Minute || length >= 10*time.Minute+time.Second || !o.Until.Equal(o.Until.Truncate(time.Second)) {
		t.Errorf("mute of %v, want 10 minutes, up to a whole second", length)
	}
	o.At, o.Until = time.Time{}, time.Time{}
	want := control.Order{
		Command: 1300000000000000001, Verb: control.Mute, Scope: serverA, Origin: serverA, Channel: anyChat, By: "113",
		ByName: "moderator role", Ground: control.Role, Target: targetUser, Reason: "shouts at `@everyone`",
	}
	if o != want {
		t.Errorf("order %+v, want %+v", o, want)
	}
	for _, text := range append(w.texts(), w.audits...) {
		if strings.Count(text, "`")%2 != 0 || !strings.Contains(text, "shouts at '@everyone'") {
			t.Errorf("%q lets the reason break out of its code style", text)
		}
	}
	if len(w.audits) != 1 || strings.ContainsAny(w.audits[0], "\r\n") {
		t.Errorf("audit lines %q, want one of one line", w.audits)
	}
}
