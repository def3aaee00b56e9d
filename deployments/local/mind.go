package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"salamander.dev/shared/sim/hfsim"
)

// mind stands in front of the simulated Hugging Face and sees who calls: every worker has a base URL of its own,
// /w/<process name>/v1. It changes nothing.
type mind struct {
	sim  *hfsim.Server
	keys map[string]string // name by token
	seen func(modelCall)
	l    net.Listener
	http *http.Server
}

// modelCall is the beginning or the end of one request to the model.
type modelCall struct {
	Worker, Key, Question string
	Began                 time.Time
	Ended                 time.Time // zero: it begins
	Status                int       // 0: none was sent
	id                    *byte     // tells calls apart
}

// maxModelBody bounds what is read of a request, in bytes.
const maxModelBody = 1 << 20

func newMind(sim *hfsim.Server, seen func(modelCall)) (*mind, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &mind{sim: sim, keys: map[string]string{}, seen: seen, l: l}
	for _, k := range sim.Keys {
		m.keys[k.Token] = k.Name
	}
	m.http = &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = m.http.Serve(l) }() // ends with Close
	return m, nil
}

// url is the base URL for one worker.
func (m *mind) url(worker string) string {
	return "http://" + m.l.Addr().String() + "/w/" + worker + "/v1"
}

func (m *mind) close() { _ = m.http.Close() }

func (m *mind) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/w/")
	worker, path, cut := strings.Cut(rest, "/")
	if !ok || !cut {
		http.NotFound(w, r)
		return
	}
	r2 := r.Clone(r.Context())
	r2.URL.Path, r2.URL.RawPath = "/"+path, ""
	if r.Method != http.MethodPost {
		m.sim.ServeHTTP(w, r2)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxModelBody))
	if err != nil {
		return // the worker died while it sent
	}
	r2.Body = io.NopCloser(bytes.NewReader(body))
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	c := modelCall{Worker: worker, Key: m.keys[token], Question: lastUser(body), Began: time.Now(), id: new(byte)}
	m.seen(c)
	sw := &statusWriter{ResponseWriter: w}
	defer func() { // also when the simulator aborts the connection by a panic
		c.Ended, c.Status = time.Now(), sw.status
		m.seen(c)
	}()
	m.sim.ServeHTTP(sw, r2)
}

// lastUser is the question in a chat request.
func lastUser(body []byte) string {
	var in struct {
		Messages []hfsim.Message `json:"messages"`
	}
	if json.Unmarshal(body, &in) != nil {
		return ""
	}
	for i := len(in.Messages) - 1; i >= 0; i-- {
		if in.Messages[i].Role == "user" {
			return in.Messages[i].Content
		}
	}
	return ""
}

// statusWriter remembers the status; Unwrap lets the simulator hijack and flush.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}
