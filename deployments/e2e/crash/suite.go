package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

const drainTimeout = 20 * time.Second

type config struct {
	length, settle                     time.Duration
	seed                               uint64
	rate                               float64
	channels, users, workers, gateways int
	style, only, bin                   string
	verbose                            bool
}

// suite is one run.
type suite struct {
	config
	*stack.World
	people []discordsim.ID
	owner  discordsim.ID          // of the server
	rooms  []discordsim.ID        // where each of them asks
	mute   map[discordsim.ID]bool // rooms where no mention is needed
	asked  []question
	log    *tail
}

// start brings everything up. Nothing but trouble may keep a question from its answer: there is no bound of the users'
// rate, and no budget.
func start(ctx context.Context, c config, d *discordsim.Server, h *hfsim.Server) (*suite, error) {
	s := &suite{config: c, log: newTail(c.verbose), mute: map[discordsim.ID]bool{}}
	chats, err := s.populate(d)
	if err != nil {
		return nil, err
	}
	var programs map[stack.Role]string
	if c.bin != "" {
		programs = map[stack.Role]string{stack.Gateway: filepath.Join(c.bin, "gateway"), stack.Worker: filepath.Join(c.bin, "worker")}
	}
	level := "info"
	if c.verbose {
		level = "debug"
	}
	s.World, err = stack.NewWorld(stack.Config{
		Programs:   programs,
		Lines:      s.log.add,
		Env:        map[string]string{"DRAIN_TIMEOUT": drainTimeout.String(), "LOG_LEVEL": level},
		GatewayEnv: map[string]string{"USER_RATE": "10000/1m", "CATCH_UP": "10m", "REPLY_STYLE": c.style, "CHAT_CHANNEL_IDS": strings.Join(chats, ",")},
		WorkerEnv:  map[string]string{"BUDGET_LIMITS": "none", "HF_TIMEOUT": "3s", "MEMORY_TURNS": "2"},
	}, d, h)
	if err != nil {
		return nil, err
	}
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = s.Up(starting, c.gateways, c.workers)
	if err == nil {
		err = s.greet(starting)
	}
	if err != nil {
		s.log.dump()
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *suite) close() {
	end, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	s.Close(end)
}

// populate lays out the channels and the users, and returns the chat channels: a third of all. Every twentieth user asks
// in direct messages.
func (s *suite) populate(d *discordsim.Server) (chats []string, err error) {
	place := d.DefaultWorld()
	s.owner = place.Owner
	var rooms []discordsim.ID
	for i := range s.channels {
		c, err := d.AddChannel(discordsim.Channel{Guild: place.Guild, Name: fmt.Sprint("room-", i)})
		if err != nil {
			return nil, err
		}
		rooms = append(rooms, c.ID)
		if i%3 == 0 {
			chats = append(chats, c.ID.String())
			s.mute[c.ID] = true
		}
	}
	for i := range s.users {
		u := d.AddUser(fmt.Sprint("user", i), false).ID
		if err := d.AddMember(place.Guild, u); err != nil {
			return nil, err
		}
		room := rooms[i%len(rooms)]
		if i%20 == 19 {
			c, err := d.OpenDM(u)
			if err != nil {
				return nil, err
			}
			room, s.mute[c.ID] = c.ID, true
		}
		s.people, s.rooms = append(s.people, u), append(s.rooms, room)
	}
	return chats, nil
}

// greet has those who ask in direct messages ask once, and waits for the answers: catch-up covers the direct-message
// channels that the bot has seen before.
func (s *suite) greet(ctx context.Context) error {
	for i := 19; i < s.users; i += 20 {
		if err := s.say(i, "hello"); err != nil {
			return err
		}
	}
	for _, q := range s.asked {
		if err := s.Discord.WaitFor(ctx, func() bool { return s.Discord.ReplyCount(q.id) > 0 }); err != nil {
			return fmt.Errorf("a question before the trouble has no answer: %w", err)
		}
	}
	rest(ctx, 2*time.Second) // the marks of the channels are stored every second
	return nil
}

// say has a user ask in the own room.
func (s *suite) say(user int, text string) error {
	q := question{user: user, room: s.rooms[user], at: time.Now()}
	if !s.mute[q.room] {
		text = fmt.Sprintf("<@%s> %s", s.Discord.BotID(), text)
	}
	m, err := s.Discord.Say(q.room, s.people[user], text)
	if err != nil {
		return err
	}
	q.id = m.ID
	s.asked = append(s.asked, q)
	return nil
}

// changes is the share of questions that are edited, and of those that are deleted, some time after they were asked.
const changes = 0.01

// ask sends questions at the rate until ctx ends. A user stays in one room. Some questions are changed.
func (s *suite) ask(ctx context.Context, changes float64) error {
	r := rand.New(rand.NewPCG(s.seed, 1))
	begin := time.Now()
	var later []func() error // changes to come, one with every further question
	for n := 0; ; n++ {
		next := begin.Add(time.Duration(float64(n) / s.rate * float64(time.Second)))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(next)):
		}
		if err := s.say(r.IntN(s.users), fmt.Sprint("question ", n)); err != nil {
			return err
		}
		if i := len(s.asked) - 1; r.Float64() < changes {
			later = append(later, func() error { s.asked[i].deleted = true; return s.Discord.Delete(s.asked[i].id) })
		} else if r.Float64() < changes {
			later = append(later, func() error {
				m, ok := s.Discord.Message(s.asked[i].id)
				if !ok {
					return nil
				}
				_, err := s.Discord.Edit(m.ID, m.Content+", edited")
				return err
			})
		}
		if len(later) > 0 && r.IntN(20) == 0 {
			if err := later[0](); err != nil {
				return err
			}
			later = later[1:]
		}
	}
}

// tell prints what went wrong and where the processes' lines are; true when nothing did.
func (s *suite) tell(faults []string) bool {
	for i, f := range faults {
		if i == 60 {
			fmt.Printf("… and %d more\n", len(faults)-i)
			break
		}
		fmt.Println(f)
	}
	if len(faults) > 0 {
		s.log.dump()
	}
	return len(faults) == 0
}
