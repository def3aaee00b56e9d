package discordsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The admin API, for other processes: POST /_sim/<action> with one JSON object (see
// args) does what the method of Server of that name does and answers its result, or 400
// with {"error", "kind"}. GET /_sim/events is the event stream (text/event-stream), GET
// /_sim/wait?version=N answers {"version": M} as soon as something changed since N. It
// has no authorization: keep it on loopback or in a closed network. [Client] speaks it.

// args are the arguments of all actions; each uses its own.
type args struct {
	ID         ID             `json:"id,omitempty"`
	IDs        []ID           `json:"ids,omitempty"`
	Guild      ID             `json:"guild,omitempty"`
	Channel    ID             `json:"channel,omitempty"`
	User       ID             `json:"user,omitempty"`
	Message    ID             `json:"message,omitempty"`
	Text       string         `json:"text,omitempty"`
	Flag       bool           `json:"flag,omitempty"`
	Locked     bool           `json:"locked,omitempty"`
	Number     int            `json:"number,omitempty"`
	Duration   time.Duration  `json:"duration,omitempty"` // nanoseconds
	Say        SayOpts        `json:"say,omitzero"`
	Options    map[string]any `json:"options,omitempty"`
	NewGuild   Guild          `json:"new_guild,omitzero"`
	NewUser    User           `json:"new_user,omitzero"`
	NewRole    Role           `json:"new_role,omitzero"`
	NewChannel *Channel       `json:"new_channel,omitempty"`
	Overwrites []Overwrite    `json:"overwrites,omitempty"`
	Faults     []Fault        `json:"faults,omitempty"`
	Gateway    GatewayFault   `json:"gateway,omitzero"`
	Limits     RateLimits     `json:"limits,omitzero"`
}

type action func(s *Server, a args) (any, error)

// done makes an action of a method that returns nothing or only an error.
func done(err error) (any, error) { return struct{}{}, err }

// with keeps a value only if there was no error.
func with[T any](v T, err error) (any, error) { return v, err }

func worldActions() map[string]action {
	return map[string]action{
		"default-world":   func(s *Server, _ args) (any, error) { return s.DefaultWorld(), nil },
		"bot":             func(s *Server, _ args) (any, error) { return s.BotID(), nil },
		"add-guild":       func(s *Server, a args) (any, error) { return s.AddGuild(a.NewGuild), nil },
		"add-user":        func(s *Server, a args) (any, error) { return s.AddUserWith(a.NewUser), nil },
		"add-member":      func(s *Server, a args) (any, error) { return done(s.AddMember(a.Guild, a.User, a.IDs...)) },
		"timeout":         func(s *Server, a args) (any, error) { return done(s.Timeout(a.Guild, a.User, a.Duration)) },
		"set-role":        func(s *Server, a args) (any, error) { return with(s.SetRole(a.Guild, a.NewRole)) },
		"delete-role":     func(s *Server, a args) (any, error) { return done(s.DeleteRole(a.Guild, a.ID)) },
		"set-overwrites":  func(s *Server, a args) (any, error) { return done(s.SetOverwrites(a.Channel, a.Overwrites...)) },
		"open-dm":         func(s *Server, a args) (any, error) { return with(s.OpenDM(a.User)) },
		"delete-channel":  func(s *Server, a args) (any, error) { return done(s.DeleteChannel(a.Channel)) },
		"set-thread":      func(s *Server, a args) (any, error) { return done(s.SetThread(a.Channel, a.Flag, a.Locked)) },
		"kick-bot":        func(s *Server, a args) (any, error) { return done(s.KickBot(a.Guild)) },
		"invite-bot":      func(s *Server, a args) (any, error) { return done(s.InviteBot(a.Guild, a.IDs...)) },
		"remove-guild":    func(s *Server, a args) (any, error) { return done(s.RemoveGuild(a.Guild)) },
		"set-unavailable": func(s *Server, a args) (any, error) { return done(s.SetUnavailable(a.Guild, a.Flag)) },
		"add-channel": func(s *Server, a args) (any, error) {
			if a.NewChannel == nil {
				return nil, errors.New("add channel: new_channel is missing")
			}
			return with(s.AddChannel(*a.NewChannel))
		},
	}
}

func userActions() map[string]action {
	return map[string]action{
		"say":          func(s *Server, a args) (any, error) { return with(s.Say(a.Channel, a.User, a.Text, a.Say)) },
		"edit":         func(s *Server, a args) (any, error) { return with(s.Edit(a.Message, a.Text)) },
		"delete":       func(s *Server, a args) (any, error) { return done(s.Delete(a.Message)) },
		"bulk-delete":  func(s *Server, a args) (any, error) { return done(s.BulkDelete(a.Channel, a.IDs...)) },
		"type":         func(s *Server, a args) (any, error) { return done(s.TypeAs(a.Channel, a.User)) },
		"start-thread": func(s *Server, a args) (any, error) { return with(s.StartThread(a.Channel, a.Message, a.User, a.Text)) },
		"slash":        func(s *Server, a args) (any, error) { return with(s.RunSlash(a.Channel, a.User, a.Text, a.Options)) },
	}
}

func bookActions() map[string]action {
	return map[string]action{
		"guilds":         func(s *Server, _ args) (any, error) { return s.Guilds(), nil },
		"channels":       func(s *Server, a args) (any, error) { return s.Channels(a.Guild), nil },
		"members":        func(s *Server, a args) (any, error) { return s.Members(a.Guild), nil },
		"roles":          func(s *Server, a args) (any, error) { return s.Roles(a.Guild), nil },
		"users":          func(s *Server, _ args) (any, error) { return s.Users(), nil },
		"counts":         func(s *Server, _ args) (any, error) { return s.Counts(), nil },
		"posts":          func(s *Server, a args) (any, error) { return s.PostsSince(a.Number), nil },
		"replies":        func(s *Server, a args) (any, error) { return s.Replies(a.Message), nil },
		"reply-counts":   func(s *Server, a args) (any, error) { return s.ReplyCounts(a.IDs), nil },
		"messages":       func(s *Server, a args) (any, error) { return s.Messages(a.Channel), nil },
		"typing":         func(s *Server, a args) (any, error) { return s.Typing(a.Channel), nil },
		"threads":        func(s *Server, _ args) (any, error) { return s.Threads(), nil },
		"requests":       func(s *Server, _ args) (any, error) { return s.Requests(), nil },
		"request-counts": func(s *Server, _ args) (any, error) { return s.RequestCounts(), nil },
		"commands":       func(s *Server, a args) (any, error) { return s.Commands(a.Guild), nil },
		"sessions":       func(s *Server, _ args) (any, error) { return s.Sessions(), nil },
		"connections":    func(s *Server, _ args) (any, error) { return s.Connections(), nil },
		"violations":     func(s *Server, _ args) (any, error) { return s.Violations(), nil },
		"channel":        func(s *Server, a args) (any, error) { return found(s.Channel(a.Channel)) },
		"message":        func(s *Server, a args) (any, error) { return found(s.Message(a.Message)) },
		"interaction":    func(s *Server, a args) (any, error) { return found(s.Interaction(a.ID)) },
	}
}

func troubleActions() map[string]action {
	return map[string]action{
		"inject":              func(s *Server, a args) (any, error) { s.Inject(a.Faults...); return done(nil) },
		"inject-gateway":      func(s *Server, a args) (any, error) { s.InjectGateway(a.Gateway); return done(nil) },
		"clear-faults":        func(s *Server, _ args) (any, error) { s.ClearFaults(); return done(nil) },
		"set-limits":          func(s *Server, a args) (any, error) { s.SetLimits(a.Limits); return done(nil) },
		"refuse":              func(s *Server, a args) (any, error) { s.Refuse(a.Duration); return done(nil) },
		"deny":                func(s *Server, a args) (any, error) { s.Deny(Intent(a.Number)); return done(nil) },
		"forget-nonces":       func(s *Server, _ args) (any, error) { s.ForgetNonces(); return done(nil) },
		"restore-token":       func(s *Server, _ args) (any, error) { s.RestoreToken(); return done(nil) },
		"close-sockets":       func(s *Server, a args) (any, error) { return s.CloseSockets(a.Number), nil },
		"half-open":           func(s *Server, _ args) (any, error) { return s.HalfOpen(), nil },
		"ask-reconnect":       func(s *Server, _ args) (any, error) { return s.AskReconnect(), nil },
		"ask-heartbeat":       func(s *Server, _ args) (any, error) { return s.AskHeartbeat(), nil },
		"invalidate-sessions": func(s *Server, a args) (any, error) { return s.InvalidateSessions(a.Flag), nil },
	}
}

func found[T any](v T, ok bool) (any, error) {
	if !ok {
		return nil, errors.New("not found")
	}
	return v, nil
}

func (s *Server) adminRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, set := range []map[string]action{worldActions(), userActions(), bookActions(), troubleActions()} {
		for name, run := range set {
			mux.HandleFunc("POST /_sim/"+name, func(w http.ResponseWriter, r *http.Request) { s.serveAction(w, r, run) })
		}
	}
	mux.HandleFunc("GET /_sim/events", s.serveEvents)
	mux.HandleFunc("GET /_sim/wait", s.serveWait)
	return mux
}

