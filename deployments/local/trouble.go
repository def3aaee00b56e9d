package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// errReal says that trouble is made on simulated sides only.
var errReal = errors.New("that side is real: the playground does it no harm")

// troubleState is what is broken on purpose now.
type troubleState struct {
	Model string `json:"model,omitempty"` // the ailment of the simulated model
	Key   string `json:"key,omitempty"`   // the key that alone has it; empty: all
	Cut   int64  `json:"cut,omitempty"`   // ms since 1970 until which Discord refuses everything
	Limit bool   `json:"limit,omitempty"` // Discord's own rate limits hold
}

// slowness is how long the simulated model thinks, and what else is broken.
type slowness struct {
	mu     sync.Mutex
	state  troubleState
	median time.Duration

	opening sync.Mutex // held while keys are opened again
}

// latency is the thinking time as it is set at each call.
func (s *slowness) latency() func(hfsim.Request) time.Duration {
	normal := hfsim.LogNormal(thinkMedian, thinkSigma, thinkMost, 1)
	return func(r hfsim.Request) time.Duration {
		s.mu.Lock()
		median := s.median
		s.mu.Unlock()
		if median > 0 {
			return hfsim.LogNormal(median, 0.2, 2*median, 1)(r)
		}
		return normal(r)
	}
}

func (p *playground) troubleState() troubleState {
	p.slow.mu.Lock()
	defer p.slow.mu.Unlock()
	t := p.slow.state
	if t.Cut < time.Now().UnixMilli() {
		t.Cut = 0
	}
	return t
}

// troubleOrder is one order of the page.
type troubleOrder struct {
	What string `json:"what"`
	Name string `json:"name"` // of a process
	Key  string `json:"key"`  // of a key
	Kind string `json:"kind"`
}

// ailments are what the simulated model can suffer from, by the page's word.
var ailments = map[string]hfsim.Fault{
	"429":       {Kind: hfsim.RateLimited, Wait: 5 * time.Second},
	"429-bare":  {Kind: hfsim.Overloaded},
	"402":       {Kind: hfsim.NoCredit},
	"401":       {Kind: hfsim.BadToken},
	"503":       {Kind: hfsim.Loading, Wait: 3 * time.Second},
	"500":       {Kind: hfsim.Internal},
	"html":      {Kind: hfsim.BadGateway},
	"garbage":   {Kind: hfsim.BrokenJSON},
	"empty":     {Kind: hfsim.EmptyText},
	"truncated": {Kind: hfsim.Truncated},
	"reset":     {Kind: hfsim.Reset},
	"400":       {Kind: hfsim.BadRequest},
}

// makeTrouble carries out one order; the sentence says what was done.
func (p *playground) makeTrouble(o troubleOrder) (string, error) {
	defer p.state.poke()
	switch o.What {
	case "kill", "add", "drain", "nats", "style":
		return p.troubleProcess(o)
	case "model", "well":
		return p.troubleModel(o)
	case "exhaust":
		return p.exhaust(o.Key)
	case "discord":
		return p.troubleDiscord(o.Kind)
	}
	return "", fmt.Errorf("unknown trouble %q", o.What)
}

// troubleProcess kills, drains and starts processes. It does nothing to a playground with a real Discord, whose
// people would be left without an answer.
func (p *playground) troubleProcess(o troubleOrder) (string, error) {
	if p.discord == nil {
		return "", errReal
	}
	switch o.What {
	case "kill":
		// A gateway and NATS come back by themselves, workers when they are asked for.
		worker := slices.Contains(p.keep.names(stack.Worker), o.Name)
		return o.Name + " was killed (SIGKILL)", p.keep.kill(o.Name, worker)
	case "drain":
		return o.Name + " drains and starts anew", p.keep.end(o.Name, true)
	case "add":
		x, err := p.keep.add(stack.Role(o.Kind))
		if err != nil {
			return "", err
		}
		return x.Name + " starts", nil
	case "nats":
		return "NATS was killed (SIGKILL); what it stored is still there", p.keep.kill("nats-1", false)
	}
	if o.Kind != "reply" && o.Kind != "thread" {
		return "", fmt.Errorf("unknown style %q", o.Kind)
	}
	p.mu.Lock()
	p.style = o.Kind
	p.mu.Unlock()
	for _, name := range p.keep.names(stack.Gateway) {
		_ = p.keep.end(name, true) // it is down: it starts with the new style anyway
	}
	return "answers come as " + map[string]string{"reply": "replies", "thread": "threads"}[o.Kind] + " now; the gateway starts anew", nil
}

// troubleModel gives the simulated model an ailment until it is well again.
func (p *playground) troubleModel(o troubleOrder) (string, error) {
	if p.hugging == nil {
		return "", errReal
	}
	f, known := ailments[o.Kind]
	if o.What == "model" && !known && o.Kind != "slow" && o.Kind != "hang" {
		return "", fmt.Errorf("unknown ailment %q", o.Kind)
	}
	if o.Key != "" && o.Key != "primary" && o.Key != "second" {
		return "", fmt.Errorf("unknown key %q", o.Key)
	}
	p.hugging.ClearFaults()
	p.slow.mu.Lock()
	p.slow.median, p.slow.state.Model, p.slow.state.Key = 0, "", ""
	if o.What == "model" {
		p.slow.state.Model, p.slow.state.Key = o.Kind, o.Key
		if o.Kind == "slow" {
			p.slow.median, p.slow.state.Key = slowMedian, ""
		}
	}
	p.slow.mu.Unlock()
	if o.What == "well" {
		opened, err := p.openKeys()
		return strings.Join(append([]string{"the model is well again"}, opened...), ", "), err
	}
	if o.Kind == "hang" {
		f = hfsim.Fault{Kind: hfsim.Hang}
	}
	if o.Kind != "slow" {
		f.Key, f.Count = o.Key, -1
		p.hugging.Inject(f)
	}
	return "the model answers with " + o.Kind + " from now on", nil
}

