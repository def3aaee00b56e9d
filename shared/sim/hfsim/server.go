// Package hfsim is a real HTTP server that behaves like Hugging Face's inference router, for tests, crash suites in
// other processes, benchmarks and the playground.
//
// It speaks OpenAI's chat shapes (plain and streamed), text-generation, and the list of models with prices. It knows
// keys, keeps limits on its own clock, and keeps books that nobody else writes: whether a client stayed within its
// budget is judged by the books of the side that was called ("calls over the limit"), never by the client's counters.
// Faults can be had on request, from Go or over the admin API under /_sim/ (see Client).
//
// What it does not do: run a model. Its answers are SIMULATED, by a small script (Salamander) or any function.
// It knows nothing of the programs that it is used to test. Shapes and error bodies are Hugging Face's as documented
// and reported in public; see DESIGN 3.
package hfsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server is a simulated Hugging Face. The zero value works: every key is accepted, nothing is limited, answers come at
// once and in character. Set fields before Start or the first request; later, use the methods.
type Server struct {
	// Keys that exist. Empty: every token is accepted and is its own name.
	Keys []Key
	// Limits of keys that have none of their own. Empty: none.
	Limits []Limit
	// Models that exist. Empty: DefaultModels, and any other name is accepted too, at the first one's price.
	Models []Model
	// Reply answers. Nil: Salamander(Seed). It may be called from many goroutines at once.
	Reply func(Request) string
	// Latency is how long the model thinks, in wall time. Nil: not at all.
	Latency func(Request) time.Duration
	// RetryHint is how a key over its own limit is told how long to wait. Default: HintSeconds.
	RetryHint Hint
	// TextGen is the shape of text-generation answers.
	TextGen TextGen
	// MeterLag delays what a usd limit sees, as the real meter does (up to 30 minutes): a 402 then comes late. The
	// books are never late.
	MeterLag time.Duration
	// Now is the simulator's own clock. Default: time.Now.
	Now func() time.Time
	// TimeScale makes the clock run faster: at 60 an hour's window lasts a minute. Waits told to clients stay in wall
	// time. Default: 1.
	TimeScale float64
	// Seed decides what is random: faults by rate and the script's choice of words.
	Seed uint64
	// MaxCalls is how many calls the books remember one by one; sums forget nothing. Default: 200,000.
	MaxCalls int

	once    sync.Once
	mux     *http.ServeMux
	done    chan struct{} // closed by Close: whoever hangs lets go
	begun   time.Time     // of TimeScale
	reply   atomic.Pointer[func(Request) string]
	latency atomic.Pointer[func(Request) time.Duration]
	faults  faults
	books   books

	mu       sync.Mutex
	closed   bool
	handlers sync.WaitGroup
	listener net.Listener
	http     *http.Server
	served   chan struct{}
}

// Start listens on addr ("127.0.0.1:0" if empty) and serves until Close.
func (s *Server) Start(addr string) error {
	s.once.Do(s.setup)
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.listener != nil {
		return errors.New("hfsim: started already or closed")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("hfsim: %w", err)
	}
	s.listener = l
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // resets on request are no news
	}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l) // ends with ErrServerClosed
	}()
	return nil
}

// URL is the base URL for clients, ending in /v1. Empty before Start.
func (s *Server) URL() string {
	if o := s.origin(); o != "" {
		return o + "/v1"
	}
	return ""
}

// AdminURL is where the admin API lies, for NewClient. Empty before Start.
func (s *Server) AdminURL() string { return s.origin() }

func (s *Server) origin() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// Close drops every connection, ends hanging answers and waits for all that was started. Twice is fine.
func (s *Server) Close() {
	s.once.Do(s.setup)
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		close(s.done)
		if s.http != nil {
			_ = s.http.Close()
		}
	}
	if s.served != nil {
		<-s.served
	}
	s.handlers.Wait()
}

func (s *Server) setup() {
	s.done = make(chan struct{})
	s.begun = time.Now()
	if s.MaxCalls <= 0 {
		s.MaxCalls = 200_000
	}
	if s.Reply == nil {
		s.Reply = Salamander(s.Seed)
	}
	s.SetReply(s.Reply)
	s.SetLatency(s.Latency)
	if len(s.Models) == 0 {
		s.Models = DefaultModels()
	} else {
		s.books.strictModels = true
	}
	s.faults.seed = s.Seed
	s.books.init(s)
	s.mux = http.NewServeMux()
	s.routes()
}

func (s *Server) routes() {
	s.mux.HandleFunc("POST /v1/chat/completions", s.serveChat)
	s.mux.HandleFunc("POST /v1/models/{model...}", s.serveTextGen)
	s.mux.HandleFunc("POST /v1", s.serveTextGen)
	s.mux.HandleFunc("POST /v1/{$}", s.serveTextGen)
	s.mux.HandleFunc("GET /v1/models", s.serveModels)
	s.mux.HandleFunc("GET /v1/models/{model...}", s.serveModel)
	s.adminRoutes()
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "Not Found"})
	})
}

// ServeHTTP implements http.Handler, so that the simulator can stand behind any listener.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(s.setup)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	s.handlers.Add(1)
	s.mu.Unlock()
	defer s.handlers.Done()
	if !strings.HasPrefix(r.URL.Path, "/_sim/") {
		// Hugging Face puts the hub's own limit on every answer; it says nothing about inference. A client that
		// believes it on a good answer is wrong.
		w.Header().Set("RateLimit", `"api";r=499;t=120`)
		w.Header().Set("RateLimit-Policy", `"fixed window";"api";q=500;w=300`)
	}
	s.mux.ServeHTTP(w, r)
}

// SetReply changes the answering function of a running server; nil brings the script back.
func (s *Server) SetReply(reply func(Request) string) {
	if reply == nil {
		reply = Salamander(s.Seed)
	}
	s.reply.Store(&reply)
}

// SetLatency changes how long the model of a running server thinks; nil means not at all.
func (s *Server) SetLatency(latency func(Request) time.Duration) {
	if latency == nil {
		latency = Fixed(0)
	}
	s.latency.Store(&latency)
}

// now is the simulator's own time, in UTC.
func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC()
	}
	if s.TimeScale > 0 && s.TimeScale != 1 {
		return s.begun.Add(time.Duration(float64(time.Since(s.begun)) * s.TimeScale)).UTC()
	}
	return time.Now().UTC()
}

// wall turns a span of the simulator's time into one of the client's.
func (s *Server) wall(d time.Duration) time.Duration {
	if s.TimeScale > 0 {
		return time.Duration(float64(d) / s.TimeScale)
	}
	return d
}

// pause waits, and reports false when the client left or the server closes.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	case <-s.done:
		return false
	}
}
