package setting

import (
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"salamander.dev/shared/secret"
)

// Common are the settings that both services have.
type Common struct {
	// One or more server URLs, comma separated.
	NATSURLs []string `env:"NATS_URL" envDefault:"nats://127.0.0.1:4222" expect:"one or more NATS URLs, comma separated, such as nats://127.0.0.1:4222"`
	// User at NATS.
	NATSUser string `env:"NATS_USER"`
	// Password of `NATS_USER`.
	NATSPassword secret.String `env:"NATS_PASSWORD" expect:"the password of NATS_USER"`
	// Path of a NATS credentials file, instead of user and password.
	NATSCredsFile string `env:"NATS_CREDS_FILE" expect:"the path of a NATS credentials file"`
	// Path of a PEM file with the authority that signed NATS' certificate (TLS); empty: the system's authorities.
	NATSCAFile string `env:"NATS_CA_FILE" expect:"the path of a PEM file with the authority that signed the server's certificate"`
	// Replicas of the streams and buckets that are created.
	NATSReplicas int `env:"NATS_REPLICAS" envDefault:"1" expect:"1, 3 or 5"`
	// `auto`: create what is missing and reconcile what differs (replicas, bounds and ages are never lowered);
	// `never`: the service has no such right, and `gateway provision` does it.
	NATSProvision string `env:"NATS_PROVISION" envDefault:"auto" expect:"auto or never"`

	// Where `/livez`, `/readyz` and `/metrics` are served; port 0 takes a free one, and the real address is logged
	// at the start.
	HTTPAddr string `env:"HTTP_ADDR" envDefault:"127.0.0.1:0" expect:"host:port, such as 127.0.0.1:8081"`

	// The least level that is logged.
	LogLevel string `env:"LOG_LEVEL" envDefault:"info" expect:"trace, debug, info, warn or error"`
	// `console` is for people.
	LogFormat string `env:"LOG_FORMAT" envDefault:"json" expect:"json or console"`
	// Text of users and of the model in logs: `never`, beside `failures` only, or `always`.
	LogContent string `env:"LOG_CONTENT" envDefault:"failures" expect:"never, failures or always"`

	// How long a service may take to finish or hand back what is in flight after SIGTERM or SIGINT.
	DrainTimeout time.Duration `env:"DRAIN_TIMEOUT" envDefault:"25s" expect:"a duration over 0 and up to 1h, such as 25s"`
	// Where traces are exported to (OTLP over HTTP); the other standard `OTEL_*` variables hold too; empty: none.
	OTLPEndpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT" expect:"a URL such as http://127.0.0.1:4318"`
	// Hosts beside the loopback that may be reached over plain http, so that a mistyped URL never receives a token.
	AllowHTTPHosts []string `env:"ALLOW_HTTP_HOSTS" expect:"host names, comma separated"`
}

// Check adds what is wrong with the values of c.
func (c Common) Check(p *Problems) {
	c.CheckNATS(p)
	_, port, err := net.SplitHostPort(c.HTTPAddr)
	if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		p.Add("HTTP_ADDR", c.HTTPAddr, "host:port, such as 127.0.0.1:8081")
	}
	if u, err := url.Parse(c.OTLPEndpoint); c.OTLPEndpoint != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
		p.Add("OTEL_EXPORTER_OTLP_ENDPOINT", WithoutUser(c.OTLPEndpoint), "a URL such as http://127.0.0.1:4318")
	}
	oneOf(p, "LOG_LEVEL", c.LogLevel, "trace", "debug", "info", "warn", "error")
	oneOf(p, "LOG_FORMAT", c.LogFormat, "json", "console")
	oneOf(p, "LOG_CONTENT", c.LogContent, "never", "failures", "always")
	if c.DrainTimeout <= 0 || c.DrainTimeout > time.Hour {
		p.Add("DRAIN_TIMEOUT", c.DrainTimeout.String(), "a duration over 0 and up to 1h, such as 25s")
	}
}

// LoadNATS reads and checks the settings of NATS alone, for subcommands that need no more.
func LoadNATS(environ map[string]string) (Common, error) {
	var c Common
	var p Problems
	p.Merge(Load(&c, Only(environ, "NATS_URL", "NATS_USER", "NATS_PASSWORD", "NATS_PASSWORD_FILE", "NATS_CREDS_FILE", "NATS_CA_FILE",
		"NATS_REPLICAS", "NATS_PROVISION")))
	c.CheckNATS(&p)
	return c, p.Err()
}

// Only leaves the named variables of an environment.
func Only(environ map[string]string, names ...string) map[string]string {
	out := map[string]string{}
	for _, n := range names {
		if v, ok := environ[n]; ok {
			out[n] = v
		}
	}
	return out
}

// CheckNATS adds what is wrong with the settings of NATS alone.
func (c Common) CheckNATS(p *Problems) {
	if len(c.NATSURLs) == 0 {
		p.Add("NATS_URL", "", "one or more NATS URLs, comma separated, such as nats://127.0.0.1:4222")
	}
	for _, u := range c.NATSURLs {
		scheme, rest, ok := strings.Cut(u, "://")
		if !ok || rest == "" || (scheme != "nats" && scheme != "tls" && scheme != "ws" && scheme != "wss") {
			p.Add("NATS_URL", WithoutUser(u), "NATS URLs, comma separated, such as nats://127.0.0.1:4222")
		} else if strings.Contains(rest, "@") {
			p.Add("NATS_URL", WithoutUser(u), "a URL without credentials: set NATS_USER and NATS_PASSWORD")
		}
	}
	if c.NATSReplicas != 1 && c.NATSReplicas != 3 && c.NATSReplicas != 5 {
		p.Add("NATS_REPLICAS", strconv.Itoa(c.NATSReplicas), "1, 3 or 5")
	}
	oneOf(p, "NATS_PROVISION", c.NATSProvision, "auto", "never")
	if c.NATSCredsFile != "" && c.NATSUser != "" {
		p.Add("NATS_CREDS_FILE", c.NATSCredsFile, "nothing, since NATS_USER is set too: use one of them")
	}
	readable(p, "NATS_CREDS_FILE", c.NATSCredsFile, "the path of a NATS credentials file that this user can read")
	readable(p, "NATS_CA_FILE", c.NATSCAFile, "the path of a PEM file that this user can read")
	if c.NATSUser == "" && !c.NATSPassword.Empty() {
		p.Add("NATS_USER", "", "the user of NATS_PASSWORD")
	}
}

// readable adds a path that can't be opened.
func readable(p *Problems, variable, path, expected string) {
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		p.Add(variable, path, expected+" ("+cause(err)+")")
		return
	}
	_ = f.Close()
}

// WithoutUser hides what stands before the @ of a URL.
func WithoutUser(u string) string {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		scheme, rest = "", u
	} else {
		scheme += "://"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "…" + rest[i:]
	}
	return scheme + rest
}

func oneOf(p *Problems, variable, value string, allowed ...string) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	last := len(allowed) - 1
	p.Add(variable, value, strings.Join(allowed[:last], ", ")+" or "+allowed[last])
}