// Bounds of opening keys again: what the ledger may take, and by when it knows of a call that was refused just now.
const (
	openWithin   = 5 * time.Second
	settledAfter = 100 * time.Millisecond
)

// openKeys opens the keys that a 402 or a 401 closed, as an operator does who paid, or who put in a new token: the
// workers keep such a key closed until the month turns, or until one of them starts. Both sides forget what was used
// of it, Hugging Face first: while the key is closed nothing comes in between, so no call goes over a limit later.
func (p *playground) openKeys() (opened []string, err error) {
	if p.bus == nil { // nothing runs yet
		return nil, nil
	}
	p.slow.opening.Lock()
	defer p.slow.opening.Unlock()
	ctx, cancel := context.WithTimeout(p.begun, openWithin)
	defer cancel()
	time.Sleep(settledAfter)
	table, err := p.keep.stack.Command(ctx, stack.Worker, "budget")
	if err != nil {
		return nil, fmt.Errorf("the workers' ledger can't be read: try again in a moment (%w)", err)
	}
	for _, key := range closedKeys(table) {
		p.hugging.ForgetUse(key)
		if out, err := p.keep.stack.Command(ctx, stack.Worker, "budget", "reset", key); err != nil {
			return opened, fmt.Errorf("%s can't be opened again: %w: %s", key, err, out)
		}
		opened = append(opened, key+" is open again")
	}
	return opened, nil
}

// closedKeys reads the table of `worker budget`: a key, its state, a limit; a key with two limits has two lines.
func closedKeys(table string) (keys []string) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 1 && (f[1] == "resting" || f[1] == "refused") && !slices.Contains(keys, f[0]) {
			keys = append(keys, f[0])
		}
	}
	slices.Sort(keys)
	return keys
}

// exhaust uses up what is left of a key's window, in the honest way: as many questions are asked.
func (p *playground) exhaust(key string) (string, error) {
	if p.discord == nil || p.hugging == nil {
		return "", errReal
	}
	p.state.mu.Lock()
	keys := slices.Clone(p.state.last.Keys)
	p.state.mu.Unlock()
	// The keys before it in the list are used first.
	left, limited, known := 0.0, false, false
	for _, k := range keys {
		limited = false
		for _, l := range k.Limits {
			if l.Unit == "req" {
				left += max(0, l.Max-l.Used)
				limited = true
			}
		}
		if known = k.Name == key; known {
			break
		}
	}
	if !known {
		return "", fmt.Errorf("no worker knows of a key %q", key)
	}
	if !limited {
		return "", fmt.Errorf("%s has no limit in requests: no number of questions uses it up", key)
	}
	if left == 0 {
		return key + " is spent already", nil
	}
	if left > 500 {
		return "", fmt.Errorf("%s has %.0f requests left: too many to use up here", key, left)
	}
	if _, err := p.crowd.burst(p, int(left)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%.0f questions at once use up %s", left, key), nil
}

// cutFor is how long a cut Discord refuses everything.
const cutFor = 8 * time.Second

// troubleDiscord does to the gateway what Discord does on bad days.
func (p *playground) troubleDiscord(kind string) (string, error) {
	d := p.discord
	if d == nil {
		return "", errReal
	}
	switch kind {
	case "cut":
		d.Refuse(cutFor)
		p.slow.mu.Lock()
		p.slow.state.Cut = time.Now().Add(cutFor).UnixMilli()
		p.slow.mu.Unlock()
		return fmt.Sprintf("%d connections were cut, and Discord refuses everything for %s", d.CloseSockets(0), cutFor), nil
	case "reset":
		return fmt.Sprintf("%d connections were reset", d.CloseSockets(0)), nil
	case "silent":
		return fmt.Sprintf("%d connections fell silent without an end", d.HalfOpen()), nil
	case "reconnect":
		return fmt.Sprintf("Discord asked %d sessions to reconnect", d.AskReconnect()), nil
	case "invalid":
		return fmt.Sprintf("Discord ended %d sessions", d.InvalidateSessions(false)), nil
	case "500":
		d.Inject(discordsim.Fault{Route: "POST /channels/{channel}/messages", Status: 500, Times: 3})
		return "the next three posts fail with 500", nil
	case "lost":
		d.Inject(discordsim.Fault{Route: "POST /channels/{channel}/messages", DropAfter: true, Times: 3})
		return "the next three posts are made, but the gateway never hears of it", nil
	case "limits":
		p.slow.mu.Lock()
		p.slow.state.Limit = !p.slow.state.Limit
		on := p.slow.state.Limit
		p.slow.mu.Unlock()
		d.SetLimits(discordsim.RateLimits{On: on})
		if on {
			return "Discord's own rate limits hold: 5 posts in 5 s and channel", nil
		}
		return "Discord limits nothing", nil
	}
	return "", fmt.Errorf("unknown trouble with Discord %q", kind)
}
