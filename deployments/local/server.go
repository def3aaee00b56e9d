package main

import (
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"strings"
)

//go:embed page
var pageFiles embed.FS

// maxBody bounds what a page may send, in bytes.
const maxBody = 64 << 10

// handler serves the page and its API to browsers on this machine. addr is where it listens.
func (p *playground) handler(addr string) http.Handler {
	mux := http.NewServeMux()
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the folder is embedded: only a wrong name here could fail
	}
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /api/events", func(w http.ResponseWriter, r *http.Request) { p.feed.serve(w, r, p.hello) })
	p.routes(mux)
	guard := http.NewCrossOriginProtection()
	return secure(guard.Handler(mux), addr)
}

// secure adds the headers that keep the page to itself, and refuses foreign names for this address, which is how a
// page elsewhere would reach a server on the loopback (DNS rebinding).
func secure(next http.Handler, addr string) http.Handler {
	host, _, _ := net.SplitHostPort(addr)
	local := net.ParseIP(host) != nil && net.ParseIP(host).IsLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if local && !loopbackName(r.Host) {
			http.Error(w, "this page is served to this machine only", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if !strings.HasPrefix(r.URL.Path, "/api/") {
			h.Set("Cache-Control", "no-cache")
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// order serves one order: JSON in, JSON out, a sentence for a person when it is refused.
func order[T any](mux *http.ServeMux, path string, do func(T) (any, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var in T
		body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		body.DisallowUnknownFields()
		if err := body.Decode(&in); err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": "not understood: " + err.Error()})
			return
		}
		out, err := do(in)
		switch {
		case errors.Is(err, errReal):
			answer(w, http.StatusForbidden, map[string]string{"error": err.Error()})
		case err != nil:
			answer(w, http.StatusConflict, map[string]string{"error": err.Error()})
		default:
			answer(w, http.StatusOK, out)
		}
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the browser went away
}
