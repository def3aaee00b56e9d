// Package credential makes what the processes of one deployment identify themselves with: a password for each NATS
// user, the file of hashes that nats-server includes, and, if wanted, a certificate authority for TLS. Nothing that it
// makes is ever in the repository or in an image.
//
// Below the folder that it is given, each process has a folder of its own, so that it can be given that one alone:
//
//	nats/users.conf, nats/route.conf       hashes of the users' passwords; how the servers of a cluster find each other
//	nats/tls/server.pem, server.key        with TLS
//	admin/password, admin/system_password  for provisioning, tools and people
//	gateway/password, gateway/discord_token
//	worker/password, worker/hf_api_keys
//	*/ca.pem                               with TLS; admin/ca.key signs the next certificate
package credential

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Options say what is made beside the passwords.
type Options struct {
	// DiscordToken and HFKeys are handed to their service's folder; empty ones leave what is there.
	DiscordToken, HFKeys string
	// TLSNames are the host names and addresses of the servers; none makes no TLS.
	TLSNames []string
	// Routes are the host names of a cluster's servers; none: n1, n2 and n3.
	Routes []string
	// Rotate makes every password anew. All processes must then be restarted, NATS first.
	Rotate bool
}

// user is one NATS user: where its password lies and the variable that nats-server's configuration has its hash in.
type user struct{ variable, file string }

// routeVariable is the password between the servers of a cluster.
const routeVariable = "ROUTE_PASSWORD"

var users = []user{
	{"ADMIN_PASSWORD", "admin/password"},
	{"SYSTEM_PASSWORD", "admin/system_password"},
	{"GATEWAY_PASSWORD", "gateway/password"},
	{"WORKER_PASSWORD", "worker/password"},
	{routeVariable, "admin/route_password"},
}

// Make writes what is missing below dir and keeps what is there, so that it may run at every start. The result says in
// a line each what it did.
func Make(dir string, o Options) (did []string, err error) {
	var conf strings.Builder
	conf.WriteString("# Made by deployments/nats/creds; hashes, not passwords.\n")
	route := ""
	before, err := os.ReadFile(filepath.Join(dir, "nats/users.conf"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, u := range users {
		password, made, err := ensure(filepath.Join(dir, u.file), o.Rotate)
		if err != nil {
			return did, err
		}
		if made {
			did = append(did, "made "+u.file)
		}
		if u.variable == routeVariable { // servers show it to each other: no hash would do
			route = routes(password, o.Routes)
			continue
		}
		h, err := hash(string(before), u.variable, password)
		if err != nil {
			return did, fmt.Errorf("hash %s: %w", u.file, err)
		}
		fmt.Fprintf(&conf, "%s: %q\n", u.variable, h)
	}
	if conf.String() != string(before) {
		if err := write(filepath.Join(dir, "nats/users.conf"), conf.String()); err != nil {
			return did, err
		}
		did = append(did, "wrote nats/users.conf")
	}
	if err := write(filepath.Join(dir, "nats/route.conf"), route); err != nil {
		return did, err
	}
	for file, value := range map[string]string{"gateway/discord_token": o.DiscordToken, "worker/hf_api_keys": o.HFKeys} {
		if value = strings.TrimSpace(value); value == "" {
			continue
		}
		if err := write(filepath.Join(dir, file), value+"\n"); err != nil {
			return did, err
		}
		did = append(did, "wrote "+file)
	}
	if len(o.TLSNames) > 0 {
		made, err := makeTLS(dir, o.TLSNames)
		did = append(did, made...)
		if err != nil {
			return did, err
		}
	}
	return did, nil
}

// routes is what cluster.conf includes: the servers' password, and the addresses of all, which must carry it too.
func routes(password string, hosts []string) string {
	if len(hosts) == 0 {
		hosts = []string{"n1", "n2", "n3"}
	}
	urls := make([]string, len(hosts))
	for i, h := range hosts {
		urls[i] = strconv.Quote("nats-route://route:" + password + "@" + net.JoinHostPort(strings.TrimSpace(h), "6222"))
	}
	return fmt.Sprintf("%s: %q\nROUTES: [ %s ]\n", routeVariable, password, strings.Join(urls, ", "))
}

// ensure reads a password, or makes one of 256 random bits.
func ensure(file string, anew bool) (password string, made bool, err error) {
	if !anew {
		have, err := os.ReadFile(file)
		if err == nil && len(strings.TrimSpace(string(have))) > 0 {
			return strings.TrimSpace(string(have)), false, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", false, err
		}
	}
	password = base64.RawURLEncoding.EncodeToString(random(32))
	return password, true, write(file, password+"\n")
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// hash returns the hash that the file before has for the password, or a new one. The passwords are random, so the
// lowest cost that the server accepts without a warning is enough: every process that connects pays it.
func hash(before, variable, password string) (string, error) {
	for line := range strings.Lines(before) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		value = strings.Trim(value, `"`)
		if ok && name == variable && bcrypt.CompareHashAndPassword([]byte(value), []byte(password)) == nil {
			return value, nil
		}
	}
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	return string(h), err
}

// write replaces a file in one step, readable by its owner alone.
func write(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(file), ".next-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(next.Name()) }() // gone when it was renamed
	if _, err := next.WriteString(text); err != nil {
		_ = next.Close()
		return err
	}
	if err := next.Close(); err != nil {
		return err
	}
	return os.Rename(next.Name(), file)
}
