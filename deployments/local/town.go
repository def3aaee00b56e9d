package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"salamander.dev/shared/sim/discordsim"
)

// town is the simulated Discord's world: two servers, their channels, and the people one can be.
type town struct {
	d      *discordsim.Server
	Guilds []place  `json:"guilds"`
	People []person `json:"people"`
	Bot    string   `json:"bot"`

	chat, moderators []string
	audit            string
	operator         string

	mu    sync.Mutex
	crowd []discordsim.ID // simulated people nobody can be; made when first needed
	names map[string]string
}

// place is one server, or the direct messages.
type place struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Short    string `json:"short"`
	Channels []room `json:"channels"`
}

type room struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Topic string `json:"topic"`
	// Chat says that every message in it is for the bot.
	Chat bool `json:"chat,omitempty"`
	// Staff says that only moderators see it.
	Staff bool `json:"staff,omitempty"`
}

// person is somebody one can be.
type person struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	About  string   `json:"about"`
	Badge  string   `json:"badge,omitempty"`
	Guilds []string `json:"guilds"`
	Staff  []string `json:"staff,omitempty"` // servers in which the person moderates
	DM     string   `json:"dm"`
}

// Whose things the pages of a simulated Discord keep, so that a long session stays small.
const (
	keepMessages = 200 // per channel
	keepPosts    = 2000
	keepThreads  = 120
	keepEvents   = 2000 // of one session, for a resume
	maxCrowd     = 200
)

func newDiscord() *discordsim.Server {
	return &discordsim.Server{
		BotName: "Salamander", KeepMessages: keepMessages, KeepPosts: keepPosts, KeepBodies: -1, MaxActiveThreads: -1,
		ReplayLimit: keepEvents,
	}
}

// newTown lays out the world of a server that was started.
func newTown(d *discordsim.Server) (*town, error) {
	t := &town{d: d, Bot: d.BotID().String(), names: map[string]string{}}
	t.names[t.Bot] = "Salamander"
	cafe, lodge := d.AddGuild(discordsim.Guild{Name: "Ember Café"}), d.AddGuild(discordsim.Guild{Name: "Night Lodge"})
	var roles [2]discordsim.Role
	var err error
	for i, g := range []discordsim.Guild{cafe, lodge} {
		if roles[i], err = d.AddRole(g.ID, "Moderator", 0); err != nil {
			return nil, fmt.Errorf("lay out the servers: %w", err)
		}
		t.moderators = append(t.moderators, roles[i].ID.String())
	}
	for _, p := range []struct {
		name, about, badge string
		guilds, staff      []int
	}{
		{"Ann", "a member of both servers", "", []int{0, 1}, nil},
		{"Ben", "a member of Ember Café", "", []int{0}, nil},
		{"Mia", "moderates Ember Café", "moderator", []int{0}, []int{0}},
		{"Tim", "moderates Night Lodge", "moderator", []int{1}, []int{1}},
		{"Ola", "operates the whole bot", "operator", []int{0, 1}, []int{0, 1}},
	} {
		u := d.AddUser(p.name, false)
		one := person{ID: u.ID.String(), Name: p.name, About: p.about, Badge: p.badge}
		t.names[one.ID] = p.name
		for _, i := range p.guilds {
			g := []discordsim.Guild{cafe, lodge}[i]
			var held []discordsim.ID
			if slices.Contains(p.staff, i) {
				held = append(held, roles[i].ID)
				one.Staff = append(one.Staff, g.ID.String())
			}
			if err := d.AddMember(g.ID, u.ID, held...); err != nil {
				return nil, fmt.Errorf("lay out the servers: %w", err)
			}
			one.Guilds = append(one.Guilds, g.ID.String())
		}
		dm, err := d.OpenDM(u.ID)
		if err != nil {
			return nil, fmt.Errorf("lay out the servers: %w", err)
		}
		one.DM = dm.ID.String()
		if p.badge == "operator" {
			t.operator = one.ID
		}
		t.People = append(t.People, one)
	}
	return t, t.rooms(cafe, lodge, roles[0].ID)
}

