// Creds makes the credentials of one deployment (package credential says what and where). It keeps what is there, so it
// may run at every start: in compose it is the one-shot service `credentials`.
//
//	go run ./deployments/nats/creds -dir deployments/docker/secrets
//	go run ./deployments/nats/creds -dir … -tls nats,localhost   # also an authority and a certificate for these names
//	go run ./deployments/nats/creds -dir … -rotate               # all passwords anew
//
// DISCORD_TOKEN and HF_API_KEYS (or DISCORD_TOKEN_FILE, HF_API_KEYS_FILE) are written to the folder of the service that
// needs them; -need-tokens fails without them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"salamander.dev/deployments/nats/creds/credential"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("dir", "deployments/docker/secrets", "the folder below which everything is written")
	names := flag.String("tls", "", "host names and addresses of the servers, comma separated: make TLS certificates too")
	routes := flag.String("routes", "n1,n2,n3", "host names of a cluster's servers, comma separated")
	rotate := flag.Bool("rotate", false, "make every password anew")
	need := flag.Bool("need-tokens", false, "fail when DISCORD_TOKEN or HF_API_KEYS is empty")
	flag.Parse()
	o := credential.Options{Rotate: *rotate, Routes: strings.Split(*routes, ",")}
	if *names != "" {
		o.TLSNames = strings.Split(*names, ",")
	}
	var err error
	if o.DiscordToken, err = setting("DISCORD_TOKEN"); err != nil {
		return err
	}
	if o.HFKeys, err = setting("HF_API_KEYS"); err != nil {
		return err
	}
	if *need {
		var missing []string
		for name, v := range map[string]string{"DISCORD_TOKEN": o.DiscordToken, "HF_API_KEYS": o.HFKeys} {
			if v == "" {
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("%s: empty; copy .env.example to .env and fill it in, or try the playground, which needs no token:\n"+
				"  docker compose --env-file deployments/docker/playground.env up --build", strings.Join(missing, ", "))
		}
	}
	did, err := credential.Make(*dir, o)
	for _, line := range did {
		fmt.Println(line)
	}
	if err == nil && len(did) == 0 {
		fmt.Println("everything is there already")
	}
	return err
}

// setting reads NAME, or the file that NAME_FILE names; a file that is not there is an empty setting.
func setting(name string) (string, error) {
	if v := strings.TrimSpace(os.Getenv(name)); v != "" {
		return v, nil
	}
	file := os.Getenv(name + "_FILE")
	if file == "" {
		return "", nil
	}
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimSpace(string(raw)), nil
}
