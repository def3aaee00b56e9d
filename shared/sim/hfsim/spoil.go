package hfsim

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// failStatus does the faults that answer with an error status; nothing but the request is charged.
func (x *exchange) failStatus() bool {
	f := x.fault
	jsonType, body := "application/json", func(usual string) string { return cmp.Or(f.Body, usual) }
	switch f.Kind {
	case RateLimited:
		x.hint(f.Hint, cmp.Or(f.Wait, time.Second))
		x.reject(429, jsonType, body(body429))
	case Overloaded:
		x.reject(429, jsonType, body(`{"error":"Model is overloaded","error_type":"overloaded"}`))
	case NoCredit:
		x.reject(402, jsonType, body(body402))
	case BadToken:
		x.reject(401, "text/plain; charset=utf-8", body(body401))
	case NoPermission:
		x.reject(403, jsonType, body(body403))
	case BadRequest:
		x.reject(400, jsonType, body(`{"error":{"message":"Invalid value for 'messages'","type":"invalid_request_error","param":"messages","code":"invalid_value"}}`))
	case NotFound:
		x.reject(404, jsonType, body(`{"detail":"Not Found"}`))
	case TooLarge:
		x.reject(413, jsonType, body(`{"error":"Input is too long","error_type":"validation"}`))
	case Invalid:
		x.reject(422, jsonType, body(`{"error":"Input validation error: inputs must have less than 4096 tokens","error_type":"validation"}`))
	case Internal:
		x.reject(500, jsonType, body(`{"error":"Internal Error, please report to us"}`))
	case BadGateway:
		x.reject(502, "text/html", body("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"))
	case Loading:
		x.reject(503, jsonType, body(fmt.Sprintf(`{"error":"Model %s is currently loading","estimated_time":%g}`, "salamander", cmp.Or(f.Wait, 20*time.Second).Seconds())))
	case Unavailable:
		x.reject(503, "text/plain", body("no healthy upstream"))
	case GatewayTimeout:
		x.reject(504, "application/problem+json", body(`{"type":"about:blank","title":"Gateway Timeout","status":504,"detail":"The upstream did not answer in time"}`))
	case AnyStatus:
		x.reject(cmp.Or(f.Status, 500), jsonType, body(fmt.Sprintf(`{"message":"simulated status %d"}`, f.Status)))
	case Redirect:
		x.w.Header().Set("Location", body("/v1/elsewhere"))
		x.reject(307, "text/plain", "moved")
	default:
		return false
	}
	return true
}

// failSilently does the faults that send no status at all, after the call was charged.
func (x *exchange) failSilently() bool {
	switch x.fault.Kind {
	case Hang:
		x.hold()
	case Reset:
		conn, _, err := http.NewResponseController(x.w).Hijack()
		if err != nil {
			x.abort()
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // RST in place of FIN
		}
		_ = conn.Close()
	default:
		return false
	}
	return true
}

// hold keeps the connection until the client leaves or the server closes, and ends it without a word.
func (x *exchange) hold() {
	select {
	case <-x.r.Context().Done():
	case <-x.s.done:
	}
	x.abort()
}

// abort ends the connection. Returning from the handler would complete the answer.
func (x *exchange) abort() { panic(http.ErrAbortHandler) }

// spoil sends a finished body of a 200, with whatever fault was ordered.
func (x *exchange) spoil(body []byte) {
	x.status = http.StatusOK
	header := x.w.Header()
	header.Set("Content-Type", "application/json")
	half := len(body) / 2
	switch x.fault.Kind {
	case Stall:
		x.announce(body)
		x.send(body[:half])
		x.hold()
	case Truncated:
		x.announce(body)
		x.send(body[:half])
		x.abort()
	case Trickle:
		for i := range body {
			if !x.send(body[i:i+1]) || !x.s.pause(x.r.Context(), x.gap()) {
				x.abort()
			}
		}
	case Huge:
		x.send(body[:half])
		block := bytes.Repeat([]byte("fire "), 4096)
		for x.send(block) && x.s.pause(x.r.Context(), 0) {
			select {
			case <-x.s.done:
				x.abort()
			default:
			}
		}
	case Empty:
		x.w.WriteHeader(http.StatusOK)
	case NotUTF8:
		_, _ = x.w.Write(bytes.ReplaceAll(body, []byte(" "), []byte{0xff, 0xfe, 0xc3, 0x28}))
	case ErrorIn200, ErrorInStream:
		_, _ = io.WriteString(x.w, cmp.Or(x.fault.Body, `{"error":{"message":"upstream provider failed","type":"upstream_error"}}`))
	case BrokenJSON:
		_, _ = x.w.Write(append(bytes.Replace(body, []byte(`":`), []byte(`"`), 1), "}}"...))
	default:
		_, _ = x.w.Write(body)
	}
}

// gap is the time between the bytes of a trickle.
func (x *exchange) gap() time.Duration { return cmp.Or(x.fault.Pause, 50*time.Millisecond) }

// announce promises the whole length.
func (x *exchange) announce(body []byte) { x.w.Header().Set("Content-Length", fmt.Sprint(len(body))) }

// send writes and flushes; false when the client is gone.
func (x *exchange) send(p []byte) bool {
	if _, err := x.w.Write(p); err != nil {
		return false
	}
	return http.NewResponseController(x.w).Flush() == nil
}
