package discord

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/sim/discordsim"
)

// interesting are the bits over which the random worlds below are drawn.
var interesting = []discordsim.Permission{
	discordsim.Administrator, discordsim.ManageGuild, discordsim.ViewChannel, discordsim.SendMessages, discordsim.ReadMessageHistory,
	discordsim.CreatePublicThreads, discordsim.SendMessagesInThreads, discordsim.EmbedLinks, discordsim.AttachFiles, discordsim.MentionEveryone,
}

func someBits(r *rand.Rand, chance float64) (p discordsim.Permission) {
	for i, bit := range interesting {
		if i > 0 && r.Float64() < chance || i == 0 && r.Float64() < chance/10 { // administrators are rare
			p |= bit
		}
	}
	return p
}

// The cache agrees with the simulator, which computes permissions on its own, in random worlds of roles, overwrites,
// threads and timeouts: at the start and after each change.
func TestPermissionsAgree(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	r := rand.New(rand.NewPCG(7, 7))
	sim := b.sim
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	g := sim.AddGuild(discordsim.Guild{Everyone: someBits(r, 0.7) &^ discordsim.Administrator})
	var roles, channels []discordsim.ID
	for range 5 {
		role, err := sim.AddRole(g.ID, "r", someBits(r, 0.3))
		check(err)
		roles = append(roles, role.ID)
	}
	some := func() (list []discordsim.ID) {
		for _, id := range roles {
			if r.IntN(2) == 0 {
				list = append(list, id)
			}
		}
		return list
	}
	users := []discordsim.ID{b.w.Bot, g.Owner}
	for range 4 {
		u := sim.AddUser("u", false)
		check(sim.AddMember(g.ID, u.ID, some()...))
		users = append(users, u.ID)
	}
	overwrites := func() (list []discordsim.Overwrite) {
		for _, id := range append([]discordsim.ID{g.ID}, roles...) {
			if r.IntN(2) == 0 {
				list = append(list, discordsim.Overwrite{ID: id, Allow: someBits(r, 0.3) &^ discordsim.Administrator, Deny: someBits(r, 0.3) &^ discordsim.Administrator})
			}
		}
		for _, id := range users {
			if r.IntN(3) == 0 {
				list = append(list, discordsim.Overwrite{ID: id, Member: true, Allow: someBits(r, 0.3) &^ discordsim.Administrator, Deny: someBits(r, 0.3) &^ discordsim.Administrator})
			}
		}
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list
	}
	for range 6 {
		ch, err := sim.AddChannel(discordsim.Channel{Guild: g.ID, Name: "c"})
		check(err)
		channels = append(channels, ch.ID)
		m, err := sim.Say(ch.ID, g.Owner, "start")
		check(err)
		th, err := sim.StartThread(ch.ID, m.ID, g.Owner, "t")
		check(err)
		channels = append(channels, th.ID)
	}
	var mask discordsim.Permission
	for _, bit := range interesting {
		mask |= bit
	}
	same := func(step int) {
		t.Helper()
		end := b.say(b.w.Channel, b.w.User, "the step is over") // events come in order
		b.heard(end)
		for _, ch := range channels {
			place, _ := sim.Channel(ch)
			want := sim.Permissions(ch, b.w.Bot) & mask
			got, known := b.BotPermissions(channelID(ch))
			if want&discordsim.ViewChannel == 0 && !known {
				continue // a thread that we never saw
			}
			// In threads our Send Messages bit tells whether one may send there, which is another bit with Discord.
			thread := place.Parent != 0 && place.Type == discordsim.PublicThread
			if thread && want&discordsim.Administrator == 0 && want != mask {
				want = asThread(want)
			}
			if discordsim.Permission(got)&mask != want {
				t.Fatalf("step %d: the bot in %s (thread %t): %b, want %b", step, ch, thread, discordsim.Permission(got)&mask, want)
			}
		}
	}
	same(0)
	for step := range 120 {
		switch r.IntN(6) {
		case 0:
			_, err := sim.SetRole(g.ID, discordsim.Role{ID: append(roles, g.ID)[r.IntN(len(roles)+1)], Permissions: someBits(r, 0.5) &^ discordsim.Administrator})
			check(err)
		case 1:
			check(sim.SetOverwrites(channels[2*r.IntN(len(channels)/2)], overwrites()...))
		case 2:
			check(sim.AddMember(g.ID, b.w.Bot, some()...))
		case 3:
			check(sim.Timeout(g.ID, b.w.Bot, time.Duration(r.IntN(2))*time.Hour))
		case 4:
			if len(roles) > 2 && r.IntN(4) == 0 {
				check(sim.DeleteRole(g.ID, roles[0]))
				roles = roles[1:]
			}
		case 5:
			role, err := sim.AddRole(g.ID, "new", someBits(r, 0.3))
			check(err)
			roles = append(roles, role.ID)
		}
		same(step + 1)
	}
}