func (t *town) rooms(cafe, lodge discordsim.Guild, staff discordsim.ID) error {
	for _, s := range []struct {
		guild discordsim.Guild
		short string
		rooms []room
	}{
		{cafe, "☕", []room{
			{Name: "ask-salamander", Topic: "Every message here is a question for Salamander", Chat: true},
			{Name: "general", Topic: "People among themselves: mention @Salamander to ask"},
			{Name: "terrace", Topic: "A second room in which every message is a question", Chat: true},
			{Name: "audit-log", Topic: "One line for every control command", Staff: true},
		}},
		{lodge, "🌙", []room{
			{Name: "campfire", Topic: "Every message here is a question for Salamander", Chat: true},
			{Name: "lounge", Topic: "Another server: a stop next door does not reach it"},
		}},
	} {
		g := place{ID: s.guild.ID.String(), Name: s.guild.Name, Short: s.short}
		for _, r := range s.rooms {
			in := discordsim.Channel{Guild: s.guild.ID, Name: r.Name}
			if r.Staff {
				in.Overwrites = []discordsim.Overwrite{
					{ID: s.guild.ID, Deny: discordsim.ViewChannel},
					{ID: staff, Allow: discordsim.ViewChannel},
					{ID: t.d.BotID(), Member: true, Allow: discordsim.ViewChannel | discordsim.SendMessages | discordsim.ReadMessageHistory},
				}
			}
			c, err := t.d.AddChannel(in)
			if err != nil {
				return fmt.Errorf("lay out the channels: %w", err)
			}
			r.ID = c.ID.String()
			if r.Chat {
				t.chat = append(t.chat, r.ID)
			}
			if r.Staff {
				t.audit = r.ID
			}
			g.Channels = append(g.Channels, r)
		}
		t.Guilds = append(t.Guilds, g)
	}
	return nil
}

// settings are what a gateway must know of the town.
func (t *town) settings() map[string]string {
	return map[string]string{
		"CHAT_CHANNEL_IDS": strings.Join(t.chat, ","), "MODERATOR_ROLE_IDS": strings.Join(t.moderators, ","),
		"OPERATOR_USER_IDS": t.operator, "AUDIT_CHANNEL_ID": t.audit, "USER_RATE": "12/1m",
	}
}

// extras returns n members of the first server that nobody can be.
func (t *town) extras(n int) ([]discordsim.ID, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, err := discordsim.ParseID(t.Guilds[0].ID)
	if err != nil {
		return nil, err
	}
	for len(t.crowd) < min(n, maxCrowd) {
		name := crowdNames[len(t.crowd)%len(crowdNames)]
		if k := len(t.crowd) / len(crowdNames); k > 0 {
			name = fmt.Sprint(name, k+1)
		}
		u := t.d.AddUser(name, false)
		if err := t.d.AddMember(g, u.ID); err != nil {
			return nil, fmt.Errorf("let the crowd in: %w", err)
		}
		t.crowd = append(t.crowd, u.ID)
		t.names[u.ID.String()] = name
	}
	return slices.Clone(t.crowd[:min(n, len(t.crowd))]), nil
}

// known are the names of everybody by id.
func (t *town) known() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[string]string, len(t.names))
	for k, v := range t.names {
		out[k] = v
	}
	return out
}

// prune deletes the oldest of the threads that the bot opened, over a bound.
func (t *town) prune() {
	all := t.d.Threads()
	for i := 0; i < len(all)-keepThreads; i++ {
		_ = t.d.DeleteThread(all[i].ID) // gone already: fine
	}
}

var crowdNames = strings.Fields("Ada Bao Cem Dana Eli Fay Gus Hana Ivo Jun Kai Lea Max Nia Oz Pia Quin Rae Sam Tess " +
	"Uma Vic Wren Xan Yui Zoe Amir Bea Cleo Dov Esme Finn Gwen Hugo Iris Jack Kit Luz Milo Nora")
