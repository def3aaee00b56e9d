package discord

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/secret"
)

// Content says how much the settings depend on the privileged Message Content intent. Mentions and direct messages
// carry their text without it (Discord, Gateway, "Message Content Intent").
type Content uint8

const (
	// ContentOff does not ask for it: mentions and direct messages only.
	ContentOff Content = iota
	// ContentWanted asks for it, and goes on without when Discord refuses (4014), after one warning that says what is
	// then missed: messages in the bot's threads and silent replies to it.
	ContentWanted
	// ContentNeeded ends with a [*FatalError] when Discord refuses: chat channels make no sense without text.
	ContentNeeded
)

// Config is what can be tuned. The zero value of every field but Token works.
type Config struct {
	Token   secret.String // the bot's token, without "Bot "
	BaseURL string        // default https://discord.com; REST lies under <base>/api/v9
	Content Content       // default ContentOff

	ShardCount int   // default: what GET /gateway/bot recommends
	ShardIDs   []int // default: all

	HandshakeTimeout time.Duration // default 20 s, for each of: dial, upgrade and HELLO; READY or RESUMED
	DeadAfter        float64       // default 1.5 heartbeat intervals without an acknowledgement
	DeadGrace        time.Duration // default 1 s: an acknowledgement is at least so late before the connection counts as dead
	StuckAfter       time.Duration // default 15 s of a session lock that can't be had (closing holds it for 1 s); then the session is abandoned
	IdentifyEvery    time.Duration // default 5.5 s between two IDENTIFYs of one concurrency key (Discord: 5 s; the way there varies)
	RequestTimeout   time.Duration // default 15 s for one REST request
	QueueSize        int           // default 4096 events per shard between Discord and the core
	SlashSlots       int           // default 64 slash commands that are acknowledged at the same time

	// Ephemeral decides whether the answer to a slash command is visible to the asker only; default: always.
	Ephemeral func(command inbound.Slash) bool

	// invalidWait bounds the wait after op 9 (Discord's older text: 1 to 5 s); tests shorten it.
	invalidWaitMin, invalidWaitMax time.Duration
	// backoffMin and backoffMax bound the wait between two tries to connect; default 1 s and 60 s.
	backoffMin, backoffMax time.Duration
	// retryMin and retryMax bound the wait between two tries of a request; default 250 ms and 5 s.
	retryMin, retryMax time.Duration
	// roots are the authorities of the gateway's certificate; default: the system's.
	roots *x509.CertPool
	// blind lets op 7 and op 9 through to discordgo, as without us; only to prove the watchdog.
	blind bool
}

// Deps are what a Client is given. Every field but Log may stay empty.
type Deps struct {
	Log     zerolog.Logger
	Metrics prometheus.Registerer // default: counted, but not exported
	Gate    IdentifyGate          // default: one for this process
	// Transport carries REST; default: a clone of [http.DefaultTransport]. Tests put faults here.
	Transport http.RoundTripper
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// withDefaults fills what was left empty and names what can't work.
func (c Config) withDefaults() (Config, error) {
	c.BaseURL = strings.TrimRight(orDefault(c.BaseURL, "https://discord.com"), "/")
	c.HandshakeTimeout = orDefault(c.HandshakeTimeout, 20*time.Second)
	c.DeadAfter = orDefault(c.DeadAfter, 1.5)
	c.DeadGrace = orDefault(c.DeadGrace, time.Second)
	c.StuckAfter = orDefault(c.StuckAfter, 15*time.Second)
	c.IdentifyEvery = orDefault(c.IdentifyEvery, 5500*time.Millisecond)
	c.RequestTimeout = orDefault(c.RequestTimeout, 15*time.Second)
	c.QueueSize = orDefault(c.QueueSize, 4096)
	c.SlashSlots = orDefault(c.SlashSlots, 64)
	c.invalidWaitMin = orDefault(c.invalidWaitMin, time.Second)
	c.invalidWaitMax = orDefault(c.invalidWaitMax, 5*time.Second)
	c.backoffMin = orDefault(c.backoffMin, time.Second)
	c.backoffMax = orDefault(c.backoffMax, time.Minute)
	c.retryMin = orDefault(c.retryMin, 250*time.Millisecond)
	c.retryMax = orDefault(c.retryMax, 5*time.Second)
	if c.Ephemeral == nil {
		c.Ephemeral = func(inbound.Slash) bool { return true }
	}
	if c.Token.Empty() || strings.ContainsAny(c.Token.Reveal(), " \t\r\n") {
		return c, errors.New("discord: the token is empty or contains white space")
	}
	if c.ShardCount < 0 || (c.ShardCount > 0 && slices.ContainsFunc(c.ShardIDs, func(id int) bool { return id < 0 || id >= c.ShardCount })) {
		return c, fmt.Errorf("discord: shard ids %v do not fit a shard count of %d", c.ShardIDs, c.ShardCount)
	}
	return c, nil
}

func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("discord: base URL %q: want https://host", base)
	}
	return u, nil
}
