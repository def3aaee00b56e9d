package hfsim

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind names one thing that can go wrong.
type Kind string

// What can go wrong. The first group answers with an error status and charges nothing but the request; the second
// spoils an answer that was computed and charged.
const (
	RateLimited    Kind = "rate-limited"    // 429, the wait told as Hint says
	Overloaded     Kind = "overloaded"      // 429 of a TGI server, no wait told
	NoCredit       Kind = "no-credit"       // 402
	BadToken       Kind = "bad-token"       // 401, plain text
	NoPermission   Kind = "no-permission"   // 403
	BadRequest     Kind = "bad-request"     // 400, OpenAI's error object
	NotFound       Kind = "not-found"       // 404, "detail"
	TooLarge       Kind = "too-large"       // 413
	Invalid        Kind = "invalid"         // 422, TGI's validation error
	Internal       Kind = "internal"        // 500
	BadGateway     Kind = "bad-gateway"     // 502, a proxy's HTML page
	Loading        Kind = "loading"         // 503 with estimated_time (Wait, default 20 s)
	Unavailable    Kind = "unavailable"     // 503, plain text
	GatewayTimeout Kind = "gateway-timeout" // 504, application/problem+json
	AnyStatus      Kind = "status"          // Status with Body (default {"message":…})
	Redirect       Kind = "redirect"        // 307 to Body: a client that follows it gives its token away
	Hang           Kind = "hang"            // never answers; charged, as the outcome is unknown
	Reset          Kind = "reset"           // the connection is reset; charged likewise

	Stall         Kind = "stall"           // half the answer, then silence
	Trickle       Kind = "trickle"         // one byte per Pause (default 50 ms)
	Truncated     Kind = "truncated"       // half of the announced length, then the connection ends
	Huge          Kind = "huge"            // a text without end
	Empty         Kind = "empty"           // 200 without a body
	EmptyText     Kind = "empty-text"      // the right shape with an empty answer
	NotUTF8       Kind = "not-utf8"        // bytes that are no text
	ErrorIn200    Kind = "error-in-200"    // an error object as 200
	ErrorInStream Kind = "error-in-stream" // an error event after the first piece of a stream
	BrokenJSON    Kind = "broken-json"     // JSON with a syntax error
	NoUsage       Kind = "no-usage"        // a good answer that does not tell its usage
	ZeroUsage     Kind = "zero-usage"      // a good answer that claims to have used nothing
)

// Kinds are all kinds of faults, for pages and random tests.
func Kinds() []Kind {
	return []Kind{RateLimited, Overloaded, NoCredit, BadToken, NoPermission, BadRequest, NotFound, TooLarge, Invalid,
		Internal, BadGateway, Loading, Unavailable, GatewayTimeout, AnyStatus, Redirect, Hang, Reset, Stall, Trickle,
		Truncated, Huge, Empty, EmptyText, NotUTF8, ErrorIn200, ErrorInStream, BrokenJSON, NoUsage, ZeroUsage}
}

// Hint is how a 429 tells how long to wait.
type Hint string

// The ways in which a 429 was seen to tell the wait, and not to.
const (
	HintSeconds   Hint = ""              // Retry-After: 30
	HintDate      Hint = "date"          // Retry-After: Wed, 21 Oct 2026 07:28:00 GMT
	HintRateLimit Hint = "ratelimit"     // RateLimit: "api";r=0;t=30
	HintMisleads  Hint = "ratelimit-r>0" // a RateLimit header that says there is plenty left: not to be believed
	HintNone      Hint = "none"          // nothing
)

// Fault is an order for something to go wrong with the next calls.
type Fault struct {
	Kind     Kind
	Key      string        // only calls with the key of this name; "" any
	Question string        // only calls whose question contains this; "" any
	Count    int           // how many calls; 0 means 1, negative until cleared
	Hint     Hint          // of RateLimited
	Wait     time.Duration // what RateLimited and Loading tell; default 1 s and 20 s
	Pause    time.Duration // between the bytes of Trickle
	Status   int           // of AnyStatus
	Body     string        // in place of the usual error body; of Redirect: where to
}

type faultJSON struct {
	Kind     Kind   `json:"kind"`
	Key      string `json:"key,omitempty"`
	Question string `json:"question,omitempty"`
	Count    int    `json:"count,omitempty"`
	Hint     Hint   `json:"hint,omitempty"`
	Wait     span   `json:"wait,omitempty"`
	Pause    span   `json:"pause,omitempty"`
	Status   int    `json:"status,omitempty"`
	Body     string `json:"body,omitempty"`
}

// span is a duration that is text ("1m30s") in JSON.
type span time.Duration

func (d span) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *span) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = span(v)
	return err
}

// MarshalJSON writes durations as text ("1m30s").
func (f Fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(faultJSON{f.Kind, f.Key, f.Question, f.Count, f.Hint, span(f.Wait), span(f.Pause), f.Status, f.Body})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Fault) UnmarshalJSON(data []byte) error {
	var j faultJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*f = Fault{j.Kind, j.Key, j.Question, j.Count, j.Hint, time.Duration(j.Wait), time.Duration(j.Pause), j.Status, j.Body}
	return nil
}

// faults are the orders that wait, and the random ones.
type faults struct {
	mu      sync.Mutex
	waiting []Fault
	rates   []rate
	seed    uint64
}

type rate struct {
	kind  Kind
	share float64
}

// Inject orders faults; they are served in this order, behind those that wait already.
func (s *Server) Inject(orders ...Fault) {
	s.once.Do(s.setup)
	f := &s.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range orders {
		if o.Count == 0 {
			o.Count = 1
		}
		f.waiting = append(f.waiting, o)
	}
}

// Faults are the orders that still wait.
func (s *Server) Faults() []Fault {
	s.once.Do(s.setup)
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return slices.Clone(s.faults.waiting)
}

// ClearFaults takes back all orders and rates.
func (s *Server) ClearFaults() {
	s.once.Do(s.setup)
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.waiting, s.faults.rates = nil, nil
}

// SetRates makes each kind happen to its share (0 to 1) of all calls, decided by seed and call number.
func (s *Server) SetRates(shares map[Kind]float64, seed uint64) {
	s.once.Do(s.setup)
	f := &s.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rates, f.seed = nil, seed
	for _, k := range Kinds() { // in a fixed order, so that the seed decides all
		if share := shares[k]; share > 0 {
			f.rates = append(f.rates, rate{k, share})
		}
	}
}

// next is what shall go wrong with this call, if anything.
func (f *faults) next(r Request) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, o := range f.waiting {
		if o.Key != "" && o.Key != r.Key || !strings.Contains(r.Question, o.Question) {
			continue
		}
		if o.Count > 0 {
			if f.waiting[i].Count--; f.waiting[i].Count == 0 {
				f.waiting = slices.Delete(f.waiting, i, i+1)
			}
		}
		return o, true
	}
	if len(f.rates) == 0 {
		return Fault{}, false
	}
	x := chance(f.seed, r.N)
	for _, rate := range f.rates {
		if x < rate.share {
			return Fault{Kind: rate.kind}, true
		}
		x -= rate.share
	}
	return Fault{}, false
}
