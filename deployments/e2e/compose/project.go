package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

// project is one run of the compose file under a name of its own.
type project struct {
	*suite
	name    string
	files   []string // empty: docker-compose.yml
	envFile string
	env     []string // wins over envFile
	secrets []string // values that must appear nowhere

	discord *discordsim.Client
	hugging *hfsim.Client
}

const playgroundEnv = "deployments/docker/playground.env"

// newProject prepares a project of the playground's profile. Ports are the engine's choice, tags the suite's own, and
// nothing but trouble may keep a question from its answer: no bound of a user's rate, and a budget that lasts.
func (s *suite) newProject(scene string, files []string, env ...string) *project {
	name := fmt.Sprintf("salamander-suite-%s-%d", scene, os.Getpid())
	return &project{suite: s, name: name, files: files, envFile: playgroundEnv, env: append([]string{
		"COMPOSE_PROJECT_NAME=" + name, "COMPOSE_PROGRESS=plain", "SALAMANDER_TAG=suite",
		"PLAYGROUND_DISCORD_PORT=0", "PLAYGROUND_HF_PORT=0",
		"USER_RATE=10000/1m", "BUDGET_LIMITS=100000req/1h", "SIM_HF_REPLY=echo", "SIM_HF_LATENCY=300ms",
	}, env...)}
}

// compose runs `docker compose …` for the project.
func (p *project) compose(ctx context.Context, args ...string) (string, error) {
	all := []string{"compose", "--env-file", p.envFile}
	for _, f := range p.files {
		all = append(all, "-f", f)
	}
	return p.command(ctx, slices.Concat(p.suite.env, p.env), nil, "docker", append(all, args...)...)
}

// down removes everything of the project.
func (p *project) down() error {
	if p.keep {
		p.say("left running: %s", p.name)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, err := p.compose(ctx, "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "2")
	return err
}

// up starts everything and waits until it is healthy; on failure the services' lines are kept.
func (p *project) up(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Minute)
	defer cancel()
	_, err := p.compose(ctx, append([]string{"up", "--detach", "--wait", "--quiet-pull"}, args...)...)
	if err != nil {
		p.logs()
		return err
	}
	return p.connect(ctx)
}

// logs keeps what the services wrote, for a run that failed.
func (p *project) logs() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := p.compose(ctx, "logs", "--no-color", "--timestamps")
	file := filepath.Join(os.TempDir(), p.name+".log")
	if err = errors.Join(err, os.WriteFile(file, []byte(out), 0o600)); err != nil {
		p.say("the services' lines can't be had: %v", err)
		return
	}
	p.say("the services' lines are in %s", file)
}

// connect finds the simulators' published ports.
func (p *project) connect(ctx context.Context) error {
	at := func(service string) (string, error) {
		out, err := p.compose(ctx, "port", service, "8080")
		return "http://" + strings.TrimSpace(out), err
	}
	d, err := at("discord")
	if err != nil {
		return err
	}
	h, err := at("huggingface")
	// Many ask at once: each keeps its connection.
	many := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	p.discord, p.hugging = &discordsim.Client{URL: d, HTTP: many}, hfsim.NewClient(h, nil)
	return err
}

// container is what the engine tells of one container of the project.
type container struct {
	ID, Name     string
	RestartCount int
	State        struct {
		Status   string
		Pid      int
		ExitCode int
		Health   *struct{ Status string }
	}
	Config struct {
		User        string
		Env, Cmd    []string
		Labels      map[string]string
		Healthcheck *struct{ Test []string }
		StopTimeout *int
	}
	HostConfig struct {
		ReadonlyRootfs, Privileged bool
		CapDrop, CapAdd            []string
		SecurityOpt                []string
		Memory, NanoCpus           int64
		PidsLimit                  *int64
		RestartPolicy              struct{ Name string }
		LogConfig                  struct {
			Type   string
			Config map[string]string
		}
		PortBindings map[string][]struct{ HostIp string }
	}
	raw string
}

func (c container) service() string { return c.Config.Labels["com.docker.compose.service"] }

// containers are those of the services (none named: all), also the ones that ended, by name.
func (p *project) containers(ctx context.Context, services ...string) ([]container, error) {
	ids, err := p.docker(ctx, "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project="+p.name)
	if err != nil || strings.TrimSpace(ids) == "" {
		return nil, err
	}
	out, err := p.docker(ctx, append([]string{"inspect"}, strings.Fields(ids)...)...)
	if err != nil {
		return nil, err
	}
	var each []json.RawMessage
	if err := json.Unmarshal([]byte(out), &each); err != nil {
		return nil, err
	}
	var all []container
	for _, raw := range each {
		c := container{raw: string(raw)}
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, err
		}
		if len(services) == 0 || slices.Contains(services, c.service()) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b container) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// one is the first running container of a service.
func (p *project) one(ctx context.Context, service string) (container, error) {
	all, err := p.containers(ctx, service)
	for _, c := range all {
		if c.State.Status == "running" {
			return c, err
		}
	}
	return container{}, errors.Join(err, fmt.Errorf("no container of %s runs", service))
}

// crash kills a container's process from outside, as a fault would: `docker kill` counts as a wish, after which the
// engine does not restart it.
func (p *project) crash(ctx context.Context, c container) error {
	_, err := p.docker(ctx, "run", "--rm", "--user=65532:65532", "--pid=host", "--network=none", "--entrypoint=", p.goImage,
		"sh", "-c", fmt.Sprintf("kill -9 %d", c.State.Pid))
	return err
}

// await asks cond every half second until it holds.
func (p *project) await(ctx context.Context, what string, limit time.Duration, cond func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		ok, err := cond()
		if ok && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for %s: %w", what, ctx.Err()), err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// healthy waits until n containers of the services run and every one with a health check passes it.
func (p *project) healthy(ctx context.Context, n int, services ...string) error {
	return p.await(ctx, fmt.Sprint(n, " healthy of ", services), 2*time.Minute, func() (bool, error) {
		all, err := p.containers(ctx, services...)
		good := 0
		for _, c := range all {
			if c.State.Status == "running" && (c.State.Health == nil || c.State.Health.Status == "healthy") {
				good++
			}
		}
		return good == n && len(all) == n, err
	})
}
