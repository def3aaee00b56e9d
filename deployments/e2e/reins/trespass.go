package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// trespass has the owner of one server try everything on another one, by text, by slash command and, with a client of
// its own on the bus, by records that no gateway wrote. Their own server's state is put right at the end.
func (s *suite) trespass(ctx context.Context) error {
	a, b := s.towns[0], s.towns[moderated]
	tries := 0
	for _, text := range tricks(a, b) {
		tries++
		if _, err := s.Discord.Say(a.rooms[0], a.owner, text); err != nil {
			return err
		}
	}
	for _, x := range slashes(b) {
		tries++
		if _, err := s.Discord.RunSlash(a.rooms[0], a.owner, x.name, x.options); err != nil {
			return fmt.Errorf("/%s %v: %w", x.name, x.options, err)
		}
	}
	// The same person in the other server, where they moderate nothing.
	if err := s.Discord.AddMember(b.id, a.owner); err != nil {
		return err
	}
	for _, text := range []string{"$stop", "$start", "$reboot", "$mute <@" + b.people[0].String() + ">", "$stop all", "$reboot all", "$status", "$budget"} {
		tries++
		if _, err := s.Discord.Say(b.rooms[0], a.owner, text); err != nil {
			return err
		}
	}
	forged, err := s.forge(a, b)
	if err != nil {
		return err
	}
	// Orders of one author and channel are carried out one after another, so what was tried is done when this is.
	if _, _, _, err := s.command(ctx, a.rooms[0], a.owner, "$reboot"); err != nil {
		return err
	}
	if _, _, _, err := s.command(ctx, a.rooms[0], a.owner, "$start"); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(s.seed, 5))
	var asked []question
	for range 3 * people {
		q, err := s.ask(r, moderated)
		if err != nil {
			return err
		}
		asked = append(asked, q)
	}
	own, err := s.ask(r, 0)
	if err != nil {
		return err
	}
	lost, twice, _ := s.answered(ctx, append(asked, own))
	status, _, _, err := s.command(ctx, b.rooms[0], b.owner, "$status")
	if err != nil {
		return err
	}
	if !strings.Contains(status.Content, "Running") {
		s.broken("after all that was tried, $status in the other server says %q", status.Content)
	}
	fmt.Printf("trespass: %d commands and %d forged records of a moderator of server A; server B: %d questions, lost %d, twice %d\n", tries, forged, len(asked), lost, twice)
	return nil
}

// tricks are texts that name the other server in every way that a message can.
func tricks(a, b town) (all []string) {
	victims := []string{
		"all", "ALL", "*", ">", "fleet", b.id.String(), "<#" + b.rooms[0].String() + ">", "<@&" + b.id.String() + ">", "<@" + b.owner.String() + ">",
		"dm", "desired.guild." + b.id.String(), b.id.String() + "." + b.people[0].String(), "@everyone", "<id:guide>", "</stop:" + b.id.String() + ">",
		a.id.String() + " " + b.id.String(), "\n" + b.id.String(), "--guild=" + b.id.String(), "all\u200b", "ａｌｌ",
	}
	for _, c := range []string{"stop", "start", "reboot", "status", "budget", "forget", "mute", "unmute"} {
		for _, v := range victims {
			all = append(all, "$"+c+" "+v)
		}
		all = append(all, "$"+c+" <@"+b.people[0].String()+"> "+b.id.String(), "$"+c+" "+b.people[0].String()+" 10m "+b.id.String())
	}
	return all
}

type slash struct {
	name    string
	options map[string]any
}

// slashes are the registered commands with every option that could reach further.
func slashes(b town) (all []slash) {
	for _, c := range []string{"stop", "start", "reboot"} {
		all = append(all, slash{c, map[string]any{"all": true}}, slash{c, map[string]any{"all": false}})
	}
	for _, reason := range []string{b.id.String(), "all", "<#" + b.rooms[0].String() + ">"} {
		all = append(all, slash{"mute", map[string]any{"user": b.people[0], "duration": "10m", "reason": reason}})
	}
	return append(all, slash{"unmute", map[string]any{"user": b.people[0]}}, slash{"status", nil}, slash{"budget", nil}, slash{"forget", nil})
}

// forge writes records of a moderator of a for b, and fleet-wide ones, past the gateway.
func (s *suite) forge(a, b town) (n int, err error) {
	nc, err := nats.Connect(s.NATSURL())
	if err != nil {
		return 0, fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	now := time.Now().UTC()
	scopes := map[string]control.Scope{"desired.guild." + b.id.String(): control.Scope(b.id.String()), "desired.fleet": control.Fleet}
	for key, scope := range scopes {
		for _, verb := range []control.Verb{control.Stop, control.Reboot} {
			for _, ground := range []control.Ground{control.Owner, control.Permission, control.Role, control.Self, "", "root"} {
				o := control.Order{Command: chat.SnowflakeAt(now), Verb: verb, Scope: scope, Origin: chat.GuildID(a.id.String()), By: chat.UserID(a.owner.String()), Ground: ground, At: now}
				state := control.Desired{State: control.Stopped, DropBefore: chat.SnowflakeAt(now.Add(time.Hour)), Order: o}
				if scope == control.Fleet {
					state.Epoch = o.Command
				}
				n += 2
				if err := send(nc, "$KV.CONTROL."+key, state); err != nil {
					return n, err
				}
				if err := send(nc, "control.v1.all.sync", control.Sync{Order: o, Revision: 1 << 40}); err != nil {
					return n, err
				}
			}
		}
	}
	muted := "mute." + b.id.String() + "." + b.people[0].String()
	for _, raw := range []string{"", "{}", "null", "[]", `{"state":"stopped"}`, `{"order":{"verb":"stop","scope":"fleet","ground":"operator"}}`, strings.Repeat("[", 100_000)} {
		for _, subject := range []string{"$KV.CONTROL.desired.fleet", "$KV.CONTROL.desired.guild." + b.id.String(), "$KV.CONTROL." + muted, "control.v1.all.sync", "control.v1.worker.forget"} {
			n++
			if err := nc.Publish(subject, []byte(raw)); err != nil {
				return n, err
			}
		}
	}
	return n, nc.Flush()
}

func send(nc *nats.Conn, subject string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return nc.Publish(subject, body)
}
