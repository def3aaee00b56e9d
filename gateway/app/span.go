package app

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/gateway/internal/edge/store"
	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
)

const tracer = "salamander.dev/gateway"

// tracedQueue begins the trace that follows a question to its post; the bus carries it on.
type tracedQueue struct{ *store.Queue }

// Publish implements [inbound.Queue].
func (t tracedQueue) Publish(ctx context.Context, q chat.Question) (bool, error) {
	ctx, span := otel.Tracer(tracer).Start(ctx, "take question", trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(attribute.String("question", string(q.ID)), attribute.String("guild", string(q.Guild)), attribute.String("channel", string(q.Channel))))
	defer span.End()
	duplicate, err := t.Queue.Publish(ctx, q)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.SetAttributes(attribute.Bool("duplicate", duplicate))
	return duplicate, err
}

// delivery is what the poster takes of a posting; the trace ends when it is settled.
func delivery(ctx context.Context, p bus.Posting) (context.Context, outbound.Delivery) {
	ctx, span := otel.Tracer(tracer).Start(p.Context(ctx), "post answer", trace.WithSpanKind(trace.SpanKindConsumer))
	if a := p.Answer; a != nil {
		span.SetAttributes(attribute.String("question", string(a.Question)), attribute.String("kind", string(a.Kind)))
	}
	return ctx, outbound.Delivery{Answer: p.Answer, Notice: p.Notice, Stored: p.Stored, Fresh: p.Fresh, Settle: func(v retry.Verdict) {
		_, again := v.Again()
		span.SetAttributes(attribute.Bool("again", again))
		span.End()
		p.Settle(v)
	}}
}
