package main

import (
	"time"

	"salamander.dev/shared/sim/discordsim"
)

// watchBuffer is how many events of the simulated Discord may wait for us.
const watchBuffer = 16384

// watch hands the simulated Discord's events to the road and to the pages, in order, until the playground ends.
func (p *playground) watch() {
	if p.discord == nil {
		return
	}
	bot := p.discord.BotID()
	sub := p.discord.Subscribe(watchBuffer)
	defer sub.Close()
	prune := time.NewTicker(10 * time.Second)
	defer prune.Stop()
	for {
		select {
		case <-p.begun.Done():
			return
		case <-prune.C:
			p.town.prune()
		case e := <-sub.C:
			switch e.Kind {
			case discordsim.EventMessage:
				p.road.message(e, bot)
				p.feed.send("message", p.wire(*e.Message))
			case discordsim.EventEdit:
				p.feed.send("message", p.wire(*e.Message))
			case discordsim.EventDelete:
				p.feed.send("delete", map[string]string{"id": e.Message.ID.String(), "channel": e.Channel.String()})
			case discordsim.EventTyping:
				p.feed.send("typing", map[string]string{"channel": e.Channel.String(), "user": e.User.String()})
			case discordsim.EventThread:
				p.feed.send("thread", wireThread(*e.Thread))
			case discordsim.EventGone:
				p.feed.send("gone", map[string]string{"id": e.Channel.String()})
			case discordsim.EventResponse:
				p.feed.send("response", wireResponse(*e.Interaction))
			}
		}
	}
}

// message is a message as the page takes it.
type message struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	Author  string `json:"author"`
	Text    string `json:"text"`
	At      int64  `json:"at"` // ms since 1970
	Edited  bool   `json:"edited,omitempty"`
	Ref     string `json:"ref,omitempty"`
	Thread  string `json:"thread,omitempty"`
	Command string `json:"command,omitempty"` // id of the slash command that it answers
	Only    string `json:"only,omitempty"`    // the user who alone sees it
	Loading bool   `json:"loading"`
	Gone    bool   `json:"gone,omitempty"`
	By      string `json:"by,omitempty"`   // who ran the slash command
	Name    string `json:"name,omitempty"` // of the slash command
	System  bool   `json:"system,omitempty"`
}

func wire(m discordsim.Message) message {
	out := message{ID: m.ID.String(), Channel: m.Channel.String(), Author: m.Author.String(), Text: m.Content, At: m.Created.UnixMilli(), Edited: !m.Edited.IsZero(), Loading: m.Flags&discordsim.FlagLoading != 0}
	if m.Reference != 0 {
		out.Ref = m.Reference.String()
	}
	if m.Thread != 0 {
		out.Thread = m.Thread.String()
	}
	if m.Interaction != 0 {
		out.Command = m.Interaction.String()
	}
	out.System = m.Type == discordsim.ThreadCreated || m.Type == discordsim.ThreadStarter
	return out
}

// wire adds who ran the slash command that a message answers.
func (p *playground) wire(m discordsim.Message) message {
	out := wire(m)
	if m.Interaction == 0 {
		return out
	}
	if i, ok := p.discord.Interaction(m.Interaction); ok {
		out.By, out.Name = i.User.String(), i.Command
		if i.Ephemeral {
			out.Only = i.User.String()
		}
	}
	return out
}

type thread struct {
	ID     string `json:"id"`
	Guild  string `json:"guild"`
	Parent string `json:"parent"`
	Name   string `json:"name"`
}

func wireThread(c discordsim.Channel) thread {
	return thread{c.ID.String(), c.Guild.String(), c.Parent.String(), c.Name}
}

// wireResponse is the answer to a slash command: the page shows the ephemeral ones to their user alone, with whoever
// ran it above each.
func wireResponse(i discordsim.Interaction) message {
	m := message{ID: "i" + i.ID.String(), Channel: i.Channel.String(), At: i.Created.UnixMilli(), Loading: i.Loading, Gone: i.Deleted}
	if i.Response != nil {
		m = wire(*i.Response)
		m.Loading = i.Loading
	}
	m.Command, m.By, m.Name, m.Gone = i.ID.String(), i.User.String(), i.Command, i.Deleted
	if i.Ephemeral {
		m.Only = i.User.String()
	}
	return m
}
