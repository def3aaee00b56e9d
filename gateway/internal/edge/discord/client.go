package discord

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/rs/zerolog"

	"salamander.dev/shared/chat"
)

// Client is the bot at Discord. All methods are safe for concurrent use; REST works with or without [Client.Run].
type Client struct {
	cfg     Config
	base    *url.URL
	log     zerolog.Logger
	metrics *metrics
	gate    IdentifyGate
	rest    *discordgo.Session // for REST only; never opened

	cache  *cache
	limits *limiter
	global *global
	guard  *guard
	info   infoCache
	slots  chan struct{} // slash commands being acknowledged

	contentDenied atomic.Bool // Message Content was refused, and is not asked for any more

	mu      sync.Mutex
	app     string // the application's id, from READY
	running *run   // nil outside Run
}

// New makes a Client; nothing is sent yet.
func New(cfg Config, deps Deps) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(deps.Metrics)
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, base: base, log: deps.Log, metrics: m, gate: deps.Gate,
		cache: newCache(), limits: newLimiter(), global: newGlobal(), guard: newGuard(),
		info: infoCache{turn: make(chan struct{}, 1)}, slots: make(chan struct{}, cfg.SlashSlots),
	}
	if c.gate == nil {
		c.gate = NewIdentifyGate(cfg.IdentifyEvery)
	}
	takeLibraryLog(deps.Log)
	next := deps.Transport
	if next == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxIdleConnsPerHost = 32 // HTTP/1.1 servers; Discord speaks HTTP/2
		next = own
	}
	c.rest = c.newSession(&transport{base: base, next: next})
	c.rest.LogLevel = -1 // its errors come back from the call
	return c, nil
}

// newSession makes a discordgo session with everything switched off that we do ourselves.
func (c *Client) newSession(t http.RoundTripper) *discordgo.Session {
	s, _ := discordgo.New("Bot " + c.cfg.Token.Reveal()) // its error is always nil
	s.Client = &http.Client{Transport: t, CheckRedirect: noRedirect}
	s.UserAgent = "DiscordBot (https://salamander.dev, 1)"
	s.ShouldReconnectOnError, s.ShouldReconnectVoiceOnSessionError = false, false
	s.ShouldRetryOnRateLimit, s.MaxRestRetries = false, 0
	s.StateEnabled, s.SyncEvents = false, true
	s.LogLevel = discordgo.LogError
	return s
}

// SetGlobalRate is this process's share of the bot's [GlobalPerSecond].
func (c *Client) SetGlobalRate(perSecond int) { c.global.setRate(perSecond) }

// BotPermissions returns the bot's own permissions in a channel or thread of a server; not known elsewhere.
func (c *Client) BotPermissions(channel chat.ChannelID) (permissions uint64, known bool) {
	return c.cache.self(parseID(string(channel)))
}

// mayType says whether typing in a channel is of use: allowed as far as known, no post waits there, and the bot is far
// from Discord's limit of refused requests.
func (c *Client) mayType(channel chat.ChannelID) bool {
	if p, known := c.BotPermissions(channel); known && p&permSendMessages == 0 {
		return false
	}
	return c.guard.count(time.Now()) < invalidSoft && c.guard.refused(routePost.name, channel) == nil &&
		!c.limits.bucket(routePost, string(channel)).busy()
}
