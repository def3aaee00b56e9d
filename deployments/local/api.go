package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"salamander.dev/shared/sim/discordsim"
)

// helloMessage is all that a page needs to begin.
type helloMessage struct {
	Real struct {
		Discord bool `json:"discord"`
		Model   bool `json:"model"`
	} `json:"real"`
	Kind     string            `json:"kind"`
	LogFile  string            `json:"log_file"`
	Guilds   []place           `json:"guilds"`
	People   []person          `json:"people"`
	Bot      string            `json:"bot"`
	Names    map[string]string `json:"names"`
	Threads  []thread          `json:"threads"`
	Messages []message         `json:"messages"`
	State    stateMessage      `json:"state"`
	Logs     []logLine         `json:"logs"`
}

// helloEach is how many messages of each channel a page is given at its start.
const helloEach = 60

func (p *playground) hello() any {
	var h helloMessage
	h.Real.Discord, h.Real.Model = p.discord == nil, p.hugging == nil
	h.Kind, h.LogFile = p.kind(), p.logs.path
	p.state.mu.Lock()
	h.State = p.state.last
	p.state.mu.Unlock()
	h.Logs = p.logs.since(0)
	if p.discord == nil {
		return h
	}
	h.Guilds, h.People, h.Bot, h.Names = p.town.Guilds, p.town.People, p.town.Bot, p.town.known()
	var rooms []string
	for _, g := range p.town.Guilds {
		for _, r := range g.Channels {
			rooms = append(rooms, r.ID)
		}
	}
	for _, who := range p.town.People {
		rooms = append(rooms, who.DM)
	}
	for _, t := range p.discord.Threads() {
		h.Threads = append(h.Threads, wireThread(t))
		rooms = append(rooms, t.ID.String())
	}
	for _, r := range rooms {
		id, err := discordsim.ParseID(r)
		if err != nil {
			continue
		}
		all := p.discord.Messages(id)
		for _, m := range all[max(0, len(all)-helloEach):] {
			h.Messages = append(h.Messages, p.wire(m))
		}
	}
	return h
}

func (p *playground) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/commands", p.commands)
	order(mux, "/api/say", p.say)
	order(mux, "/api/edit", p.edit)
	order(mux, "/api/delete", p.remove)
	order(mux, "/api/slash", p.slash)
	order(mux, "/api/trouble", func(o troubleOrder) (any, error) {
		what, err := p.makeTrouble(o)
		return map[string]string{"done": what}, err
	})
	order(mux, "/api/crowd", func(o struct {
		crowdOrder
		On bool `json:"on"`
	}) (any, error) {
		defer p.state.poke()
		if !o.On {
			p.crowd.halt()
			return map[string]string{"done": "the crowd went home"}, nil
		}
		return map[string]string{"done": fmt.Sprintf("%d people talk", o.People)}, p.crowd.begin(p, o.crowdOrder)
	})
	order(mux, "/api/story", func(o struct {
		On bool `json:"on"`
	}) (any, error) {
		defer p.state.poke()
		if !o.On {
			p.endStory()
			return map[string]string{"done": "the story ends"}, nil
		}
		return map[string]string{"done": "the story begins"}, p.tellStory()
	})
}

// maxTyped is what Discord lets a person without Nitro type, in characters.
const maxTyped = 2000

var errTyped = errors.New("a message has 1 to 2,000 characters on Discord")

// somebody checks that an order comes from one of the people one can be.
func (p *playground) somebody(id string) (discordsim.ID, error) {
	if p.discord == nil {
		return 0, errReal
	}
	for _, x := range p.town.People {
		if x.ID == id {
			return discordsim.ParseID(id)
		}
	}
	return 0, errors.New("nobody of that name is here")
}

func (p *playground) say(o struct {
	Channel string `json:"channel"`
	User    string `json:"user"`
	Text    string `json:"text"`
	ReplyTo string `json:"reply_to"`
	Nonce   string `json:"nonce"`
}) (any, error) {
	who, err := p.somebody(o.User)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(o.Text) == "" || utf8.RuneCountInString(o.Text) > maxTyped {
		return nil, errTyped
	}
	room, err := discordsim.ParseID(o.Channel)
	if err != nil {
		return nil, err
	}
	if c, ok := p.discord.Channel(room); !ok || (c.Type == discordsim.DMChannel && c.Recipient != who) {
		return nil, errors.New("there is no such channel for you")
	}
	if !p.discord.Permissions(room, who).Has(discordsim.ViewChannel) {
		return nil, errors.New("you can't see that channel")
	}
	opts := discordsim.SayOpts{Nonce: o.Nonce}
	if o.ReplyTo != "" {
		if opts.ReplyTo, err = discordsim.ParseID(o.ReplyTo); err != nil {
			return nil, err
		}
	}
	m, err := p.discord.Say(room, who, o.Text, opts)
	return map[string]string{"id": m.ID.String()}, err
}

// own finds a message that a person wrote.
func (p *playground) own(user, id string) (discordsim.ID, error) {
	who, err := p.somebody(user)
	if err != nil {
		return 0, err
	}
	at, err := discordsim.ParseID(id)
	if err != nil {
		return 0, err
	}
	if m, ok := p.discord.Message(at); !ok || m.Author != who {
		return 0, errors.New("that message is not yours, or gone")
	}
	return at, nil
}

func (p *playground) edit(o struct {
	User    string `json:"user"`
	Message string `json:"message"`
	Text    string `json:"text"`
}) (any, error) {
	at, err := p.own(o.User, o.Message)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(o.Text) == "" || utf8.RuneCountInString(o.Text) > maxTyped {
		return nil, errTyped
	}
	_, err = p.discord.Edit(at, o.Text)
	return map[string]string{}, err
}

func (p *playground) remove(o struct {
	User    string `json:"user"`
	Message string `json:"message"`
}) (any, error) {
	at, err := p.own(o.User, o.Message)
	if err != nil {
		return nil, err
	}
	return map[string]string{}, p.discord.Delete(at)
}

func (p *playground) slash(o struct {
	Channel string         `json:"channel"`
	User    string         `json:"user"`
	Command string         `json:"command"`
	Options map[string]any `json:"options"`
}) (any, error) {
	who, err := p.somebody(o.User)
	if err != nil {
		return nil, err
	}
	room, err := discordsim.ParseID(o.Channel)
	if err != nil {
		return nil, err
	}
	i, err := p.discord.RunSlash(room, who, o.Command, o.Options)
	if err != nil {
		return nil, err
	}
	p.feed.send("response", wireResponse(i)) // shown as thinking until the bot answers
	return map[string]string{"id": i.ID.String()}, nil
}

// commands lists the slash commands of a place, with their descriptions as the bot registered them.
func (p *playground) commands(w http.ResponseWriter, r *http.Request) {
	if p.discord == nil {
		answer(w, http.StatusForbidden, map[string]string{"error": errReal.Error()})
		return
	}
	list := p.discord.Commands(0)
	if g, err := discordsim.ParseID(r.URL.Query().Get("guild")); err == nil {
		list = append(list, p.discord.Commands(g)...)
	}
	answer(w, http.StatusOK, list)
}
