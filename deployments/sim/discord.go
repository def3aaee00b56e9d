package main

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"salamander.dev/shared/sim/discordsim"
)

// The playground's server, channel and first user have fixed ids, so that settings and scripts can name them. Further
// users count up from the first.
const (
	playgroundGuild   discordsim.ID = 100000000000000001
	playgroundChannel discordsim.ID = 100000000000000002
	playgroundOwner   discordsim.ID = 100000000000000003
	playgroundUser    discordsim.ID = 100000000000000101
)

// discord serves a Discord with a small world until ctx ends.
func discord(flags *flag.FlagSet) func(context.Context, string) error {
	token := flags.String("token", env("SIM_DISCORD_TOKEN", discordsim.DefaultToken), "the bot's token (SIM_DISCORD_TOKEN)")
	users := flags.String("users", env("SIM_USERS", "alice,bob,carol"), "names of users, comma separated (SIM_USERS)")
	shards := flags.String("shards", env("SIM_SHARDS", "1"), "shards that Discord recommends (SIM_SHARDS)")
	limits := flags.String("limits", env("SIM_LIMITS", "on"), "Discord's rate limits, on or off (SIM_LIMITS)")
	return func(ctx context.Context, addr string) error {
		n, err := strconv.Atoi(*shards)
		if err != nil || n < 1 || (*limits != "on" && *limits != "off") {
			return fmt.Errorf("%w; shards a number above 0, limits on or off", errUsage)
		}
		d := &discordsim.Server{
			Token: *token, BotName: "Salamander", Shards: n, Limits: discordsim.RateLimits{On: *limits == "on"}, KeepBodies: -1,
		}
		if err := layOut(d, strings.Split(*users, ",")); err != nil {
			return err
		}
		if err := d.Start(addr); err != nil {
			return err
		}
		defer d.Close()
		fmt.Printf("a simulated Discord is at %s, its admin API under /_sim/; server %s, channel %s\n", d.URL(), playgroundGuild, playgroundChannel)
		<-ctx.Done()
		return nil
	}
}

// layOut makes one server whose channel "chat" everybody may write in.
func layOut(d *discordsim.Server, names []string) error {
	owner := d.AddUserWith(discordsim.User{ID: playgroundOwner, Name: "owner"})
	g := d.AddGuild(discordsim.Guild{ID: playgroundGuild, Name: "Playground", Owner: owner.ID})
	if _, err := d.AddChannel(discordsim.Channel{ID: playgroundChannel, Guild: g.ID, Name: "chat"}); err != nil {
		return err
	}
	for i, name := range names {
		u := d.AddUserWith(discordsim.User{ID: playgroundUser + discordsim.ID(i), Name: strings.TrimSpace(name)})
		if err := d.AddMember(g.ID, u.ID); err != nil {
			return err
		}
	}
	return nil
}
