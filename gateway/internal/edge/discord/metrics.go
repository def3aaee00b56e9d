package discord

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the package's counters. Labels come from closed sets.
type metrics struct {
	requests   *prometheus.CounterVec
	endings    *prometheus.CounterVec
	dropped    prometheus.Counter
	abandoned  prometheus.Counter
	unanswered *prometheus.CounterVec
	skipped    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "salamander_discord_requests_total",
			Help: "REST requests to Discord by route and HTTP status; status error: no answer came."}, []string{"route", "status"}),
		endings: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "salamander_discord_connections_ended_total",
			Help: "Gateway connections that ended, by reason."}, []string{"reason"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "salamander_discord_events_dropped_total",
			Help: "Events refused because the queue to the core was full; catch-up fetches the messages among them."}),
		abandoned: prometheus.NewCounter(prometheus.CounterOpts{Name: "salamander_discord_sessions_abandoned_total",
			Help: "Sessions of the Discord library that stopped answering and were replaced."}),
		unanswered: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "salamander_discord_interactions_failed_total",
			Help: "Slash commands that were not acknowledged in time, by reason."}, []string{"reason"}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{Name: "salamander_discord_typing_skipped_total",
			Help: "Typing indicators that gave way to posts or to a rate limit."}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.endings, m.dropped, m.abandoned, m.unanswered, m.skipped} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("discord: register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) request(route, status string) { m.requests.WithLabelValues(route, status).Inc() }
