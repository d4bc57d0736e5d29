package telemetry

import (
	"context"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"tollgate.dev/dataplane/wire"
)

// Names of OpenTelemetry's conventions for HTTP servers and generative AI, and of what only Tollgate knows.
const (
	attrMethod       = "http.request.method"
	attrPath         = "url.path"
	attrError        = "error.type"
	attrOperation    = "gen_ai.operation.name"
	attrProvider     = "gen_ai.provider.name"
	attrRequestModel = "gen_ai.request.model"
	attrAnswerModel  = "gen_ai.response.model"
	attrInput        = "gen_ai.usage.input_tokens"
	attrOutput       = "gen_ai.usage.output_tokens"
	attrRun          = "tollgate.run.id"
	attrOutcome      = "tollgate.outcome"
	attrAttempt      = "tollgate.attempt"
	attrCost         = "tollgate.cost.pico_usd"
)

// Trace returns next with a server span around each sampled request. Where nobody collects it is next itself.
func (t *Telemetry) Trace(next http.Handler) http.Handler {
	if t.traces == nil {
		return next
	}
	tracer := t.traces.Tracer(scope)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			next.ServeHTTP(w, r)
			return
		}
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		if !span.IsRecording() {
			next.ServeHTTP(w, r)
			return
		}
		span.SetAttributes(attribute.String(attrMethod, r.Method), attribute.String(attrPath, r.URL.Path))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Attempt adds a client span for an attempt at a provider, or marks the request's span when Tollgate refused it. Requests that are
// not sampled cost a look into their context.
func (t *Telemetry) Attempt(ctx context.Context, event *wire.UsageEvent) {
	if t.traces == nil {
		return
	}
	request := trace.SpanFromContext(ctx)
	if !request.IsRecording() {
		return
	}
	if event.GetOutcome() == wire.Outcome_OUTCOME_REFUSED && len(event.GetProviderId()) == 0 {
		request.SetAttributes(attribute.String(attrRequestModel, event.GetModel()), attribute.String(attrError, event.GetCode()))
		request.SetStatus(codes.Error, event.GetCode())
		return
	}
	started := time.UnixMicro(event.GetStartedUnixUs())
	_, span := t.traces.Tracer(scope).Start(ctx, operation(event)+" "+event.GetProviderModel(), trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(started))
	span.SetAttributes(
		attribute.String(attrOperation, operation(event)), attribute.String(attrProvider, providerName(event)),
		attribute.String(attrRequestModel, event.GetModel()), attribute.String(attrAnswerModel, event.GetProviderModel()),
		attribute.Int64(attrInput, event.GetInputTokens()+event.GetCachedInputTokens()+event.GetCacheWriteTokens()),
		attribute.Int64(attrOutput, event.GetOutputTokens()), attribute.String(attrRun, event.GetRunId()),
		attribute.Int64(attrAttempt, int64(event.GetAttempt())), attribute.Int64(attrCost, event.GetCostPico()),
		attribute.String(attrOutcome, strings.ToLower(strings.TrimPrefix(event.GetOutcome().String(), "OUTCOME_"))))
	if event.GetCode() != "" {
		span.SetAttributes(attribute.String(attrError, event.GetCode()))
		span.SetStatus(codes.Error, event.GetCode())
	}
	span.End(trace.WithTimestamp(started.Add(time.Duration(event.GetDurationUs()) * time.Microsecond)))
}

// operation is the convention's name of what a dialect asks for.
func operation(event *wire.UsageEvent) string {
	if strings.HasSuffix(event.GetDialect(), "embeddings") {
		return "embeddings"
	}
	return "chat"
}

// providerName is the wire format that was spoken: the dialect's first word.
func providerName(event *wire.UsageEvent) string {
	name, _, _ := strings.Cut(event.GetDialect(), "_")
	return name
}
