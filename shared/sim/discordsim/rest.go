package discordsim

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// maxBody is the size of a request (docs: resources/message, "25 MiB").
const maxBody = 25 << 20

// handler answers one route; it runs with Server.mu held and returns what is encoded
// after it, or an *apiError.
type handler func(s *Server, c *call) (status int, body any)

type route struct {
	pattern string // method and template
	run     handler
	open    bool // no Authorization, and outside the global limit: interactions and webhooks
}

// call is one REST request.
type call struct {
	r     *http.Request
	raw   []byte
	start time.Time
}

// id reads a snowflake from the path.
func (c *call) id(name string) (ID, *apiError) {
	id, err := ParseID(c.r.PathValue(name))
	if err != nil {
		return 0, notSnowflake(name+"_id", c.r.PathValue(name))
	}
	return id, nil
}

// decode reads the JSON body; wrong types are code 50035 at their field.
func (c *call) decode(into any) *apiError {
	if len(c.raw) == 0 {
		return nil
	}
	err := json.Unmarshal(c.raw, into)
	var te *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &te):
		return invalid(orDefault(te.Field, "_root"), "BASE_TYPE_BAD", "Wrong type: "+te.Value)
	case json.Valid(c.raw):
		return invalid("_root", "BASE_TYPE_BAD", err.Error())
	default:
		return errInvalidJSON
	}
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, list := range [][]route{messageRoutes, channelRoutes, interactionRoutes, commandRoutes, accountRoutes} {
		for _, rt := range list {
			mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) { s.serveRoute(w, r, rt) })
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.serveRoute(w, r, route{pattern: r.Method + " unknown", open: true,
			run: func(*Server, *call) (int, any) { return 0, errNotFound }})
	})
	return mux
}

func (s *Server) serveREST(w http.ResponseWriter, r *http.Request) {
	if left, banned := s.banned(); banned {
		w.Header().Set("Retry-After", seconds(left))
		writeHTML(w, http.StatusTooManyRequests, "<title>Access denied | discord.com used Cloudflare to restrict access</title><h1>Error 1015</h1><p>You are being rate limited</p>")
		return
	}
	for _, prefix := range []string{"/api/v9", "/api/v10"} {
		if rest, ok := strings.CutPrefix(r.URL.Path, prefix); ok && strings.HasPrefix(rest, "/") {
			http.StripPrefix(prefix, s.mux).ServeHTTP(w, r)
			return
		}
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		writeJSON(w, errAPIVersion.Status, errAPIVersion)
		return
	}
	http.NotFound(w, r)
}

// serveRoute is the way of every request: faults, authorization, limits, the handler,
// the books.
func (s *Server) serveRoute(w http.ResponseWriter, r *http.Request, rt route) {
	c := &call{r: r, start: s.now()}
	fault, faulty := s.takeFault(rt.pattern)
	if faulty && !s.wait(r.Context(), fault.Delay) || fault.DropBefore {
		s.book(c, rt, 0, nil)
		hangUp(w)
		return
	}
	raw, err := readBody(w, r)
	if err != nil {
		s.book(c, rt, 0, nil)
		hangUp(w)
		return
	}
	c.raw = raw
	status, body := s.answer(w.Header(), c, rt, fault)
	e, _ := body.(*apiError)
	if e != nil {
		status = e.Status
	}
	if fault.DropAfter {
		s.book(c, rt, 0, e)
		hangUp(w)
		return
	}
	s.book(c, rt, status, e)
	if fault.HTML {
		writeHTML(w, status, "<html><head><title>"+http.StatusText(status)+"</title></head><body>cloudflare</body></html>")
		return
	}
	writeJSON(w, status, body)
}

func (s *Server) answer(h http.Header, c *call, rt route, fault Fault) (int, any) {
	if fault.Status != 0 && !fault.DropAfter {
		return 0, faultError(h, fault)
	}
	if !rt.open && !s.authorized(c.r) {
		return 0, errUnauthorized
	}
	if !rt.open {
		if e := s.limitGlobal(h); e != nil {
			return 0, e
		}
	}
	if e := s.limitRoute(h, rt.pattern, c.r.PathValue("channel")+c.r.PathValue("guild")+c.r.PathValue("token")); e != nil {
		return 0, e
	}
	s.check(c, rt)
	s.lock()
	defer s.unlock()
	return rt.run(s, c)
}

func faultError(h http.Header, f Fault) *apiError {
	if f.Status == http.StatusTooManyRequests {
		wait := time.Duration(orDefault(f.RetryAfter, 1) * float64(time.Second))
		e := tooMany(h, wait, orDefault(f.Scope, "user"), f.BareHeaders)
		e.Code = f.Code
		return e
	}
	return refuse(f.Status, f.Code, orDefault(http.StatusText(f.Status), "Fault"))
}

func (s *Server) authorized(r *http.Request) bool {
	s.lock()
	defer s.mu.Unlock()
	return r.Header.Get("Authorization") == "Bot "+s.token
}

// check asks CheckRequest, outside the lock.
func (s *Server) check(c *call, rt route) {
	if s.CheckRequest == nil || c.r.Method == http.MethodGet || len(c.raw) == 0 {
		return
	}
	if err := s.CheckRequest(c.r.Method, c.r.URL.Path, c.raw); err != nil {
		s.lock()
		defer s.unlock()
		s.books.counts.Violations++
		if len(s.books.violations) < 100 {
			s.books.violations = append(s.books.violations, Violation{Route: rt.pattern, Body: c.raw, Error: err.Error()})
		}
	}
}

// book writes a request down; 401, 403 and 429 count towards the ban, except 429s of
// scope "shared" (docs: topics/rate-limits, "Invalid Request Limit").
func (s *Server) book(c *call, rt route, status int, e *apiError) {
	s.lock()
	defer s.unlock()
	b := &s.books
	b.counts.Requests++
	if b.byRoute == nil {
		b.byRoute = map[string]map[int]int{}
	}
	if b.byRoute[rt.pattern] == nil {
		b.byRoute[rt.pattern] = map[int]int{}
	}
	b.byRoute[rt.pattern][status]++
	req := Request{At: c.start, Route: rt.pattern, Path: c.r.URL.Path, Status: status, Took: s.now().Sub(c.start)}
	if e != nil {
		req.Code = e.Code
	}
	b.requests.add(req, s.keepPosts())
	switch status {
	case http.StatusTooManyRequests:
		b.counts.Limited++
		if e == nil || e.Scope != "shared" {
			s.countInvalid()
		}
	case http.StatusUnauthorized, http.StatusForbidden:
		s.countInvalid()
	}
}

// readBody returns the JSON of a request, also of a multipart one (payload_json).
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		return io.ReadAll(r.Body)
	}
	if err := r.ParseMultipartForm(maxBody); err != nil {
		return nil, err
	}
	return []byte(r.FormValue("payload_json")), nil
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	raw := mustJSON(body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the client may be gone
}

func writeHTML(w http.ResponseWriter, status int, page string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.Header().Set("Server", "cloudflare")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, page)
}