// asThread moves the bit for sending in threads to the one that our cache answers with.
func asThread(p discordsim.Permission) discordsim.Permission {
	p &^= discordsim.SendMessages
	if p&discordsim.SendMessagesInThreads != 0 {
		p |= discordsim.SendMessages
	}
	if p&discordsim.SendMessages == 0 {
		p &^= discordsim.MentionEveryone | discordsim.EmbedLinks | discordsim.AttachFiles
	}
	return p
}

func TestAuthorPermissions(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	manager, err := b.sim.AddRole(b.w.Guild, "manager", discordsim.ManageGuild)
	if err != nil {
		t.Fatal(err)
	}
	boss := b.sim.AddUser("boss", false)
	if err := b.sim.AddMember(b.w.Guild, boss.ID, manager.ID); err != nil {
		t.Fatal(err)
	}
	start := b.say(b.w.Channel, b.w.User, "start")
	th, err := b.sim.StartThread(b.w.Channel, start.ID, b.w.User, "thread")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		channel, user  discordsim.ID
		manages, owner bool
	}{
		"member": {b.w.Channel, b.w.User, false, false}, "manager": {b.w.Channel, boss.ID, true, false}, "owner": {b.w.Channel, b.w.Owner, true, true},
		"manager in a thread": {th.ID, boss.ID, true, false}, "member in a thread": {th.ID, b.w.User, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := b.heard(b.say(tc.channel, tc.user, name))
			if (m.AuthorPermissions&permManageGuild != 0) != tc.manages || m.AuthorIsOwner != tc.owner {
				t.Errorf("permissions %b, owner %t", m.AuthorPermissions, m.AuthorIsOwner)
			}
			if m.InThread != (tc.channel == th.ID) || (m.InThread && m.Parent != channelID(b.w.Channel)) || m.BotThread {
				t.Errorf("place: %+v", m)
			}
			if tc.user == boss.ID && !slices.Equal(m.AuthorRoles, []string{manager.ID.String()}) {
				t.Errorf("roles: %v", m.AuthorRoles)
			}
		})
	}
}

