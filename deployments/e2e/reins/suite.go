package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// The world: in the first half of the servers moderators stop and start the bot, the others are bystanders.
const (
	servers  = 8
	rooms    = 2
	people   = 3
	operator = discordsim.ID(1_000_000_000_000_000_001)
)

// town is one server.
type town struct {
	id, owner discordsim.ID
	rooms     [rooms]discordsim.ID
	people    [people]discordsim.ID
}

// question is one message that a user sent.
type question struct {
	id   discordsim.ID
	town int
	at   time.Time
}

// suite is one run.
type suite struct {
	config
	*stack.World
	towns [servers]town

	mu    sync.Mutex
	lines []string
	errs  []string
}

func newSuite(c config) (*suite, error) {
	s := &suite{config: c}
	d := &discordsim.Server{Seed: c.seed, KeepBodies: -1, IdentifyEvery: 100 * time.Millisecond, SessionStarts: 100_000}
	h := &hfsim.Server{Reply: hfsim.Echo, Seed: c.seed, Latency: hfsim.LogNormal(300*time.Millisecond, 0.6, 3*time.Second, c.seed)}
	var err error
	s.World, err = stack.NewWorld(stack.Config{
		Lines:      s.line,
		GatewayEnv: map[string]string{"USER_RATE": "10000/1m", "OPERATOR_USER_IDS": operator.String()},
		WorkerEnv:  map[string]string{"BUDGET_LIMITS": "none", "MEMORY_TURNS": "2"},
	}, d, h)
	if err != nil {
		return nil, err
	}
	d.AddUserWith(discordsim.User{ID: operator, Name: "operator"})
	for i := range s.towns {
		if s.towns[i], err = settle(d, i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// settle lays out one server.
func settle(d *discordsim.Server, n int) (town, error) {
	g := d.AddGuild(discordsim.Guild{Name: fmt.Sprint("server ", n)})
	t := town{id: g.ID, owner: g.Owner}
	for i := range t.rooms {
		c, err := d.AddChannel(discordsim.Channel{Guild: g.ID, Name: fmt.Sprint("room-", i)})
		if err != nil {
			return t, err
		}
		t.rooms[i] = c.ID
	}
	for i := range t.people {
		t.people[i] = d.AddUser(fmt.Sprintf("user%d-%d", n, i), false).ID
		if err := d.AddMember(g.ID, t.people[i]); err != nil {
			return t, err
		}
	}
	return t, d.AddMember(g.ID, operator)
}

// ask has a user of a server ask something.
func (s *suite) ask(r *rand.Rand, n int) (question, error) {
	t := s.towns[n]
	m, err := s.Discord.Say(t.rooms[r.IntN(rooms)], t.people[r.IntN(people)], fmt.Sprintf("<@%s> what about %d?", s.Discord.BotID(), r.IntN(1_000_000)))
	return question{m.ID, n, time.Now()}, err
}

// crowd asks at a rate in the servers that it is given until stop is called, which returns what was asked.
func (s *suite) crowd(rate float64, where []int) (stop func() []question) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan []question)
	go func() {
		r := rand.New(rand.NewPCG(s.seed, 7))
		var asked []question
		begin := time.Now()
		for {
			next := begin.Add(time.Duration(float64(len(asked)+1) / rate * float64(time.Second)))
			select {
			case <-ctx.Done():
				done <- asked
				return
			case <-time.After(time.Until(next)):
			}
			q, err := s.ask(r, where[r.IntN(len(where))])
			if err != nil {
				s.broken("a question could not be asked: %v", err)
			}
			asked = append(asked, q)
		}
	}()
	return func() []question { cancel(); return <-done }
}

// command has somebody type a command and waits for its answer; took is from typed to posted.
func (s *suite) command(ctx context.Context, room, user discordsim.ID, text string) (answer discordsim.Post, command discordsim.ID, took time.Duration, err error) {
	typed := time.Now()
	m, err := s.Discord.Say(room, user, text)
	if err != nil {
		return answer, 0, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.Discord.WaitFor(ctx, func() bool { return s.Discord.ReplyCount(m.ID) > 0 }); err != nil {
		return answer, m.ID, 0, fmt.Errorf("%s has no answer: %w", text, err)
	}
	answer = s.Discord.Replies(m.ID)[0]
	return answer, m.ID, answer.Received.Sub(typed), nil
}

// answered waits until questions have their answers, and returns how many were lost or answered twice, and how long
// the answers took.
func (s *suite) answered(ctx context.Context, asked []question) (lost, twice int, waits []time.Duration) {
	ids := make([]discordsim.ID, len(asked))
	for i, q := range asked {
		ids[i] = q.id
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_ = s.Discord.WaitFor(ctx, func() bool { // what is still open then is lost
		counts := s.Discord.ReplyCounts(ids)
		for _, n := range counts {
			if n == 0 {
				return false
			}
		}
		return true
	})
	for _, q := range asked {
		switch all := s.Discord.Replies(q.id); {
		case len(all) == 0:
			lost++
			s.broken("question %v in server %d has no answer", q.id, q.town)
		case len(all) > 1:
			twice++
			s.broken("question %v in server %d has %d answers", q.id, q.town, len(all))
		default:
			waits = append(waits, all[0].Received.Sub(q.at))
		}
	}
	slices.Sort(waits)
	return lost, twice, waits
}

// at is a percentile of sorted times.
func at(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(p*float64(len(sorted)-1))].Round(100 * time.Microsecond)
}

func (s *suite) broken(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, fmt.Sprintf(format, args...))
}

const maxLines = 200_000

func (s *suite) line(name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := time.Now().Format("15:04:05.000 ") + name + " " + text
	if s.verbose {
		fmt.Println(l)
	}
	if s.lines = append(s.lines, l); len(s.lines) > maxLines {
		s.lines = slices.Delete(s.lines, 0, maxLines/2)
	}
}

// failed writes what the processes said to a file.
func (s *suite) failed(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ferr := os.CreateTemp("", "salamander-reins-*.log")
	if ferr != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, _ = f.WriteString(strings.Join(s.lines, "\n"))
	return fmt.Errorf("%w; the processes' lines are in %s", err, f.Name())
}

// upto are the first n servers, from those behind them.
func upto(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func from(n int) (all []int) {
	for i := n; i < servers; i++ {
		all = append(all, i)
	}
	return all
}