// errorKinds lets a Client return the errors that callers branch on.
var errorKinds = map[string]error{"no_command": ErrNoCommand, "command_hidden": ErrCommandHidden, "bad_option": ErrBadOption}

type adminError struct {
	Error string `json:"error"`
	Kind  string `json:"kind,omitempty"`
}

func (s *Server) serveAction(w http.ResponseWriter, r *http.Request, run action) {
	var a args
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&a)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, adminError{Error: "read arguments: " + err.Error()})
		return
	}
	out, err := run(s, a)
	if err != nil {
		answer := adminError{Error: err.Error()}
		for kind, known := range errorKinds {
			if errors.Is(err, known) {
				answer.Kind = kind
			}
		}
		writeJSON(w, http.StatusBadRequest, answer)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// serveWait is a long poll: at most 30 s, then it answers the version as it is.
func (s *Server) serveWait(w http.ResponseWriter, r *http.Request) {
	known, _ := strconv.ParseUint(r.URL.Query().Get("version"), 10, 64) // absent: answer at once
	version, changed := s.watch()
	if version == known {
		t := time.NewTimer(30 * time.Second)
		defer t.Stop()
		select {
		case <-changed:
		case <-t.C:
		case <-r.Context().Done():
		case <-s.closed():
		}
		version, _ = s.watch()
	}
	writeJSON(w, http.StatusOK, map[string]uint64{"version": version})
}

func (s *Server) closed() <-chan struct{} {
	s.lock()
	defer s.mu.Unlock()
	return s.closing
}

// serveEvents streams Events as server-sent events, each a "data:" line of JSON.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	sub := s.Subscribe(4096)
	defer sub.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	if _, err := fmt.Fprint(w, ": open\n\n"); err != nil || rc.Flush() != nil {
		return
	}
	closed := s.closed()
	for {
		select {
		case e := <-sub.C:
			if _, err := fmt.Fprintf(w, "data: %s\n\n", mustJSON(e)); err != nil || rc.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-closed:
			return
		}
	}
}
