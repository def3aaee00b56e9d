package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

var clusterFiles = []string{"docker-compose.yml", "deployments/docker/compose.cluster.yml"}

// cluster is three NATS servers, of which one is killed and one is cut off while users ask.
func (s *suite) cluster(ctx context.Context) (err error) {
	p := s.newProject("cluster", clusterFiles)
	defer func() {
		if err != nil {
			p.logs()
		}
		err = errors.Join(err, p.down())
	}()
	p.say("a cluster of three, 2 workers")
	if err := p.up(ctx, "--build", "--scale", "worker=2"); err != nil {
		return err
	}
	if err := p.promised(ctx); err != nil {
		return err
	}
	c, err := p.newCrowd(ctx, 40)
	if err != nil {
		return err
	}
	for _, t := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"node killed", p.nodeKilled},
		{"network cut and healed", p.partitioned},
	} {
		p.say("under load: %s (the leader of the questions)", t.name)
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
	return c.twice(ctx)
}

// cut is how long a node is off the network: longer than the others take to elect a leader.
const cut = 15 * time.Second

// nodeKilled kills the node that leads the stream of questions.
func (p *project) nodeKilled(ctx context.Context) error {
	node, err := p.leader(ctx, "QUESTIONS")
	if err != nil {
		return err
	}
	return p.killed(ctx, node)
}

// partitioned takes the leader of the stream of questions off the network, for longer than an election takes.
func (p *project) partitioned(ctx context.Context) error {
	if err := p.rest(ctx, 4*time.Second); err != nil {
		return err
	}
	node, err := p.leader(ctx, "QUESTIONS")
	if err != nil {
		return err
	}
	c, err := p.one(ctx, node)
	if err != nil {
		return err
	}
	network := p.name + "_bus"
	if _, err := p.docker(ctx, "network", "disconnect", network, c.ID); err != nil {
		return err
	}
	if err := p.rest(ctx, cut); err != nil {
		return err
	}
	if _, err := p.docker(ctx, "network", "connect", "--alias", node, network, c.ID); err != nil {
		return err
	}
	if err := p.healthy(ctx, 3, "n1", "n2", "n3"); err != nil {
		return err
	}
	return p.rest(ctx, 4*time.Second)
}

// leader is the node that leads a stream, by what the nodes tell of themselves.
func (p *project) leader(ctx context.Context, stream string) (string, error) {
	c, err := p.one(ctx, "n1")
	if err != nil {
		return "", err
	}
	out, err := p.docker(ctx, "exec", c.ID, "wget", "-q", "-O", "-", "http://127.0.0.1:8222/jsz?accounts=true&streams=true")
	if err != nil {
		return "", err
	}
	var z struct {
		Accounts []struct {
			Streams []struct {
				Name    string `json:"name"`
				Cluster struct {
					Leader   string
					Replicas []struct{ Current bool }
				} `json:"cluster"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := json.Unmarshal([]byte(out), &z); err != nil {
		return "", err
	}
	for _, a := range z.Accounts {
		for _, s := range a.Streams {
			if s.Name == stream && s.Cluster.Leader != "" {
				if n := len(s.Cluster.Replicas); n != 2 {
					return "", fmt.Errorf("%s has %d copies beside its leader, want 2", stream, n)
				}
				return s.Cluster.Leader, nil
			}
		}
	}
	return "", fmt.Errorf("no leader of %s in %s", stream, strings.TrimSpace(out))
}
