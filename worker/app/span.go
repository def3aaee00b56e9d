package app

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/retry"
	"salamander.dev/worker/internal/core/answer"
	"salamander.dev/worker/internal/core/budget"
)

const tracer = "salamander.dev/worker"

// tracedAnswers follows a question through this worker: how long it waited, and one try to answer it.
type tracedAnswers struct{ *answer.Service }

// Begin implements [bus.QuestionHandler].
func (t tracedAnswers) Begin(q chat.Question) func(context.Context) retry.Verdict {
	answer := t.Service.Begin(q)
	return func(ctx context.Context) retry.Verdict {
		about := trace.WithAttributes(attribute.String("question", string(q.ID)), attribute.String("guild", string(q.Guild)), attribute.String("channel", string(q.Channel)))
		_, waited := otel.Tracer(tracer).Start(ctx, "wait in the queue", trace.WithTimestamp(q.Asked), about)
		waited.End()
		ctx, span := otel.Tracer(tracer).Start(ctx, "answer question", trace.WithSpanKind(trace.SpanKindConsumer), about)
		defer span.End()
		v := answer(ctx)
		_, again := v.Again()
		span.SetAttributes(attribute.Bool("again", again))
		return v
	}
}

// tracedModel makes a span of each call.
type tracedModel struct{ answer.Model }

// Complete implements [answer.Model].
func (t tracedModel) Complete(ctx context.Context, call answer.Call) (answer.Completion, error) {
	ctx, span := otel.Tracer(tracer).Start(ctx, "call model", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("key", call.Key)))
	defer span.End()
	c, err := t.Model.Complete(ctx, call)
	var e *answer.CallError
	switch {
	case err == nil:
		span.SetAttributes(attribute.Int("status", c.Status), attribute.Int("prompt_tokens", c.PromptTokens), attribute.Int("completion_tokens", c.CompletionTokens))
	case errors.As(err, &e):
		span.SetAttributes(attribute.Int("status", e.Status))
		span.SetStatus(codes.Error, string(e.Class)) // never its words: they may repeat what a user said
	}
	return c, err
}

// tracedBudget makes a span of each reservation.
type tracedBudget struct{ budget.Ledger }

// Reserve implements [budget.Ledger].
func (t tracedBudget) Reserve(ctx context.Context, r budget.Request) (budget.Grant, error) {
	begin := time.Now()
	g, err := t.Ledger.Reserve(ctx, r)
	_, span := otel.Tracer(tracer).Start(ctx, "reserve budget", trace.WithTimestamp(begin), trace.WithAttributes(attribute.String("key", g.Key), attribute.Bool("granted", err == nil)))
	span.End()
	return g, err
}

var (
	_ answer.Model  = tracedModel{}
	_ budget.Ledger = tracedBudget{}
)