func TestMessagesAreRead(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	say := func(text string, o discordsim.SayOpts) inbound.Message {
		t.Helper()
		m, err := b.sim.Say(b.w.Channel, b.w.User, text, o)
		if err != nil {
			t.Fatal(err)
		}
		return b.heard(m)
	}
	id, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: "mine", Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	mine, _ := discordsim.ParseID(string(id))
	own := expect(b, "our own message", func(m inbound.Message) bool { return m.ID == id })
	if own.AuthorIsUser || own.Author != userID(b.w.Bot) {
		t.Errorf("own: %+v", own)
	}
	if m := say("silent reply", discordsim.SayOpts{ReplyTo: mine, NoPing: true}); !m.RepliesToBot || m.MentionsBot {
		t.Errorf("silent reply: %+v", m)
	}
	if m := say("reply", discordsim.SayOpts{ReplyTo: mine}); !m.RepliesToBot || !m.MentionsBot {
		t.Errorf("reply: %+v", m)
	}
	if m := say("<@"+b.w.Bot.String()+"> and <@"+b.w.Owner.String()+">", discordsim.SayOpts{}); !m.MentionsBot || len(m.Mentions) != 2 || m.Mentions[0].Name == "" {
		t.Errorf("mentions: %+v", m)
	}
	if m := say("", discordsim.SayOpts{Forwarded: []string{"old words"}}); !slices.Equal(m.Forwarded, []string{"old words"}) || !m.AuthorIsUser {
		t.Errorf("forwarded: %+v", m)
	}
	if m := say("hook", discordsim.SayOpts{Webhook: b.sim.NewID()}); m.AuthorIsUser {
		t.Errorf("webhook: %+v", m)
	}
	if m := say("", discordsim.SayOpts{Type: discordsim.PinNotice}); m.AuthorIsUser {
		t.Errorf("system: %+v", m)
	}
	dm, err := b.sim.OpenDM(b.w.User)
	if err != nil {
		t.Fatal(err)
	}
	if m := b.heard(b.say(dm.ID, b.w.User, "psst")); m.Guild != chat.DM || m.AuthorPermissions != 0 || !m.AuthorIsUser {
		t.Errorf("DM: %+v", m)
	}
	asked := b.say(b.w.Channel, b.w.User, "first")
	if _, err := b.sim.Edit(asked.ID, "second"); err != nil {
		t.Fatal(err)
	}
	expect(b, "edit", func(e inbound.Edited) bool {
		return e.Message.ID == messageID(asked.ID) && e.Message.Content == "second"
	})
	if err := b.sim.Delete(asked.ID); err != nil {
		t.Fatal(err)
	}
	d := expect(b, "deletion", func(d inbound.Deleted) bool { return slices.Contains(d.Messages, messageID(asked.ID)) })
	if d.Guild != guildID(b.w.Guild) || d.Channel != channelID(b.w.Channel) {
		t.Errorf("deleted: %+v", d)
	}
	one, two := b.say(b.w.Channel, b.w.User, "1"), b.say(b.w.Channel, b.w.User, "2")
	if err := b.sim.BulkDelete(b.w.Channel, one.ID, two.ID); err != nil {
		t.Fatal(err)
	}
	expect(b, "bulk deletion", func(d inbound.Deleted) bool { return len(d.Messages) == 2 })
}

func TestOwnThreadsAreKnown(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	asked := b.say(b.w.Channel, b.w.User, "ask")
	b.heard(asked)
	th, err := b.OpenThread(b.ctx(), channelID(b.w.Channel), messageID(asked.ID), "Answer")
	if err != nil {
		t.Fatal(err)
	}
	inside := mustID(t, th)
	if m := b.heard(b.say(inside, b.w.User, "in it")); !m.BotThread || !m.InThread || m.Parent != channelID(b.w.Channel) {
		t.Errorf("in the thread: %+v", m)
	}
	if err := b.sim.SetThread(inside, true, false); err != nil {
		t.Fatal(err)
	}
	b.wait("the archived thread is forgotten", func() bool { return !b.cache.place(parseID(string(th))).known })
	if m := b.heard(b.say(inside, b.w.User, "awake")); !m.BotThread { // THREAD_UPDATE comes first
		t.Errorf("after waking: %+v", m)
	}
}

