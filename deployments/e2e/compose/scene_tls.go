package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// tls is the overlay with TLS between the services and NATS, for a single server and for the cluster.
func (s *suite) tls(ctx context.Context) error {
	if err := s.secured(ctx, "tls", "TLS", "docker-compose.yml", "deployments/docker/compose.tls.yml"); err != nil {
		return err
	}
	return s.secured(ctx, "cluster-tls", "TLS in the cluster", append(slices.Clone(clusterFiles), "deployments/docker/compose.cluster.tls.yml")...)
}

func (s *suite) secured(ctx context.Context, name, title string, files ...string) (err error) {
	p := s.newProject(name, files)
	defer func() {
		if err != nil {
			p.logs()
		}
		err = errors.Join(err, p.down())
	}()
	p.say("%s", title)
	if err := p.up(ctx, "--build", "--scale", "worker=1"); err != nil {
		return err
	}
	c, err := p.newCrowd(ctx, 4)
	if err != nil {
		return err
	}
	for range 4 {
		if err := c.ask(ctx); err != nil {
			return err
		}
	}
	v, err := c.settle(ctx, time.Minute)
	if err != nil {
		return err
	}
	// A client that was given no authority turns away from the server, and says why.
	id, err := p.compose(ctx, "run", "--detach", "--no-deps", "-e", "NATS_CA_FILE=", "provision", "provision")
	if err != nil {
		return err
	}
	id = strings.TrimSpace(id)
	defer func() { _, _ = p.docker(context.WithoutCancel(ctx), "rm", "--force", id) }()
	err = p.await(ctx, "a client without the authority to refuse the server", time.Minute, func() (bool, error) {
		out, err := p.command(ctx, p.suite.env, nil, "sh", "-c", "docker logs "+id+" 2>&1")
		return strings.Contains(out, "check NATS_CA_FILE"), err
	})
	if err != nil {
		return err
	}
	p.found(title, "%s; a client without the authority does not speak to the server, and says why", v)
	return nil
}
