package hfsim

import (
	"math"
	"net/http"
	"slices"
	"strings"
)

// Model is one model that the simulator offers.
type Model struct {
	ID        string     `json:"id"`
	Object    string     `json:"object"`
	Created   int64      `json:"created"`
	OwnedBy   string     `json:"owned_by"`
	Providers []Provider `json:"providers"`
}

// Provider is who computes a model, behind the router.
type Provider struct {
	Name          string   `json:"provider"`
	Status        string   `json:"status"` // live or error
	ContextLength int      `json:"context_length,omitempty"`
	Pricing       *Pricing `json:"pricing,omitempty"`
	SupportsTools bool     `json:"supports_tools"`
}

// Pricing is in dollars per million tokens.
type Pricing struct {
	Input  float64 `json:"input"`
	Output float64 `json:"output"`
}

// DefaultModels are two invented offers with plausible prices.
func DefaultModels() []Model {
	return []Model{
		{ID: "openai/gpt-oss-120b", Object: "model", Created: 1754352000, OwnedBy: "openai", Providers: []Provider{
			{Name: "groq", Status: "live", ContextLength: 131072, Pricing: &Pricing{Input: 0.15, Output: 0.75}, SupportsTools: true},
			{Name: "together", Status: "live", ContextLength: 131072, Pricing: &Pricing{Input: 0.15, Output: 0.60}, SupportsTools: true},
			{Name: "expensive", Status: "error", ContextLength: 131072, Pricing: &Pricing{Input: 9, Output: 9}},
			{Name: "unpriced", Status: "live", ContextLength: 131072},
		}},
		{ID: "salamander/simulated", Object: "model", Created: 1754352000, OwnedBy: "salamander", Providers: []Provider{
			{Name: "hfsim", Status: "live", ContextLength: 8192, Pricing: &Pricing{Input: 1.69, Output: 3.38}},
		}},
	}
}

// pick finds the provider that serves a model name, as the router does: model, model:provider, or a policy. ok is
// false when there is no such model or provider.
func (s *Server) pick(name string) (p Provider, ok bool) {
	id, suffix, _ := strings.Cut(name, ":")
	i := slices.IndexFunc(s.Models, func(m Model) bool { return m.ID == id })
	if name == "" && len(s.Models) > 0 {
		i = 0 // an endpoint of its own serves one model and needs no name
	}
	if i < 0 {
		if s.books.strictModels || len(s.Models) == 0 {
			return Provider{}, false
		}
		i = 0
		if suffix != "" && !isPolicy(suffix) {
			suffix = "" // a name that is only accepted for the test's sake
		}
	}
	live := slices.DeleteFunc(slices.Clone(s.Models[i].Providers), func(p Provider) bool { return p.Status == "error" })
	if len(live) == 0 {
		return Provider{}, false
	}
	switch {
	case suffix == "cheapest":
		return slices.MinFunc(live, func(a, b Provider) int {
			return int(math.Copysign(1, a.output()-b.output()))
		}), true
	case suffix == "" || isPolicy(suffix):
		return live[0], true
	}
	j := slices.IndexFunc(live, func(p Provider) bool { return p.Name == suffix })
	if j < 0 {
		return Provider{}, false
	}
	return live[j], true
}

func isPolicy(suffix string) bool {
	return suffix == "fastest" || suffix == "cheapest" || suffix == "preferred"
}

func (p Provider) output() float64 {
	if p.Pricing == nil {
		return math.MaxFloat64
	}
	return p.Pricing.Output
}

// cost is what a call costs in nano-dollars, rounded up.
func (p Provider) cost(prompt, completion int) int64 {
	if p.Pricing == nil {
		return 0
	}
	const nanoPerTokenAtOneDollarPerMillion = 1000
	return int64(math.Ceil((float64(prompt)*p.Pricing.Input + float64(completion)*p.Pricing.Output) * nanoPerTokenAtOneDollarPerMillion))
}

func (s *Server) serveModels(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": s.Models})
}

func (s *Server) serveModel(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("model")
	for _, m := range s.Models {
		if m.ID == id {
			writeJSON(w, http.StatusOK, m)
			return
		}
	}
	writeJSON(w, http.StatusNotFound, map[string]any{"error": map[string]string{
		"message": "The model '" + id + "' does not exist", "type": "invalid_request_error", "code": "model_not_found"}})
}
