package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"salamander.dev/shared/sim/discordsim"
)

// crowdOrder says how a crowd talks.
type crowdOrder struct {
	People int     `json:"people"`
	Rate   float64 `json:"rate"`  // messages per second
	Share  float64 `json:"share"` // of them that ask the bot, 0 to 1
}

type crowdState struct {
	On bool `json:"on"`
	crowdOrder
	Said  int64 `json:"said"`
	Asked int64 `json:"asked"`
}

// maxRate is messages per second.
const maxRate = 100

// crowd is a number of simulated people who talk in the first server.
type crowd struct {
	mu          sync.Mutex
	order       crowdOrder
	said, asked int64
	stop        context.CancelFunc
	done        chan struct{}
	turn        int // whose turn it is to ask
}

func (c *crowd) state() crowdState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return crowdState{c.stop != nil, c.order, c.said, c.asked}
}

// begin lets a crowd talk until halt; one that talks already ends first.
func (c *crowd) begin(p *playground, o crowdOrder) error {
	if p.discord == nil || p.hugging == nil {
		return errReal
	}
	if o.People < 1 || o.People > maxCrowd || o.Rate <= 0 || o.Rate > maxRate || o.Share < 0 || o.Share > 1 {
		return fmt.Errorf("a crowd has 1 to %d people and says up to %d messages a second", maxCrowd, maxRate)
	}
	people, err := p.town.extras(o.People)
	if err != nil {
		return err
	}
	p.feed.send("names", p.town.known())
	c.halt()
	ctx, stop := context.WithCancel(p.begun)
	done := make(chan struct{})
	c.mu.Lock()
	c.order, c.stop, c.done = o, stop, done
	c.mu.Unlock()
	go func() {
		defer close(done)
		c.talk(ctx, p, people, o)
	}()
	return nil
}

// halt ends the crowd and waits.
func (c *crowd) halt() {
	c.mu.Lock()
	stop, done := c.stop, c.done
	c.stop = nil
	c.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

func (c *crowd) talk(ctx context.Context, p *playground, people []discordsim.ID, o crowdOrder) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / o.Rate))
	defer tick.Stop()
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		who := people[random.IntN(len(people))]
		if random.Float64() < o.Share {
			_, _ = c.ask(p, who, questions[random.IntN(len(questions))]) // the server is gone: the crowd's end is near
			continue
		}
		c.say(p, who, chatter[random.IntN(len(chatter))])
	}
}

// say is talk among people.
func (c *crowd) say(p *playground, who discordsim.ID, text string) {
	room, err := discordsim.ParseID(p.town.Guilds[0].Channels[1].ID)
	if err != nil {
		return
	}
	if _, err := p.discord.Say(room, who, text); err == nil {
		c.mu.Lock()
		c.said++
		c.mu.Unlock()
	}
}

// ask is a question in one of the rooms; in the one without the bot's ear it is a mention.
func (c *crowd) ask(p *playground, who discordsim.ID, text string) (string, error) {
	c.mu.Lock()
	c.turn++
	i := c.turn % 3
	c.asked++
	c.mu.Unlock()
	room := p.town.Guilds[0].Channels[i]
	if !room.Chat {
		text = "<@" + p.town.Bot + "> " + text
	}
	id, err := discordsim.ParseID(room.ID)
	if err != nil {
		return "", err
	}
	m, err := p.discord.Say(id, who, text)
	return m.ID.String(), err
}

// burst has n questions asked at once by people who did not ask lately, and returns their ids.
func (c *crowd) burst(p *playground, n int) ([]string, error) {
	people, err := p.town.extras(maxCrowd / 2)
	if err != nil {
		return nil, err
	}
	p.feed.send("names", p.town.known())
	var ids []string
	for range n {
		c.mu.Lock()
		k := c.turn
		c.mu.Unlock()
		id, err := c.ask(p, people[k%len(people)], questions[k%len(questions)])
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

var questions = []string{
	"what do salamanders eat?", "are you real fire?", "tell me a joke 😀", "how hot is lava?", "what is 12 + 30?",
	"can you live in water?", "hello Salamander!", "who are you?", "why is ember orange?", "what's your favourite colour?",
	"do you sleep in winter?", "how old are you?", "tell me a story", "thanks for yesterday 🙏", "what is 7 * 8?",
	"where do you live?", "do you like rain? 🌧️", "what can you do?", "are you a dragon?", "good evening!",
}

var chatter = []string{
	"anybody up for a game tonight?", "brb, tea ☕", "that was so good", "lol", "same here", "has anyone seen my keys?",
	"the new album is out 🎵", "I vote for pizza", "👍", "good morning all", "who left the stove on?", "see you at eight",
	"**really?**", "on my way", "that link again please", "haha no way", "`it works on my machine`", "rain all day here 🌧️",
	"happy birthday Milo! 🎂", "one more round",
}
