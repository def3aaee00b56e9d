package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"salamander.dev/shared/control"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/core/moderation"
)

// metrics are the worker's of CONTRACT 7. Labels come from the settings (key, limit) and from closed sets.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	tokens   *prometheus.CounterVec
	ended    *prometheus.CounterVec
	buried   *prometheus.CounterVec

	mu sync.Mutex
	l  *instance // whose figures are read at a scrape; nil while none lives
}

var (
	descLimit    = prometheus.NewDesc("salamander_budget_limit", "What a key may use in one window of a limit, in the limit's unit.", []string{"key", "limit"}, nil)
	descUsed     = prometheus.NewDesc("salamander_budget_used", "What was used or is reserved in the limit's current window, by all workers.", []string{"key", "limit"}, nil)
	descState    = prometheus.NewDesc("salamander_budget_key_state", "1 for the state that a key is in.", []string{"key", "state"}, nil)
	descInflight = prometheus.NewDesc("salamander_inflight", "Model calls in flight in this worker.", nil, nil)
	descHeld     = prometheus.NewDesc("salamander_held", "Questions that wait in this worker for an older one of the same user.", nil, nil)
)

// keys has the series of every key there from the start, so that a dashboard tells nothing yet from no such thing.
func (m *metrics) keys(names []string) {
	for _, key := range names {
		m.requests.WithLabelValues(key, "200")
		m.seconds.WithLabelValues(key)
		for _, d := range []string{"prompt", "completion"} {
			m.tokens.WithLabelValues(key, d)
		}
	}
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "salamander_model_requests_total",
			Help: "Calls to the model by key and HTTP status; none: no answer came."}, []string{"key", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "salamander_model_seconds",
			Help: "How long calls to the model took.", Buckets: []float64{.05, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120}}, []string{"key"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "salamander_model_tokens_total",
			Help: "Tokens as the provider counted them."}, []string{"key", "direction"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "salamander_answers_total",
			Help: "Questions that this worker ended, by how."}, []string{"kind"}),
		buried: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "salamander_dead_letters_total",
			Help: "Questions that failed for good, by reason."}, []string{"reason"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.seconds, m.tokens, m.ended, m.buried, m)
	for _, k := range answer.Kinds {
		m.ended.WithLabelValues(string(k))
	}
	for _, r := range answer.Reasons {
		m.buried.WithLabelValues(r)
	}
	return m
}

func (m *metrics) called(r answer.CallReport) {
	key := r.Grant.Key
	m.requests.WithLabelValues(key, status(r)).Inc()
	m.seconds.WithLabelValues(key).Observe(r.Took.Seconds())
	if r.Completion.UsageKnown {
		m.tokens.WithLabelValues(key, "prompt").Add(float64(r.Completion.PromptTokens))
		m.tokens.WithLabelValues(key, "completion").Add(float64(r.Completion.CompletionTokens))
	}
}

// attach has scrapes read an instance's figures until detach.
func (m *metrics) attach(l *instance) {
	m.mu.Lock()
	m.l = l
	m.mu.Unlock()
}

func (m *metrics) detach() { m.attach(nil) }

// Describe implements prometheus.Collector.
func (m *metrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descLimit, descUsed, descState, descInflight, descHeld} {
		c <- d
	}
}

// scrapeTimeout bounds the read of the budget; while NATS is away its figures are missing, which is the truth.
const scrapeTimeout = 2 * time.Second

// Collect implements prometheus.Collector. An instance that drains meanwhile is waited for.
func (m *metrics) Collect(c chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.l == nil {
		c <- gauge(descInflight, 0)
		return
	}
	_, inflight := m.l.answers.Running(control.Fleet)
	c <- gauge(descInflight, float64(inflight))
	c <- gauge(descHeld, float64(m.l.consumer.Held()))
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	views, err := m.l.ledger.Snapshot(ctx)
	if err != nil {
		return
	}
	for _, v := range views {
		for _, s := range budget.States {
			is := 0.0
			if s == v.State {
				is = 1
			}
			c <- gauge(descState, is, v.Key, string(s))
		}
		for _, l := range v.Limits {
			text := m.l.cfg.LimitText(v.Key, l.Limit)
			c <- gauge(descLimit, moderation.Amount(l.Limit.Unit, l.Limit.Amount), v.Key, text)
			c <- gauge(descUsed, moderation.Amount(l.Limit.Unit, l.Used), v.Key, text)
		}
	}
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
