package discord

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/sim/discordsim"
)

var someCommands = []Command{
	{Name: "help", Description: "What the bot can do", InDM: true},
	{Name: "status", Description: "How the bot is"},
	{Name: "mute", Description: "Ignore a user here", Options: []Option{
		{Name: "user", Description: "Whom", Type: OptionUser, Required: true},
		{Name: "duration", Description: "How long: 90s, 10m, 2h, 7d", Type: OptionString},
		{Name: "all", Description: "Everywhere", Type: OptionBoolean},
	}},
}

func TestCommandsAreRegisteredOnce(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	register := func(list []Command, want bool) {
		t.Helper()
		changed, err := b.RegisterCommands(b.ctx(), list)
		if err != nil || changed != want {
			t.Errorf("changed %t, want %t: %v", changed, want, err)
		}
	}
	register(someCommands, true)
	register(someCommands, false)
	reversed := slices.Clone(someCommands)
	slices.Reverse(reversed)
	register(reversed, false)
	register(someCommands[:2], true)
	register(someCommands, true)
	other := slices.Clone(someCommands)
	other[1].Description = "Something else"
	register(other, true)
	if n := b.sim.CommandWrites(0); n != 4 {
		t.Errorf("%d writes, want 4", n)
	}
	for _, c := range b.sim.Commands(0) {
		if c.DefaultMemberPermissions != nil {
			t.Errorf("/%s is hidden from people", c.Name)
		}
		if slices.Contains(c.Contexts, 1) != (c.Name == "help") {
			t.Errorf("/%s contexts %v", c.Name, c.Contexts)
		}
	}
}

func TestSlashCommands(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Ephemeral = func(s inbound.Slash) bool { return s.Command != "status" }
	b := newBot(t, &discordsim.Server{}, cfg).start()
	if _, err := b.RegisterCommands(b.ctx(), someCommands); err != nil {
		t.Fatal(err)
	}
	run := func(channel, user discordsim.ID, command string, options map[string]any) (discordsim.Interaction, inbound.Slash) {
		t.Helper()
		i, err := b.sim.RunSlash(channel, user, command, options)
		if err != nil {
			t.Fatal(err)
		}
		e := expect(b, "/"+command, func(s inbound.Slash) bool { return s.ID == messageID(i.ID) })
		acked, _ := b.sim.Interaction(i.ID)
		if acked.Type != 5 {
			t.Errorf("/%s was handed over before it was acknowledged", command)
		}
		if acked.Ephemeral != e.Ephemeral || e.Ephemeral != (command != "status") {
			t.Errorf("/%s: ephemeral %t, told %t", command, acked.Ephemeral, e.Ephemeral)
		}
		return i, e
	}
	i, e := run(b.w.Channel, b.w.Owner, "mute", map[string]any{"user": b.w.User, "duration": "10m", "all": true})
	if e.Command != "mute" || e.Author != userID(b.w.Owner) || !e.AuthorIsOwner || e.AuthorPermissions&permManageGuild == 0 ||
		e.Guild != guildID(b.w.Guild) || e.Channel != channelID(b.w.Channel) || e.Token == "" {
		t.Errorf("slash: %+v", e)
	}
	if e.Options["user"] != b.w.User.String() || e.Options["duration"] != "10m" || e.Options["all"] != "true" {
		t.Errorf("options: %v", e.Options)
	}
	if err := b.EditSlash(b.ctx(), e.Token, "done <@"+b.w.User.String()+">"); err != nil {
		t.Fatal(err)
	}
	if id, err := b.FollowupSlash(b.ctx(), e.Token, "and more", true); err != nil || id == "" {
		t.Error(err)
	}
	done, _ := b.sim.Interaction(i.ID)
	if !done.Answered() || !strings.HasPrefix(done.Response.Content, "done") || len(done.Response.Mentions) != 0 || len(done.FollowUps) != 1 {
		t.Errorf("answered: %+v", done)
	}
	_, e = run(b.w.Channel, b.w.User, "status", nil)
	if e.AuthorIsOwner || e.AuthorPermissions&permManageGuild != 0 || e.AuthorName != "alice" {
		t.Errorf("member: %+v", e)
	}
	dm, err := b.sim.OpenDM(b.w.User)
	if err != nil {
		t.Fatal(err)
	}
	_, e = run(dm.ID, b.w.User, "help", nil)
	if e.Guild != chat.DM || e.Author != userID(b.w.User) || e.AuthorPermissions != 0 {
		t.Errorf("DM: %+v", e)
	}
}

// With two gateways on one shard both get the command, one acknowledges it, and both hand it over: which of them acts
// is the core's claim to decide, and none is lost when the other dies.
func TestTwoGatewaysHearOneCommand(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	second := b.twin().start()
	if _, err := b.RegisterCommands(b.ctx(), someCommands); err != nil {
		t.Fatal(err)
	}
	i, err := b.sim.RunSlash(b.w.Channel, b.w.User, "help", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []*bot{b, second} {
		expect(one, "/help", func(s inbound.Slash) bool { return s.ID == messageID(i.ID) })
		if n := testutil.ToFloat64(one.metrics.unanswered.WithLabelValues("refused")); n != 0 {
			t.Errorf("%v counted as refused", n)
		}
	}
}

func TestSlashThatCantBeAcknowledged(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	if _, err := b.RegisterCommands(b.ctx(), someCommands); err != nil {
		t.Fatal(err)
	}
	b.sim.Inject(discordsim.Fault{Route: "POST /interactions", Status: 404, Code: codeUnknownInteraction})
	if _, err := b.sim.RunSlash(b.w.Channel, b.w.User, "help", nil); err != nil {
		t.Fatal(err)
	}
	b.wait("it is counted", func() bool { return testutil.ToFloat64(b.metrics.unanswered.WithLabelValues("refused")) == 1 })
	if n := len(got[inbound.Slash](b)); n != 0 {
		t.Errorf("%d were handed over", n)
	}
	b.sim.Inject(discordsim.Fault{Route: "POST /interactions", Status: 503, Times: 2}) // passes within the 3 s
	i, err := b.sim.RunSlash(b.w.Channel, b.w.User, "help", nil)
	if err != nil {
		t.Fatal(err)
	}
	expect(b, "/help", func(s inbound.Slash) bool { return s.ID == messageID(i.ID) })
}

// Over the limit commands are dropped and counted; the read loop never waits for one.
func TestSlashesAreBounded(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.SlashSlots = 1
	b := newBot(t, &discordsim.Server{}, cfg).start()
	if _, err := b.RegisterCommands(b.ctx(), someCommands); err != nil {
		t.Fatal(err)
	}
	b.slots <- struct{}{} // one is under way
	if _, err := b.sim.RunSlash(b.w.Channel, b.w.User, "help", nil); err != nil {
		t.Fatal(err)
	}
	b.heard(b.say(b.w.Channel, b.w.User, "goes on"))
	if n := testutil.ToFloat64(b.metrics.unanswered.WithLabelValues("busy")); n != 1 {
		t.Errorf("%v dropped, want 1", n)
	}
	<-b.slots
}

func TestOtherInteractionsAreIgnored(t *testing.T) {
	t.Parallel()
	sh := &shard{} // touching anything of it would panic
	for _, w := range []wireInteraction{{Type: 1}, {Type: 3, ID: "1", Token: "t"}, {Type: 4, ID: "1", Token: "t"}, {Type: 5}, {Type: 2}, {Type: 9}} {
		sh.onInteraction(&w)
	}
}
