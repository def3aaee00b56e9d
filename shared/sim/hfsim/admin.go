package hfsim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Settings is what the admin API can change at run time beside keys and faults. A field that is null stays.
type Settings struct {
	Latency *LatencySettings `json:"latency,omitempty"`
	Reply   *ReplySettings   `json:"reply,omitempty"`
	Rates   *RateSettings    `json:"rates,omitempty"`
}

// LatencySettings describe Latency: Fixed if Sigma and Most are 0, Uniform from Median to Most if Sigma is 0, else
// LogNormal. Durations are text in JSON.
type LatencySettings struct {
	Median time.Duration
	Most   time.Duration
	Sigma  float64
	Seed   uint64
}

type latencyJSON struct {
	Median span    `json:"median"`
	Most   span    `json:"most"`
	Sigma  float64 `json:"sigma,omitempty"`
	Seed   uint64  `json:"seed,omitempty"`
}

// MarshalJSON writes durations as text ("1m30s").
func (l LatencySettings) MarshalJSON() ([]byte, error) {
	return json.Marshal(latencyJSON{span(l.Median), span(l.Most), l.Sigma, l.Seed})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *LatencySettings) UnmarshalJSON(data []byte) error {
	var j latencyJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*l = LatencySettings{time.Duration(j.Median), time.Duration(j.Most), j.Sigma, j.Seed}
	return nil
}

// Func is the latency that the settings describe.
func (l LatencySettings) Func() func(Request) time.Duration {
	switch {
	case l.Sigma > 0:
		return LogNormal(l.Median, l.Sigma, l.Most, l.Seed)
	case l.Most > 0:
		return Uniform(l.Median, l.Most, l.Seed)
	}
	return Fixed(l.Median)
}

// ReplySettings choose an answering function.
type ReplySettings struct {
	Mode string `json:"mode"` // "salamander" or "echo"
	Seed uint64 `json:"seed,omitempty"`
}

// RateSettings are random faults, as SetRates takes them.
type RateSettings struct {
	Shares map[Kind]float64 `json:"shares"`
	Seed   uint64           `json:"seed,omitempty"`
}

// maxAdminBody bounds what the admin API reads, in bytes.
const maxAdminBody = 1 << 20

func (s *Server) adminRoutes() {
	s.mux.HandleFunc("GET /_sim/books", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Books())
	})
	s.mux.HandleFunc("DELETE /_sim/books", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetBooks()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("GET /_sim/calls", func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
		writeJSON(w, http.StatusOK, s.Calls(after))
	})
	s.mux.HandleFunc("PUT /_sim/keys", admin(func(keys []Key) string {
		for _, k := range keys {
			if k.Name == "" {
				return "a key needs a name"
			}
		}
		for _, k := range keys {
			s.SetKey(k)
		}
		return ""
	}))
	s.mux.HandleFunc("PUT /_sim/states", admin(func(states map[string]State) string {
		for name, state := range states {
			switch state {
			case Active, Unauthorized, Forbidden, Depleted:
			default:
				return "unknown state " + string(state)
			}
			s.SetState(name, state)
		}
		return ""
	}))
	s.mux.HandleFunc("GET /_sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Faults())
	})
	s.mux.HandleFunc("POST /_sim/faults", admin(func(orders []Fault) string {
		for _, f := range orders {
			if !known(f.Kind) {
				return "unknown kind of fault: " + string(f.Kind)
			}
		}
		s.Inject(orders...)
		return ""
	}))
	s.mux.HandleFunc("DELETE /_sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("PUT /_sim/settings", admin(s.apply))
}

func (s *Server) apply(set Settings) string {
	if r := set.Rates; r != nil {
		for kind := range r.Shares {
			if !known(kind) {
				return "unknown kind of fault: " + string(kind)
			}
		}
	}
	if r := set.Reply; r != nil {
		switch r.Mode {
		case "salamander":
			s.SetReply(Salamander(r.Seed))
		case "echo":
			s.SetReply(Echo)
		default:
			return "unknown mode of reply: " + r.Mode
		}
	}
	if set.Latency != nil {
		s.SetLatency(set.Latency.Func())
	}
	if set.Rates != nil {
		s.SetRates(set.Rates.Shares, set.Rates.Seed)
	}
	return ""
}

func known(kind Kind) bool {
	for _, k := range Kinds() {
		if k == kind {
			return true
		}
	}
	return false
}

// admin reads a JSON body and does what it says; a complaint is answered as 400.
func admin[T any](do func(T) (complaint string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var v T
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
		d.DisallowUnknownFields()
		complaint := ""
		if err := d.Decode(&v); err != nil {
			complaint = err.Error()
		} else {
			complaint = do(v)
		}
		if complaint != "" {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": complaint})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