func TestComingAndGoing(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	sim := b.sim
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	g := sim.AddGuild(discordsim.Guild{Name: "new"})
	ch, err := sim.AddChannel(discordsim.Channel{Guild: g.ID, Name: "c"})
	check(err)
	m, err := sim.Say(ch.ID, g.Owner, "hi")
	check(err)
	b.heard(m)
	th, err := sim.StartThread(ch.ID, m.ID, g.Owner, "t")
	check(err)

	check(sim.SetUnavailable(g.ID, true))
	check(sim.SetUnavailable(g.ID, false))
	seen := expect(b, "after the outage", func(s inbound.GuildSeen) bool { return s.Guild == guildID(g.ID) && len(s.Channels) == 2 })
	if seen.Name != "new" || len(got[inbound.GuildGone](b)) != 0 {
		t.Errorf("seen: %+v", seen)
	}
	for _, c := range seen.Channels {
		if c.ID == channelID(ch.ID) && c.LastMessage != messageID(m.ID) || c.ID == channelID(th.ID) && (!c.InThread || c.Parent != channelID(ch.ID)) {
			t.Errorf("channel: %+v", c)
		}
	}

	check(sim.SetOverwrites(ch.ID, discordsim.Overwrite{ID: g.ID, Deny: discordsim.ViewChannel}))
	check(sim.SetOverwrites(ch.ID))
	other, err := sim.AddChannel(discordsim.Channel{Guild: g.ID, Name: "d"})
	check(err)
	check(sim.DeleteChannel(other.ID))
	expect(b, "deleted channel", func(e inbound.ChannelGone) bool { return e.Channel == channelID(other.ID) })
	if n := len(got[inbound.ChannelGone](b)); n != 1 { // what was out of sight for a moment is not gone
		t.Errorf("%d channels are gone, want 1", n)
	}
	check(sim.DeleteThread(th.ID))
	expect(b, "deleted thread", func(e inbound.ChannelGone) bool { return e.Channel == channelID(th.ID) })
	b.heard(b.say(ch.ID, g.Owner, "still here"))
	check(sim.DeleteChannel(ch.ID))
	expect(b, "deleted", func(e inbound.ChannelGone) bool { return e.Channel == channelID(ch.ID) && e.Guild == guildID(g.ID) })

	check(sim.KickBot(g.ID))
	expect(b, "kicked", func(e inbound.GuildGone) bool { return e.Guild == guildID(g.ID) })
	if b.cache.place(parseID(ch.ID.String())).known {
		t.Error("the cache keeps a server that the bot has left")
	}
}

// Servers that the bot lost while its session was lost are told when the new one is ready.
func TestLostServersAreTold(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	g := b.sim.AddGuild(discordsim.Guild{Name: "lost"})
	expect(b, "seen", func(s inbound.GuildSeen) bool { return s.Guild == guildID(g.ID) })
	addr := b.sim.URL()[len("http://"):]
	b.sim.InjectGateway(discordsim.GatewayFault{InvalidOnResume: 1})
	b.sim.Close()
	if err := b.sim.KickBot(g.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.sim.Start(addr); err != nil {
		t.Fatal(err)
	}
	expect(b, "gone", func(e inbound.GuildGone) bool { return e.Guild == guildID(g.ID) })
	if guilds := b.cache.ofShard(0); len(guilds) != 1 {
		t.Errorf("cached: %v", guilds)
	}
}

// Who spoke in a channel may speak there: their other permissions count, whether or not a role lets them see it.
func TestWhoSpokeIsBelievedToSee(t *testing.T) {
	t.Parallel()
	c := newCache()
	g := &guildState{id: 1, owner: 9, roles: []role{{id: 1}, {id: 2, allow: permManageGuild}}}
	c.guilds[1] = g
	c.channels[3] = &channelState{guild: g, overwrites: []overwrite{{id: 1, deny: permViewChannel}}}
	if p, owner := c.permissions(1, 3, member{user: 5, roles: []id{2}}); p&permManageGuild == 0 || owner {
		t.Errorf("permissions %b, owner %t", p, owner)
	}
	if p := g.permissionsIn(member{user: 5, roles: []id{2}}, c.channels[3].overwrites, false); p != 0 {
		t.Errorf("who can't see a channel may %b in it", p)
	}
}
