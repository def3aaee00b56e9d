package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/control"
	"salamander.dev/shared/sim/hfsim"
)

// tellable says in a sentence why the story can't come to its end: its limits, or a stop that holds.
func (p *playground) tellable() error {
	limits, err := hfsim.ParseLimits(p.o.limits)
	if err != nil {
		return err
	}
	// Both keys must be spent early in a window, some questions be left for the next, and that come while one watches.
	if len(limits) == 1 && limits[0].Unit == hfsim.Requests && !limits[0].Rolling {
		window, err := time.ParseDuration(limits[0].Window)
		spent := time.Duration(limits[0].Max) * storyEvery
		if err == nil && limits[0].Max >= storyQuestions/8 && limits[0].Max < storyQuestions/2 && spent < window/2 && window <= storyPatience/2 {
			return p.unstopped()
		}
	}
	return fmt.Errorf("the story needs keys that are spent and come back while one watches, as with -limits 10req/30s; this playground runs with -limits %s", p.o.limits)
}

// unstopped says which stop holds where the story is told.
func (p *playground) unstopped() error {
	if p.bus == nil {
		return errors.New("the processes are still starting")
	}
	ctx, cancel := context.WithTimeout(p.begun, 5*time.Second)
	defer cancel()
	m, err := p.bus.NewMirror(ctx, func(control.Scope) {})
	if err != nil {
		return fmt.Errorf("the processes can't be asked whether they are stopped: try again in a moment (%w)", err)
	}
	for scope, place := range map[control.Scope]string{control.Scope(p.town.Guilds[0].ID): p.town.Guilds[0].Name, control.Fleet: "every server"} {
		if m.Desired(scope).State == control.Stopped {
			return fmt.Errorf("the bot is stopped in %s: whoever stopped it must /start it before the story", place)
		}
	}
	return nil
}

// setStage ends what was broken on purpose, and has two workers, one of which is to die.
func (p *playground) setStage() error {
	if _, err := p.troubleModel(troubleOrder{What: "well"}); err != nil {
		return err
	}
	for len(p.keep.names(stack.Worker)) < 2 {
		if _, err := p.keep.add(stack.Worker); err != nil {
			return err
		}
	}
	return nil
}
