package discordsim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// DefaultToken is the bot token of a Server whose Token is empty.
const DefaultToken = "simulated.bot.token"

// Server is a simulated Discord with one application and its bot. The zero value
// works; fields are set before first use and not changed afterwards. All methods are
// safe for concurrent use.
type Server struct {
	Token   string // the bot's token; "": [DefaultToken]
	BotName string // "": "Bot"

	// Denied are privileged intents that are switched off in the portal: asking for
	// one in IDENTIFY is close code 4014. See also [Server.Deny].
	Denied Intent

	Shards            int           // recommended by GET /gateway/bot; 0: 1
	MaxGuildsPerShard int           // above it IDENTIFY gets 4011; 0: 2500
	MaxConcurrency    int           // IDENTIFYs per 5 s; 0: 1
	IdentifyEvery     time.Duration // spacing per key; 0: 5 s with Limits.On, none without
	SessionStarts     int           // per day; 0: 1000. Beyond it the token dies, as documented
	HeartbeatInterval time.Duration // 0: 41.25 s
	SessionTTL        time.Duration // how long a dropped session can be resumed; 0: 3 min
	ReplayLimit       int           // events kept per session for a resume; 0: 20,000

	NonceWindow       time.Duration // how long a nonce is remembered ("the past few minutes"); 0: 3 min
	InteractionWindow time.Duration // to answer an interaction; 0: 3 s
	InteractionLife   time.Duration // of an interaction's token; 0: 15 min
	MaxActiveThreads  int           // per guild; 0: 1000, negative: no limit

	Limits RateLimits // off by default
	Seed   uint64     // of faults with a Rate

	KeepMessages int // per channel; 0: all. What it forgets is gone for replies and history too
	KeepPosts    int // posts and requests in the books; 0: 100,000, negative: counters only
	KeepBodies   int // raw bodies beside the posts; 0: 10,000, negative: none

	// CheckRequest, if set, judges the JSON body of every request that changes
	// something; what it refuses is noted in [Server.Violations], never answered.
	// See package spec beside this one.
	CheckRequest func(method, path string, body []byte) error

	Now func() time.Time // the clock of ids, limits and windows; nil: time.Now

	once    sync.Once
	mux     *http.ServeMux
	admin   *http.ServeMux
	handled sync.WaitGroup // requests and sockets

	mu       sync.Mutex // guards everything below
	listener net.Listener
	http     *http.Server
	served   chan struct{}
	closing  chan struct{} // closed by Close, new at Start
	ids      mint
	rand     *rand.Rand
	denied   Intent
	token    string

	bot        User
	app        ID
	users      map[ID]*User
	guilds     map[ID]*guild
	guildOrder []ID
	channels   map[ID]*Channel
	dms        map[ID]ID // user → DM channel
	messages   map[ID]*Message
	history    map[ID][]ID // channel → message ids, ascending
	nonces     nonceBook
	globals    commandSet

	interactions    map[string]*interaction // by token
	interactionByID map[ID]*interaction
	sessions        map[string]*session
	conns           map[*conn]struct{}
	identify        identifyGate

	books  books
	limits limiter
	faults faultSet
	stream stream
}

func (s *Server) init() {
	s.once.Do(func() {
		s.denied, s.token = s.Denied, orDefault(s.Token, DefaultToken)
		s.rand = rand.New(rand.NewPCG(s.Seed, 0x5a1a))
		s.closing = make(chan struct{})
		s.users, s.guilds, s.channels = map[ID]*User{}, map[ID]*guild{}, map[ID]*Channel{}
		s.dms, s.messages, s.history = map[ID]ID{}, map[ID]*Message{}, map[ID][]ID{}
		s.interactionByID = map[ID]*interaction{}
		s.interactions, s.sessions, s.conns = map[string]*interaction{}, map[string]*session{}, map[*conn]struct{}{}
		s.app = s.ids.guild(s.now())
		s.bot = User{ID: s.app, Name: orDefault(s.BotName, "Bot"), Bot: true}
		s.users[s.bot.ID] = &s.bot
		s.limits.cfg = s.Limits
		s.stream.init()
		s.mux, s.admin = s.routes(), s.adminRoutes()
	})
}

func (s *Server) lock() {
	s.init()
	s.mu.Lock()
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Start listens on addr ("": any free loopback port) and serves until Close. After a
// Close the server can be started again: the world, the books and the resumable
// sessions are still there, as after an outage of Discord.
func (s *Server) Start(addr string) error {
	l, err := net.Listen("tcp", orDefault(addr, "127.0.0.1:0"))
	if err != nil {
		return fmt.Errorf("start discordsim: %w", err)
	}
	s.lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		l.Close()
		return fmt.Errorf("start discordsim: already listening on %s", s.listener.Addr())
	}
	select {
	case <-s.closing:
		s.closing = make(chan struct{})
	default:
	}
	s.listener, s.served = l, make(chan struct{})
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second}
	go func(h *http.Server, served chan struct{}) {
		defer close(served)
		_ = h.Serve(l) // always http.ErrServerClosed, by Close
	}(s.http, s.served)
	return nil
}

// URL is the base for clients, "http://host:port"; REST lies under /api/v9 and
// /api/v10 of it. It is empty while the server does not listen.
func (s *Server) URL() string {
	s.lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// Close drops every connection, stops listening and waits for all goroutines of the
// server. Calling it twice is fine.
func (s *Server) Close() {
	s.lock()
	select {
	case <-s.closing:
	default:
		close(s.closing)
	}
	h, served := s.http, s.served
	s.http, s.listener, s.served = nil, nil, nil
	for c := range s.conns {
		c.drop()
	}
	s.mu.Unlock()
	if h != nil {
		_ = h.Close()
		<-served
	}
	s.handled.Wait()
}

// ServeHTTP serves REST, the gateway and the admin API, so that a Server can be
// mounted in another one. Links that it gives out point at the request's own host.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		hangUp(w)
		return
	}
	defer s.handled.Done()
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.admin.ServeHTTP(w, r)
		return
	}
	if s.refusing() {
		hangUp(w)
		return
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		s.serveGateway(w, r)
		return
	}
	s.serveREST(w, r)
}

// enter counts a request; none begins once Close has.
func (s *Server) enter() bool {
	s.lock()
	defer s.mu.Unlock()
	select {
	case <-s.closing:
		return false
	default:
		s.handled.Add(1)
		return true
	}
}

// wait blocks for d, until the client goes or the server closes; it reports whether
// the whole time passed.
func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	s.lock()
	closing := s.closing
	s.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-closing:
	}
	return false
}

// hangUp ends a connection with a TCP reset and no answer.
func hangUp(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: reset the stream instead
	}
	reset(c)
}

func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
