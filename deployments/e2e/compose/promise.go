package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// promised checks what docker-compose.yml promises of every container, by what the engine tells of it.
func (p *project) promised(ctx context.Context) error {
	all, err := p.containers(ctx)
	if err != nil {
		return err
	}
	var broken []string
	complain := func(c container, format string, args ...any) {
		broken = append(broken, c.Name+": "+fmt.Sprintf(format, args...))
	}
	running := 0
	for _, c := range all {
		h := c.HostConfig
		oneShot := h.RestartPolicy.Name == "no"
		if !oneShot {
			running++
		}
		switch {
		case oneShot && (c.State.Status != "exited" || c.State.ExitCode != 0):
			complain(c, "a step that runs once is %s with code %d", c.State.Status, c.State.ExitCode)
		case !oneShot && (c.State.Health == nil || c.State.Health.Status != "healthy"):
			complain(c, "not healthy")
		}
		if c.Config.User != "65532:65532" {
			complain(c, "runs as user %q", c.Config.User)
		}
		// Secrets that come from the environment are written into this one container's file system by compose.
		if !h.ReadonlyRootfs && c.service() != "credentials" {
			complain(c, "its root file system can be written")
		}
		if h.Privileged || !slices.Equal(h.CapDrop, []string{"ALL"}) || len(h.CapAdd) > 0 {
			complain(c, "privileged %v, capabilities dropped %v, added %v", h.Privileged, h.CapDrop, h.CapAdd)
		}
		if !slices.ContainsFunc(h.SecurityOpt, func(o string) bool { return strings.HasPrefix(o, "no-new-privileges") }) {
			complain(c, "may gain privileges: %v", h.SecurityOpt)
		}
		if h.Memory == 0 || h.NanoCpus == 0 || h.PidsLimit == nil || *h.PidsLimit <= 0 {
			complain(c, "without a bound of memory, processors or processes")
		}
		if !oneShot && (h.RestartPolicy.Name != "unless-stopped" || h.LogConfig.Config["max-size"] == "") {
			complain(c, "restart policy %q, log %v", h.RestartPolicy.Name, h.LogConfig.Config)
		}
		for port, at := range h.PortBindings {
			for _, b := range at {
				if b.HostIp != "127.0.0.1" {
					complain(c, "port %s is published on %q", port, b.HostIp)
				}
			}
		}
		if s := c.service(); s == "gateway" || s == "worker" {
			if t := c.Config.StopTimeout; t == nil || time.Duration(*t)*time.Second <= 25*time.Second {
				complain(c, "may be killed while it drains")
			}
		}
		for _, secret := range p.secrets {
			if strings.Contains(c.raw, secret) && c.service() != "discord" && c.service() != "huggingface" {
				complain(c, "docker inspect shows a secret")
			}
		}
	}
	if len(broken) > 0 {
		return fmt.Errorf("docker-compose.yml breaks its word:\n%s", strings.Join(broken, "\n"))
	}
	p.found("containers", "%d run, %d ran once: user 65532, root read-only, no capabilities, bounded, healthy, no secret in `docker inspect`",
		running, len(all)-running)
	return p.kernelAgrees(ctx, all)
}

// kernelAgrees asks the kernel what each process really has.
func (p *project) kernelAgrees(ctx context.Context, all []container) error {
	var script strings.Builder
	names := map[string]string{}
	for _, c := range all {
		if c.State.Pid == 0 {
			continue
		}
		names[fmt.Sprint(c.State.Pid)] = c.Name
		fmt.Fprintf(&script, "echo process %d; grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/%[1]d/status; grep ' / / ' /proc/%[1]d/mountinfo\n", c.State.Pid)
	}
	out, err := p.docker(ctx, "run", "--rm", "--user=65532:65532", "--pid=host", "--network=none", "--entrypoint=", p.goImage, "sh", "-c", script.String())
	if err != nil {
		return err
	}
	var broken []string
	seen := 0
	for part := range strings.SplitSeq(out, "process ") {
		pid, text, ok := strings.Cut(part, "\n")
		if !ok {
			continue
		}
		seen++
		for _, want := range []string{"Uid:\t65532\t65532", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", " / / ro,"} {
			if !strings.Contains(text, want) {
				broken = append(broken, fmt.Sprintf("%s: no %q in\n%s", names[pid], want, text))
			}
		}
	}
	if len(broken) > 0 || seen != len(names) {
		return fmt.Errorf("the kernel sees %d of %d processes: %s", seen, len(names), strings.Join(broken, "\n"))
	}
	p.found("kernel", "%d processes: uid 65532, no effective capability, none to gain, no new privileges, seccomp on, / mounted read-only", seen)
	return nil
}

// ownImages are those that are built from nothing: the program and what it can't do without.
var ownImages = []string{"gateway", "worker", "sim", "credentials"}

// images checks what the images hold, and says how large they are.
func (p *project) images(ctx context.Context) error {
	var sizes []string
	for _, name := range append(slices.Clone(ownImages), "nats") {
		image := "salamander/" + name + ":suite"
		size, err := p.docker(ctx, "image", "inspect", "--format", "{{.Size}}", image)
		if err != nil {
			return err
		}
		var bytes float64
		if _, err := fmt.Sscan(size, &bytes); err != nil {
			return err
		}
		sizes = append(sizes, fmt.Sprintf("%s %.1f MB", name, bytes/1e6))
		history, err := p.docker(ctx, "history", "--no-trunc", image)
		if err != nil {
			return err
		}
		for _, secret := range p.secrets {
			if strings.Contains(history, secret) {
				return fmt.Errorf("the history of %s shows a secret", image)
			}
		}
		if name == "nats" {
			continue
		}
		if err := p.onlyProgram(ctx, image); err != nil {
			return err
		}
	}
	p.found("images", "%s; static, nothing in them but the program, certificates and a user's name", strings.Join(sizes, ", "))
	return nil
}

// onlyProgram fails if an image holds a file that is not expected, or a program that needs a library.
func (p *project) onlyProgram(ctx context.Context, image string) error {
	id, err := p.docker(ctx, "create", "--network=none", image)
	if err != nil {
		return err
	}
	id = strings.TrimSpace(id)
	defer func() { _, _ = p.docker(context.WithoutCancel(ctx), "rm", id) }()
	out, err := p.docker(ctx, "export", id)
	if err != nil {
		return err
	}
	files, program, err := untar(out, "service")
	if err != nil {
		return err
	}
	// The engine adds the last ones to every container.
	expected := []string{"service", "etc/passwd", "etc/ssl/certs/ca-certificates.crt", ".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"}
	for _, f := range files {
		if !slices.Contains(expected, path.Clean(f)) {
			return fmt.Errorf("%s holds %s", image, f)
		}
	}
	return static(program)
}
