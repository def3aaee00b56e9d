package hfsim

import (
	"slices"
	"sync"
	"time"
)

// Call is one line of the books: an inference request that arrived, whatever became of it.
type Call struct {
	N                int64         `json:"n"`                  // number of arrival, from 1
	At               time.Time     `json:"at"`                 // arrival, simulator's clock
	Took             time.Duration `json:"took_ns"`            // wall time to the end of the answer
	Key              string        `json:"key"`                // name
	Task             Task          `json:"task"`               //
	Model            string        `json:"model,omitempty"`    //
	Status           int           `json:"status"`             // 0: no status was sent (hang, reset, client gone)
	Fault            Kind          `json:"fault,omitempty"`    // what was done to it on request
	Over             bool          `json:"over,omitempty"`     // it passed a limit of its key: the client's budget failed
	Gone             bool          `json:"gone,omitempty"`     // the client left before the answer was complete
	PromptTokens     int           `json:"prompt_tokens"`      // charged
	CompletionTokens int           `json:"completion_tokens"`  // charged
	MaxTokens        int           `json:"max_tokens"`         // as asked; 0 if not
	NanoUSD          int64         `json:"nano_usd,omitempty"` // charged
	Window           string        `json:"window,omitempty"`   // "<limit> <start>" of the key's first limit
	Question         string        `json:"question,omitempty"` // the last user message, at most 256 bytes
	Done             bool          `json:"done"`               // false while the call is in flight
}

// Window is the use of one key in one aligned window of one limit (also kept for limits that roll).
type Window struct {
	Limit            Limit     `json:"limit"`
	Start            time.Time `json:"start"`
	End              time.Time `json:"end"`
	Requests         int64     `json:"requests"` // arrivals, refused ones included
	PromptTokens     int64     `json:"prompt_tokens"`
	CompletionTokens int64     `json:"completion_tokens"`
	NanoUSD          int64     `json:"nano_usd"`
	Over             int64     `json:"over"` // calls that passed this limit in this window
}

// Used is what the limit counts.
func (w Window) Used() int64 {
	switch w.Limit.Unit {
	case Tokens:
		return w.PromptTokens + w.CompletionTokens
	case Dollars:
		return w.NanoUSD
	}
	return w.Requests
}

// KeyBook sums up one key.
type KeyBook struct {
	Name             string        `json:"name"`
	State            State         `json:"state,omitempty"`
	Limits           []Limit       `json:"limits"`
	Calls            int64         `json:"calls"`
	Over             int64         `json:"over"`
	InFlight         int           `json:"in_flight"`
	MaxInFlight      int           `json:"max_in_flight"`
	Statuses         map[int]int64 `json:"statuses"` // finished calls by status; 0: none was sent
	PromptTokens     int64         `json:"prompt_tokens"`
	CompletionTokens int64         `json:"completion_tokens"`
	NanoUSD          int64         `json:"nano_usd"`
	Windows          []Window      `json:"windows"` // by limit, then start
}

// Books sums up all keys. Over is the judge: calls that passed a limit of their key.
type Books struct {
	Now         time.Time `json:"now"` // simulator's clock
	Calls       int64     `json:"calls"`
	Over        int64     `json:"over"`
	InFlight    int       `json:"in_flight"`
	MaxInFlight int       `json:"max_in_flight"`
	Keys        []KeyBook `json:"keys"` // in order of appearance
}

// event is one call's use of a rolling limit, or of a lagging meter.
type event struct {
	at     time.Time
	amount int64
}

// meter is one limit of one key at work.
type meter struct {
	limit   Limit
	windows map[time.Time]*Window
	events  []*event // of a rolling limit, oldest first
	lagging []*event // of a usd limit whose meter lags: charged, not yet seen
}

type account struct {
	key         Key
	meters      []*meter
	calls       int64
	over        int64
	inFlight    int
	maxInFlight int
	statuses    map[int]int64
	prompt      int64
	completion  int64
	nano        int64
}

// books are everything that is counted. One lock: a few hundred nanoseconds a call.
type books struct {
	mu           sync.Mutex
	server       *Server
	open         bool // every token is a key
	strictModels bool
	byToken      map[string]*account
	byName       map[string]*account
	order        []*account
	calls        []*Call // the latest MaxCalls, oldest first
	dropped      int64   // calls no longer in calls
	n            int64
	over         int64
	inFlight     int
	maxInFlight  int
}

func (b *books) init(s *Server) {
	b.server = s
	b.open = len(s.Keys) == 0
	b.byToken = map[string]*account{}
	b.byName = map[string]*account{}
	for _, k := range s.Keys {
		b.setKey(k)
	}
}

// account finds or opens the account of a name. The lock is held.
func (b *books) account(name string) *account {
	a := b.byName[name]
	if a == nil {
		a = &account{key: Key{Name: name}, statuses: map[int]int64{}}
		b.byName[name] = a
		b.order = append(b.order, a)
		if name != unknownKey {
			a.limit(b.server.Limits)
		}
	}
	return a
}

// limit sets an account's limits; what was counted for a limit that stays is kept.
func (a *account) limit(limits []Limit) {
	old := a.meters
	a.meters = nil
	a.key.Limits = slices.Clone(limits)
	for _, l := range limits {
		i := slices.IndexFunc(old, func(m *meter) bool { return m.limit == l })
		if i >= 0 {
			a.meters = append(a.meters, old[i])
			continue
		}
		a.meters = append(a.meters, &meter{limit: l, windows: map[time.Time]*Window{}})
	}
}

func (b *books) setKey(k Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(k.Name)
	if k.Token != "" {
		delete(b.byToken, a.key.Token)
		a.key.Token = k.Token
		b.byToken[k.Token] = a
	}
	if len(k.Limits) > 0 {
		a.limit(k.Limits)
	}
	a.key.State = k.State
}

func (b *books) setState(name string, state State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.account(name).key.State = state
}

// find is the account of a token, the unknown one if there is none. The lock is held.
func (b *books) find(token string) *account {
	if a := b.byToken[token]; a != nil && token != "" {
		return a
	}
	if b.open && token != "" {
		a := b.account(token)
		if a.key.Token == "" {
			a.key.Token = token
			b.byToken[token] = a
		}
		return a
	}
	return b.account(unknownKey)
}
