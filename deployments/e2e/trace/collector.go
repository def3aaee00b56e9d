package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// span is one span as it was received.
type span struct {
	trace, id, parent string
	service, name     string
	question          string
	start, end        time.Time
}

// receiver is an OTLP/HTTP receiver that keeps every span.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []span
	bad   []string // what came and was no trace
}

func newReceiver() *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	return r
}

// ServeHTTP takes POST /v1/traces in protobuf (OTLP specification, "OTLP/HTTP").
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 8<<20))
	var got collector.ExportTraceServiceRequest
	if err == nil && req.URL.Path == "/v1/traces" {
		err = proto.Unmarshal(body, &got)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" {
		r.bad = append(r.bad, req.Method+" "+req.URL.Path)
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	for _, resource := range got.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = strings.TrimPrefix(a.GetValue().GetStringValue(), "salamander-")
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				one := span{
					trace: string(s.GetTraceId()), id: string(s.GetSpanId()), parent: string(s.GetParentSpanId()), service: service, name: s.GetName(),
					start: time.Unix(0, int64(s.GetStartTimeUnixNano())), end: time.Unix(0, int64(s.GetEndTimeUnixNano())),
				}
				for _, a := range s.GetAttributes() {
					if a.GetKey() == "question" {
						one.question = a.GetValue().GetStringValue()
					}
				}
				r.spans = append(r.spans, one)
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// of returns the spans of the trace that follows a question; nil while there is none.
func (r *receiver) of(question string) (spans []span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	trace := ""
	for _, s := range r.spans {
		if s.question == question && s.parent == "" {
			trace = s.trace
		}
	}
	for _, s := range r.spans {
		if trace != "" && s.trace == trace {
			spans = append(spans, s)
		}
	}
	return spans
}
