package discordsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

var messageRoutes = []route{
	{pattern: "POST /channels/{channel}/messages", run: createMessage},
	{pattern: "GET /channels/{channel}/messages", run: listMessages},
	{pattern: "GET /channels/{channel}/messages/{message}", run: getMessage},
	{pattern: "PATCH /channels/{channel}/messages/{message}", run: editMessage},
	{pattern: "DELETE /channels/{channel}/messages/{message}", run: deleteMessage},
}

// messageRequest is the part of a message's body that the simulator reads.
type messageRequest struct {
	Content         *string           `json:"content"`
	Nonce           json.RawMessage   `json:"nonce"`
	EnforceNonce    bool              `json:"enforce_nonce"`
	TTS             bool              `json:"tts"`
	Flags           int               `json:"flags"`
	Embeds          []json.RawMessage `json:"embeds"`
	Components      []json.RawMessage `json:"components"`
	StickerIDs      []ID              `json:"sticker_ids"`
	Attachments     []json.RawMessage `json:"attachments"`
	AllowedMentions *allowedMentions  `json:"allowed_mentions"`
	Reference       *struct {
		Type            int   `json:"type"`
		MessageID       ID    `json:"message_id"`
		ChannelID       ID    `json:"channel_id"`
		GuildID         ID    `json:"guild_id"`
		FailIfNotExists *bool `json:"fail_if_not_exists"`
	} `json:"message_reference"`

	allowedRaw json.RawMessage
	nonce      string
}

type allowedMentions struct {
	Parse       []string `json:"parse"`
	Users       []ID     `json:"users"`
	Roles       []ID     `json:"roles"`
	RepliedUser bool     `json:"replied_user"`
}

// parseMessage decodes and checks what can be judged without the world.
func parseMessage(c *call) (*messageRequest, *apiError) {
	var req messageRequest
	if e := c.decode(&req); e != nil {
		return nil, e
	}
	var raw struct {
		AllowedMentions json.RawMessage `json:"allowed_mentions"`
	}
	if len(c.raw) > 0 {
		_ = json.Unmarshal(c.raw, &raw) // decoded above
	}
	req.allowedRaw = raw.AllowedMentions
	if req.Content != nil && utf16Len(*req.Content) > maxContent {
		return nil, tooLong("content", maxContent)
	}
	if len(req.Embeds) > 10 {
		return nil, tooLong("embeds", 10)
	}
	req.nonce = strings.Trim(string(req.Nonce), `"`)
	if bytes.HasPrefix(req.Nonce, []byte(`"`)) {
		_ = json.Unmarshal(req.Nonce, &req.nonce)
	}
	if req.nonce == "null" && !bytes.HasPrefix(req.Nonce, []byte(`"`)) {
		req.nonce = ""
	}
	if utf16Len(req.nonce) > 25 {
		return nil, invalid("nonce", "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length.")
	}
	if _, err := strconv.ParseInt(req.nonce, 10, 64); err != nil && req.nonce != "" && !bytes.HasPrefix(req.Nonce, []byte(`"`)) {
		return nil, invalid("nonce", "NONCE_TYPE_COERCE", "Must be a string or an integer.")
	}
	return &req, req.AllowedMentions.check()
}

func (a *allowedMentions) check() *apiError {
	if a == nil {
		return nil
	}
	for _, p := range a.Parse {
		if p != "users" && p != "roles" && p != "everyone" {
			return invalid("allowed_mentions", "BASE_TYPE_CHOICES", `Value of parse must be one of ("everyone", "roles", "users").`)
		}
	}
	if slices.Contains(a.Parse, "users") && len(a.Users) > 0 || slices.Contains(a.Parse, "roles") && len(a.Roles) > 0 {
		return invalid("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", "parse and a list of ids are mutually exclusive.")
	}
	if len(a.Users) > 100 || len(a.Roles) > 100 {
		return tooLong("allowed_mentions", 100)
	}
	return nil
}

// policy: without allowed_mentions a normal message pings everything that it names.
func (r *messageRequest) policy() pingPolicy {
	a := r.AllowedMentions
	if a == nil {
		return everything
	}
	return pingPolicy{users: slices.Contains(a.Parse, "users"), roles: slices.Contains(a.Parse, "roles"),
		everyone: slices.Contains(a.Parse, "everyone"), onlyUsers: a.Users, onlyRoles: a.Roles, reply: a.RepliedUser}
}

