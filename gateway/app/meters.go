package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/bus"
)

// meters are the gateway's own metrics (CONTRACT 7); those of Discord's REST are the edge's.
type meters struct {
	questions *prometheus.CounterVec
	replies   *prometheus.CounterVec
	seconds   prometheus.Histogram
	letters   *prometheus.CounterVec
}

func newMeters(r prometheus.Registerer) *meters {
	m := &meters{
		questions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "salamander_questions_total", Help: "Messages that people said, by what became of them.",
		}, []string{"outcome"}),
		replies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "salamander_replies_total", Help: "Answers and queue notices, by what became of them.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "salamander_reply_seconds", Help: "From a question seen to its answer posted.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900, 3600},
		}),
	}
	m.letters = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "salamander_dead_letters_total", Help: "What could not be read, by reason.",
	}, []string{"reason"})
	r.MustRegister(m.questions, m.replies, m.seconds, m.letters)
	m.letters.WithLabelValues("malformed")
	for _, o := range []inbound.Outcome{inbound.Taken, inbound.Ignored, inbound.Empty, inbound.Muted, inbound.Stopped, inbound.RateLimited} {
		m.questions.WithLabelValues(string(o))
	}
	for _, o := range []outbound.Outcome{outbound.Posted, outbound.Noticed, outbound.Dropped, outbound.Failed} {
		m.replies.WithLabelValues(string(o))
	}
	return m
}

// dropped counts questions that ended in the queue without a word.
func (m *meters) dropped(n int) {
	m.replies.WithLabelValues(string(outbound.Dropped)).Add(float64(n))
}

// queueGauges look at the queue when they are scraped.
type queueGauges struct {
	bus             *bus.Bus
	waiting, oldest *prometheus.Desc

	mu   sync.Mutex // one look at a time; the last one holds while NATS is away
	open int
	at   time.Time
}

func newQueueGauges(b *bus.Bus) *queueGauges {
	return &queueGauges{
		bus:     b,
		waiting: prometheus.NewDesc("salamander_queue_waiting", "Open questions in the queue, those that run included.", nil, nil),
		oldest:  prometheus.NewDesc("salamander_queue_oldest_seconds", "Age of the oldest open question, 0 when there is none.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (q *queueGauges) Describe(c chan<- *prometheus.Desc) { c <- q.waiting; c <- q.oldest }

// lookWithin bounds what a scrape may wait for NATS.
const lookWithin = time.Second

// Collect implements prometheus.Collector.
func (q *queueGauges) Collect(c chan<- prometheus.Metric) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bus.Ready() == nil {
		ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
		defer cancel()
		if open, at, err := q.bus.Queue(ctx); err == nil {
			q.open, q.at = open, at
		}
	}
	age := 0.0
	if q.open > 0 && !q.at.IsZero() {
		age = max(time.Since(q.at).Seconds(), 0)
	}
	c <- prometheus.MustNewConstMetric(q.waiting, prometheus.GaugeValue, float64(q.open))
	c <- prometheus.MustNewConstMetric(q.oldest, prometheus.GaugeValue, age)
}
