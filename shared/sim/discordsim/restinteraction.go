package discordsim

import (
	"encoding/json"
	"net/http"
	"time"
)

// These routes need no Authorization and don't count towards the global limit (docs:
// topics/rate-limits, "Global Rate Limit"). nonce and enforce_nonce mean nothing here.
var interactionRoutes = []route{
	{pattern: "POST /interactions/{interaction}/{token}/callback", run: callback, open: true},
	{pattern: "POST /webhooks/{app}/{token}", run: followUp, open: true},
	{pattern: "GET /webhooks/{app}/{token}/messages/{message}", run: getResponse, open: true},
	{pattern: "PATCH /webhooks/{app}/{token}/messages/{message}", run: editResponse, open: true},
	{pattern: "DELETE /webhooks/{app}/{token}/messages/{message}", run: deleteResponse, open: true},
}

const (
	callbackMessage  = 4
	callbackDeferred = 5
)

// callback is the first response; it must come within 3 s, and once.
func callback(s *Server, c *call) (int, any) {
	id, e := c.id("interaction")
	if e != nil {
		return 0, e
	}
	i := s.interactions[c.r.PathValue("token")]
	now := s.now()
	switch {
	case i == nil || i.ID != id:
		return 0, errUnknownInteraction
	case i.Type != 0:
		return 0, errAlreadyAcked
	case now.Sub(i.Created) > orDefault(s.InteractionWindow, 3*time.Second):
		return 0, errUnknownInteraction
	}
	var body struct {
		Type int             `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if e := c.decode(&body); e != nil {
		return 0, e
	}
	data := *c
	data.raw = body.Data
	req, e := parseMessage(&data)
	if e != nil {
		return 0, e
	}
	switch {
	case body.Type != callbackMessage && body.Type != callbackDeferred:
		return 0, invalid("type", "BASE_TYPE_CHOICES", "Value must be one of (4, 5) for a slash command.")
	case body.Type == callbackMessage && req.empty():
		return 0, errEmptyMessage
	}
	i.Type, i.Acked, i.Ephemeral, i.Loading = body.Type, now, req.Flags&FlagEphemeral != 0, body.Type == callbackDeferred
	i.Response = s.postResponse(i, req, c.raw)
	if c.r.URL.Query().Get("with_response") == "true" {
		return http.StatusOK, map[string]any{"interaction": map[string]any{"id": i.ID, "type": 2, "response_message_id": i.Response.ID},
			"resource": map[string]any{"type": i.Type, "message": s.wireMessage(i.Response, messageView{content: true})}}
	}
	return http.StatusNoContent, nil
}

// postResponse makes the message of a callback or follow-up. Ephemeral ones stand in
// no channel; only the user sees them.
func (s *Server) postResponse(i *interaction, req *messageRequest, raw []byte) *Message {
	now := s.now()
	m := &Message{ID: s.ids.next(now), Channel: i.Channel, Guild: i.Guild, Author: s.bot.ID, Content: req.text(), Type: SlashCommand,
		Webhook: s.app, Interaction: i.ID, Embeds: req.embeds(), Created: now, Flags: req.Flags & (FlagEphemeral | 1<<2)}
	ch := s.channels[i.Channel]
	if ch == nil { // deleted meanwhile: the message exists for the token only
		ch, m.Flags = &Channel{ID: i.Channel}, m.Flags|FlagEphemeral
	}
	s.resolve(m, ch, req.policy())
	if i.Loading && i.Response == nil {
		m.Flags |= FlagLoading
	}
	s.bookPost(m, req, raw)
	if m.Flags&FlagEphemeral == 0 {
		s.store(m, ch)
	}
	s.responded(i)
	return m
}

func (s *Server) responded(i *interaction) {
	s.emit(func() Event {
		seen := i.snapshot()
		return Event{Kind: EventResponse, Guild: i.Guild, Channel: i.Channel, User: i.User, Interaction: &seen}
	})
}

// byToken finds the interaction of a webhook path. Its token lives 15 minutes.
func (s *Server) byToken(c *call) (*interaction, *apiError) {
	app, e := c.id("app")
	if e != nil {
		return nil, e
	}
	i := s.interactions[c.r.PathValue("token")]
	switch {
	case app != s.app || i == nil:
		return nil, errUnknownWebhook
	case s.now().Sub(i.Created) >= s.interactionLife():
		return nil, errWebhookToken
	case i.Type == 0:
		return nil, errUnknownWebhook // not responded to yet
	}
	return i, nil
}

// followUp posts another message; the first one after a deferred callback fills in the
// placeholder, whose visibility holds.
func followUp(s *Server, c *call) (int, any) {
	i, e := s.byToken(c)
	if e != nil {
		return 0, e
	}
	req, e := parseMessage(c)
	if e != nil {
		return 0, e
	}
	if req.empty() {
		return 0, errEmptyMessage
	}
	if i.Loading {
		return http.StatusOK, s.wireMessage(s.fill(i, req), messageView{content: true})
	}
	m := s.postResponse(i, req, c.raw)
	i.FollowUps = append(i.FollowUps, m.clone())
	s.responded(i)
	return http.StatusOK, s.wireMessage(m, messageView{content: true})
}

// fill edits the original response.
func (s *Server) fill(i *interaction, req *messageRequest) *Message {
	out := *i.Response
	if req.Content != nil {
		out.Content = req.text()
		i.Edits = append(i.Edits, out.Content)
	}
	if req.Embeds != nil {
		out.Embeds = req.embeds()
	}
	if !i.Loading {
		out.Edited = s.now()
	}
	out.Flags &^= FlagLoading
	i.Loading = false
	if ch := s.channels[i.Channel]; ch != nil {
		s.resolve(&out, ch, req.policy())
	}
	i.Response = &out
	if s.messages[out.ID] != nil {
		s.change(out)
	}
	s.responded(i)
	return &out
}

// responseOf finds the message of the path: "@original" or a follow-up's id.
func (s *Server) responseOf(c *call) (*interaction, int, *apiError) {
	i, e := s.byToken(c)
	if e != nil {
		return nil, 0, e
	}
	which := c.r.PathValue("message")
	if i.Response != nil && !i.Deleted && (which == "@original" || which == i.Response.ID.String()) {
		return i, -1, nil
	}
	for n, m := range i.FollowUps {
		if m.ID.String() == which {
			return i, n, nil
		}
	}
	return nil, 0, errUnknownMessage
}

func getResponse(s *Server, c *call) (int, any) {
	i, n, e := s.responseOf(c)
	if e != nil {
		return 0, e
	}
	m := i.Response
	if n >= 0 {
		m = &i.FollowUps[n]
	}
	return http.StatusOK, s.wireMessage(m, messageView{content: true})
}

func editResponse(s *Server, c *call) (int, any) {
	i, n, e := s.responseOf(c)
	if e != nil {
		return 0, e
	}
	req, e := parseMessage(c)
	if e != nil {
		return 0, e
	}
	s.books.counts.Edits++
	if n < 0 {
		if req.empty() && i.Loading {
			return 0, errEmptyMessage
		}
		return http.StatusOK, s.wireMessage(s.fill(i, req), messageView{content: true})
	}
	m := i.FollowUps[n]
	m.Content, m.Edited = req.text(), s.now()
	i.FollowUps[n] = m
	if s.messages[m.ID] != nil {
		s.change(m)
	}
	s.responded(i)
	return http.StatusOK, s.wireMessage(&m, messageView{content: true})
}

func deleteResponse(s *Server, c *call) (int, any) {
	i, n, e := s.responseOf(c)
	if e != nil {
		return 0, e
	}
	s.books.counts.Deletes++
	id := i.Response.ID
	if n < 0 {
		i.Deleted = true
	} else {
		id = i.FollowUps[n].ID
		i.FollowUps = append(i.FollowUps[:n:n], i.FollowUps[n+1:]...)
	}
	if m := s.messages[id]; m != nil {
		s.remove(m)
	}
	s.responded(i)
	return http.StatusNoContent, nil
}
