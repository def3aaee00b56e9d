package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// playground is the compose file as it is, with everything that happens to it in a year.
func (s *suite) playground(ctx context.Context) (err error) {
	token, key := "suite.discord."+rand.Text(), "hf_suite_"+rand.Text()
	p := s.newProject("playground", nil,
		"DISCORD_TOKEN="+token, "SIM_DISCORD_TOKEN="+token, "HF_API_KEYS=primary="+key, "SIM_HF_KEYS=primary="+key)
	p.secrets = []string{token, key}
	defer func() {
		if err != nil {
			p.logs()
		}
		err = errors.Join(err, p.down())
	}()
	if err := p.asWritten(ctx); err != nil {
		return err
	}
	if err := p.images(ctx); err != nil {
		return err
	}
	p.say("one worker")
	if err := p.up(ctx, "--scale", "worker=1"); err != nil {
		return err
	}
	if err := p.passwords(ctx); err != nil {
		return err
	}
	if err := p.promised(ctx); err != nil {
		return err
	}
	if err := p.noShell(ctx); err != nil {
		return err
	}
	c, err := p.newCrowd(ctx, 40)
	if err != nil {
		return err
	}
	trouble := []struct {
		name string
		do   func(context.Context) error
	}{
		{"workers 1, 4, 2, 1", p.scale},
		{"worker killed", func(ctx context.Context) error { return p.killed(ctx, "worker") }},
		{"gateway killed", func(ctx context.Context) error { return p.killed(ctx, "gateway") }},
		{"nats restarted", p.restarted},
		{"nats killed", func(ctx context.Context) error { return p.killed(ctx, "nats") }},
	}
	for _, t := range trouble {
		p.say("under load: %s", t.name)
		c.forget()
		if err := c.during(ctx, s.rate, func() error { return t.do(ctx) }); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		v, err := c.settle(ctx, 2*time.Minute)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		p.found(t.name, "%s", v)
	}
	if err := p.drained(ctx, c); err != nil {
		return err
	}
	if err := c.twice(ctx); err != nil {
		return err
	}
	return p.quiet(ctx)
}

// asWritten runs the playground's command just as the compose file's head gives it to the reader, until everything is
// healthy, and ends it as a person does, by an interrupt.
func (p *project) asWritten(ctx context.Context) error {
	file, err := os.ReadFile(filepath.Join(p.root, "docker-compose.yml"))
	if err != nil {
		return err
	}
	var line string
	for l := range strings.Lines(string(file)) {
		if l = strings.TrimSpace(strings.TrimPrefix(l, "#")); strings.HasPrefix(l, "docker compose --env-file "+playgroundEnv) {
			line = l
			break
		}
	}
	words := strings.Fields(line)
	if !slices.Contains(words, "--build") {
		return errors.New("the head of docker-compose.yml does not say how to start the playground")
	}
	p.say("%s", line)
	end, err := p.begin(ctx, words...)
	if err != nil {
		return err
	}
	begin := time.Now()
	err = p.await(ctx, "the playground", 8*time.Minute, func() (bool, error) {
		all, err := p.containers(ctx, "gateway", "worker", "nats", "discord", "huggingface")
		good := 0
		for _, c := range all {
			if c.State.Health != nil && c.State.Health.Status == "healthy" {
				good++
			}
		}
		return good == 8, err
	})
	if err != nil {
		return errors.Join(err, end())
	}
	p.found("started as written", "4 workers and the rest built and healthy after %.0f s", time.Since(begin).Seconds())
	if err := p.connect(ctx); err != nil {
		return errors.Join(err, end())
	}
	c, err := p.newCrowd(ctx, 4)
	if err == nil {
		err = c.ask(ctx)
	}
	if err == nil {
		var v verdict
		if v, err = c.settle(ctx, time.Minute); err == nil {
			p.found("first question", "answered after %s", v.most.Round(time.Millisecond))
		}
	}
	if err = errors.Join(err, end()); err != nil {
		return err
	}
	return p.endedWell(ctx)
}

// passwords adds what the step `credentials` made to what must appear nowhere.
func (p *project) passwords(ctx context.Context) error {
	out, err := p.docker(ctx, "run", "--rm", "--network=none", "--entrypoint=",
		"-v", p.name+"_credentials-admin:/a:ro", "-v", p.name+"_credentials-gateway:/g:ro", "-v", p.name+"_credentials-worker:/w:ro", "-v", p.name+"_credentials-nats:/n:ro",
		p.goImage, "sh", "-c", "cat /a/*password /g/password /w/password; stat -c '%a %u %n' /a/* /g/* /w/* /n/*")
	if err != nil {
		return err
	}
	passwords := 0
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		switch {
		case len(words) == 1:
			passwords++
			p.secrets = append(p.secrets, words[0])
		case len(words) == 3 && (words[0] != "600" || words[1] != "65532"):
			return fmt.Errorf("%s has mode %s and owner %s", words[2], words[0], words[1])
		}
	}
	if passwords < 5 {
		return fmt.Errorf("%d passwords, want 5", passwords)
	}
	return nil
}

// noShell fails if a service's image lets anybody run something else in it.
func (p *project) noShell(ctx context.Context) error {
	for _, service := range []string{"gateway", "worker", "discord"} {
		c, err := p.one(ctx, service)
		if err != nil {
			return err
		}
		for _, shell := range []string{"sh", "/bin/sh", "bash", "busybox"} {
			if out, err := p.docker(ctx, "exec", c.ID, shell, "-c", "true"); err == nil {
				return fmt.Errorf("%s has a shell: %s", c.Name, out)
			}
		}
		if service == "discord" {
			continue
		}
		if _, err := p.docker(ctx, "exec", c.ID, "/service", "healthcheck"); err != nil {
			return err
		}
	}
	return nil
}