// text is the content as Discord stores it: without white space at its ends.
func (r *messageRequest) text() string {
	if r.Content == nil {
		return ""
	}
	return strings.TrimSpace(*r.Content)
}

func (r *messageRequest) empty() bool {
	return r.text() == "" && len(r.Embeds)+len(r.Components)+len(r.StickerIDs)+len(r.Attachments) == 0
}

func (r *messageRequest) embeds() json.RawMessage {
	if len(r.Embeds) == 0 {
		return nil
	}
	return mustJSON(r.Embeds)
}

// visible finds a channel that the bot can see.
func (s *Server) visible(c *call) (*Channel, Permission, *apiError) {
	id, e := c.id("channel")
	if e != nil {
		return nil, 0, e
	}
	ch := s.channels[id]
	if ch == nil {
		return nil, 0, errUnknownChannel
	}
	p := s.permissionsIn(ch, s.bot.ID)
	if !p.Has(ViewChannel) {
		return nil, 0, errMissingAccess
	}
	return ch, p, nil
}

// maySend is who may post where: threads have a permission of their own, and only
// moderators post into locked ones.
func maySend(ch *Channel, p Permission) *apiError {
	switch {
	case !ch.text():
		return errNonText
	case ch.isThread() && !p.Has(SendMessagesInThreads), !ch.isThread() && !p.Has(SendMessages):
		return errMissingPermissions
	case ch.isThread() && ch.Locked && !p.Has(ManageThreads):
		return errThreadLocked
	}
	return nil
}

func createMessage(s *Server, c *call) (int, any) {
	ch, p, e := s.visible(c)
	if e != nil {
		return 0, e
	}
	if e := maySend(ch, p); e != nil {
		return 0, e
	}
	req, e := parseMessage(c)
	if e != nil {
		return 0, e
	}
	if req.empty() && (req.Reference == nil || req.Reference.Type != 1) {
		return 0, errEmptyMessage
	}
	now := s.now()
	window := orDefault(s.NonceWindow, 3*time.Minute)
	if id, hit := s.nonces.find(s.bot.ID, req.nonce, now, window); hit && req.EnforceNonce && req.nonce != "" {
		s.books.counts.Deduplicated++
		if m := s.messages[id]; m != nil {
			return http.StatusOK, s.wireMessage(m, messageView{content: true})
		}
		return 0, errUnknownMessage
	}
	m := &Message{Channel: ch.ID, Guild: ch.Guild, Author: s.bot.ID, Content: req.text(), Flags: req.Flags & (1<<2 | 1<<12 | 1<<15),
		Nonce: req.nonce, nonceNumber: len(req.Nonce) > 0 && req.Nonce[0] != '"', Embeds: req.embeds(), Created: now}
	if e := s.refer(m, ch, p, req); e != nil {
		return 0, e
	}
	m.ID = s.ids.next(now)
	s.resolve(m, ch, req.policy())
	s.wakeThread(ch, s.bot.ID)
	if m.Nonce != "" {
		s.nonces.add(s.bot.ID, m.Nonce, m.ID, now, window)
	}
	s.bookPost(m, req, c.raw)
	s.store(m, ch)
	return http.StatusOK, s.wireMessage(m, messageView{content: true})
}

// refer makes the message a reply (or a forward, type 1).
func (s *Server) refer(m *Message, ch *Channel, p Permission, req *messageRequest) *apiError {
	ref := req.Reference
	if ref == nil || ref.MessageID == 0 {
		return nil
	}
	target := s.messages[ref.MessageID]
	if ref.Type == 1 {
		from := s.channels[ref.ChannelID]
		if target == nil || from == nil || target.Channel != from.ID || !s.permissionsIn(from, s.bot.ID).Has(ViewChannel|ReadMessageHistory) {
			return invalid("message_reference", "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message")
		}
		m.Reference, m.ReferenceIn, m.Snapshots, m.Flags = target.ID, from.ID, []string{target.Content}, m.Flags|FlagSnapshot
		return nil
	}
	if ref.ChannelID != 0 && ref.ChannelID != ch.ID {
		return invalid("message_reference", "MESSAGE_REFERENCE_CHANNEL_ID_MISMATCH", "Channel id must match the channel of the message")
	}
	if !p.Has(ReadMessageHistory) {
		return errNoHistory
	}
	if target == nil || target.Channel != ch.ID {
		if ref.FailIfNotExists != nil && !*ref.FailIfNotExists {
			return nil
		}
		return invalid("message_reference", "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message")
	}
	if target.Type.system() {
		return invalid("message_reference", "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", "Cannot reply to a system message")
	}
	m.Type, m.Reference, m.ReferenceIn = Reply, target.ID, ch.ID
	return nil
}

