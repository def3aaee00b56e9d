package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// base is an image that the compose file builds on; variable names another in its place.
type base struct {
	variable string
	make     func(ctx context.Context, w *tar.Writer) error
	settings []string // of the image: Dockerfile instructions
}

// pullLimit bounds how long a site may take to hand out an official image.
const pullLimit = 4 * time.Minute

// haveBases sees to the images that the repository's Dockerfiles begin from: the official one if it is there or can be
// pulled, else a stand-in with the few files that the build needs.
func (s *suite) haveBases(ctx context.Context) error {
	file, err := os.ReadFile(filepath.Join(s.root, "docker-compose.yml"))
	if err != nil {
		return err
	}
	bases := []base{
		{"GO_IMAGE", s.goBase, []string{"ENV PATH=/usr/local/go/bin:/bin GOPATH=/go GOTOOLCHAIN=local"}},
		{"NATS_IMAGE", s.natsBase, []string{"ENV PATH=/bin"}},
	}
	for _, b := range bases {
		official := regexp.MustCompile(`\$\{` + b.variable + `:-([^}]+)\}`).FindSubmatch(file)
		if official == nil {
			return fmt.Errorf("docker-compose.yml has no default for %s", b.variable)
		}
		name, err := s.haveBase(ctx, b, string(official[1]))
		if err != nil {
			return fmt.Errorf("%s: %w", b.variable, err)
		}
		s.env = append(s.env, b.variable+"="+name)
		if b.variable == "GO_IMAGE" {
			s.goImage = name
		}
	}
	return nil
}

func (s *suite) haveBase(ctx context.Context, b base, official string) (string, error) {
	if name := os.Getenv(b.variable); name != "" {
		s.say("%s is %s", b.variable, name)
		return name, nil
	}
	limit, cancel := context.WithTimeout(ctx, pullLimit)
	defer cancel()
	if _, err := s.docker(ctx, "image", "inspect", official); err == nil {
		s.say("%s is here", official)
		return official, nil
	}
	if _, err := s.docker(limit, "pull", "--quiet", official); err == nil {
		s.say("%s was pulled", official)
		return official, nil
	}
	name := "salamander-stand-in/" + official
	s.say("%s can't be had: making the stand-in %s", official, name)
	r, w := io.Pipe()
	go func() {
		t := tar.NewWriter(w)
		err := b.make(ctx, t)
		_ = w.CloseWithError(errors.Join(err, t.Close()))
	}()
	args := []string{"import"}
	for _, c := range b.settings {
		args = append(args, "--change", c)
	}
	_, err := s.command(ctx, s.env, r, "docker", append(args, "-", name)...)
	_ = r.Close() // an import that ends early must not leave the writer waiting
	if b.variable == "GO_IMAGE" {
		s.env = append(s.env, "GOPROXY=file:///modules")
	}
	return name, err
}

// goBase has a shell, this machine's Go, certificates, and the modules of this workspace as a module proxy.
func (s *suite) goBase(ctx context.Context, w *tar.Writer) error {
	if err := s.busybox(ctx, w); err != nil {
		return err
	}
	root, err := s.command(ctx, nil, nil, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	skip := regexp.MustCompile(`^(test|api|doc|misc|pkg/obj)(/|$)|/testdata(/|$)|_test\.go$`)
	if err := addTree(w, strings.TrimSpace(root), "usr/local/go", skip); err != nil {
		return err
	}
	if err := addCertificates(w); err != nil {
		return err
	}
	modules, err := s.modules(ctx)
	if err != nil {
		return err
	}
	return addTree(w, modules, "modules", regexp.MustCompile(`^sumdb(/|$)|\.(lock|partial)$`))
}

// modules downloads what the modules need, and nothing else, into a cache of the suite's own, from the machine's cache
// as far as it goes.
func (s *suite) modules(ctx context.Context) (string, error) {
	have, err := s.command(ctx, nil, nil, "go", "env", "GOMODCACHE", "GOPROXY")
	if err != nil {
		return "", err
	}
	lines := strings.Split(have, "\n")
	cache := filepath.Join(s.cache, "modules")
	for _, module := range []string{"shared", "gateway", "worker", "deployments"} {
		_, err = s.command(ctx, []string{
			"GOMODCACHE=" + cache, "GOWORK=off", "GOFLAGS=-modcacherw",
			"GOPROXY=file://" + filepath.Join(lines[0], "cache/download") + "," + lines[1],
		}, nil, "go", "mod", "download", "-C", module)
		if err != nil {
			return "", err
		}
	}
	return filepath.Join(cache, "cache/download"), nil
}

// natsBase has nats-server, built from its module, and a wget for the health check.
func (s *suite) natsBase(ctx context.Context, w *tar.Writer) error {
	if err := s.busybox(ctx, w); err != nil {
		return err
	}
	const module = "github.com/nats-io/nats-server/v2"
	version, err := s.command(ctx, []string{"GOWORK=off"}, nil, "go", "list", "-C", "deployments", "-m", "-f", "{{.Version}}", module)
	if err != nil {
		return err
	}
	version = strings.TrimSpace(version)
	program := filepath.Join(s.cache, "nats-server-"+version)
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
		if err := s.buildModule(ctx, module, version, ".", "-s -w", program, "CGO_ENABLED=0"); err != nil {
			return err
		}
	}
	return addFile(w, program, "bin/nats-server", 0o755)
}

// busybox adds a statically linked busybox, of this machine or of its distribution's package, under all its names.
func (s *suite) busybox(ctx context.Context, w *tar.Writer) error {
	program := filepath.Join(s.cache, "busybox")
	if _, err := os.Stat(program); err != nil {
		dir, err := os.MkdirTemp("", "salamander-busybox-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		const fetch = `apt-get download -qq busybox-static || { apt-get update -qq && apt-get download -qq busybox-static; }
			dpkg-deb -x busybox-static_*.deb . && cp bin/busybox "$0.next" && mv "$0.next" "$0"`
		cmd := exec.CommandContext(ctx, "sh", "-c", fetch, program)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("busybox for the stand-ins (package busybox-static): %w\n%s", err, out)
		}
	}
	if err := addFile(w, program, "bin/busybox", 0o755); err != nil {
		return err
	}
	applets, err := s.command(ctx, nil, nil, program, "--list")
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(applets) {
		if name == "busybox" {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox", Mode: 0o777}); err != nil {
			return err
		}
	}
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})
}

func addCertificates(w *tar.Writer) error {
	for _, path := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if _, err := os.Stat(path); err == nil {
			return addFile(w, path, "etc/ssl/certs/ca-certificates.crt", 0o644)
		}
	}
	return errors.New("this machine has no certificates of authorities")
}

// addTree adds the files below root as name/…, without what skip matches in their path from there.
func addTree(w *tar.Writer, root, name string, skip *regexp.Regexp) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case rel != "." && skip.MatchString(filepath.ToSlash(rel)):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil // a tar needs no entries for folders
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return addFile(w, path, name+"/"+filepath.ToSlash(rel), info.Mode().Perm()|0o444)
	})
}

func addFile(w *tar.Writer, path, name string, mode fs.FileMode) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode), Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// field is a text field of a JSON object.
func field(object, name string) (string, error) {
	var all map[string]any
	if err := json.Unmarshal([]byte(object), &all); err != nil {
		return "", err
	}
	v, ok := all[name].(string)
	if !ok {
		return "", fmt.Errorf("no field %s in %.200s", name, object)
	}
	return v, nil
}