// target finds the message of the path in the channel of the path.
func (s *Server) target(c *call) (*Message, *Channel, Permission, *apiError) {
	ch, p, e := s.visible(c)
	if e != nil {
		return nil, nil, 0, e
	}
	id, e := c.id("message")
	if e != nil {
		return nil, nil, 0, e
	}
	m := s.messages[id]
	if m == nil || m.Channel != ch.ID {
		return nil, nil, 0, errUnknownMessage
	}
	return m, ch, p, nil
}

func getMessage(s *Server, c *call) (int, any) {
	m, _, p, e := s.target(c)
	if e != nil {
		return 0, e
	}
	if !p.Has(ReadMessageHistory) {
		return 0, errMissingPermissions
	}
	return http.StatusOK, s.wireMessage(m, messageView{content: s.contentOverREST()})
}

func editMessage(s *Server, c *call) (int, any) {
	m, ch, _, e := s.target(c)
	switch {
	case e != nil:
		return 0, e
	case m.Author != s.bot.ID:
		return 0, errNotAuthor
	case ch.Archived:
		return 0, errArchived
	}
	req, e := parseMessage(c)
	if e != nil {
		return 0, e
	}
	out := *m
	if req.Content != nil {
		out.Content = req.text()
	}
	if req.Embeds != nil {
		out.Embeds = req.embeds()
	}
	if out.Content == "" && len(out.Embeds) == 0 {
		return 0, errEmptyMessage
	}
	out.Edited = s.now()
	s.resolve(&out, ch, req.policy())
	s.books.counts.Edits++
	return http.StatusOK, s.wireMessage(s.change(out), messageView{content: true})
}

func deleteMessage(s *Server, c *call) (int, any) {
	m, _, p, e := s.target(c)
	switch {
	case e != nil:
		return 0, e
	case m.Author != s.bot.ID && (!p.Has(ManageMessages) || m.Guild == 0):
		return 0, errMissingPermissions
	}
	s.books.counts.Deletes++
	s.remove(m)
	return http.StatusNoContent, nil
}

// listMessages answers newest first; "after" starts at the oldest of those after the
// id. Without READ_MESSAGE_HISTORY the list is empty, and that is no error.
func listMessages(s *Server, c *call) (int, any) {
	ch, p, e := s.visible(c)
	if e != nil {
		return 0, e
	}
	q := c.r.URL.Query()
	limit := 50
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return 0, invalid("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
		}
		limit = n
	}
	list, e := page(s.history[ch.ID], q.Get("before"), q.Get("after"), q.Get("around"), limit)
	if e != nil {
		return 0, e
	}
	out := []*wireMessage{}
	if !p.Has(ReadMessageHistory) {
		return http.StatusOK, out
	}
	for _, id := range slices.Backward(list) {
		out = append(out, s.wireMessage(s.messages[id], messageView{content: s.contentOverREST()}))
	}
	return http.StatusOK, out
}

func page(list []ID, before, after, around string, limit int) ([]ID, *apiError) {
	for name, text := range map[string]string{"before": before, "after": after, "around": around} {
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, notSnowflake(name, text)
		}
		at, found := slices.BinarySearch(list, ID(n))
		switch {
		case name == "before":
			list = list[:at]
		case name == "around":
			from := max(0, at-limit/2)
			return list[from:min(len(list), from+limit)], nil
		default:
			if found {
				at++
			}
			return list[at:min(len(list), at+limit)], nil
		}
	}
	return list[max(0, len(list)-limit):], nil
}
