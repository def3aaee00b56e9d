package discordsim

import (
	"net/http"
	"slices"
	"time"
)

var channelRoutes = []route{
	{pattern: "GET /channels/{channel}", run: getChannel},
	{pattern: "POST /channels/{channel}/typing", run: startTyping},
	{pattern: "POST /channels/{channel}/messages/{message}/threads", run: startThreadOnMessage},
	{pattern: "POST /channels/{channel}/threads", run: startThread},
	{pattern: "PATCH /channels/{channel}", run: patchChannel},
	{pattern: "PUT /channels/{channel}/thread-members/@me", run: joinThread},
	{pattern: "POST /users/@me/channels", run: createDM},
}

func getChannel(s *Server, c *call) (int, any) {
	ch, _, e := s.visible(c)
	if e != nil {
		return 0, e
	}
	return http.StatusOK, s.wireChannel(ch)
}

func startTyping(s *Server, c *call) (int, any) {
	ch, p, e := s.visible(c)
	if e != nil {
		return 0, e
	}
	if e := maySend(ch, p); e != nil {
		return 0, e
	}
	s.books.counts.Typing++
	s.books.typing.add(TypingCall{Channel: ch.ID, At: s.now()}, s.keepPosts())
	s.typing(ch, s.bot.ID)
	return http.StatusNoContent, nil
}

type threadRequest struct {
	Name             string       `json:"name"`
	AutoArchive      *int         `json:"auto_archive_duration"`
	RateLimitPerUser *int         `json:"rate_limit_per_user"`
	Type             *ChannelType `json:"type"`
}

func (r *threadRequest) check() *apiError {
	switch n := utf16Len(r.Name); {
	case n == 0:
		return invalid("name", "BASE_TYPE_REQUIRED", "This field is required")
	case n > 100:
		return invalid("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
	case r.AutoArchive != nil && !slices.Contains([]int{60, 1440, 4320, 10080}, *r.AutoArchive):
		return invalid("auto_archive_duration", "BASE_TYPE_CHOICES", "Value must be one of (60, 1440, 4320, 10080).")
	case r.RateLimitPerUser != nil && (*r.RateLimitPerUser < 0 || *r.RateLimitPerUser > 21600):
		return invalid("rate_limit_per_user", "NUMBER_TYPE_MAX", "int value should be between 0 and 21600.")
	}
	return nil
}

func (r *threadRequest) archive() time.Duration {
	if r.AutoArchive == nil {
		return 0
	}
	return time.Duration(*r.AutoArchive) * time.Minute
}

func (s *Server) roomForThread(ch *Channel) *apiError {
	limit := orDefault(s.MaxActiveThreads, 1000)
	if limit > 0 && s.activeThreads(s.guilds[ch.Guild]) >= limit {
		return errTooManyThreads
	}
	return nil
}

func startThreadOnMessage(s *Server, c *call) (int, any) {
	ch, p, e := s.visible(c)
	if e != nil {
		return 0, e
	}
	if ch.Type != TextChannel && ch.Type != AnnouncementChan {
		return 0, errChannelType
	}
	m, _, _, e := s.target(c)
	if e != nil {
		return 0, e
	}
	var req threadRequest
	if e := c.decode(&req); e != nil {
		return 0, e
	}
	if e := req.check(); e != nil {
		return 0, e
	}
	switch {
	case !p.Has(CreatePublicThreads):
		return 0, errMissingPermissions
	case m.Thread != 0 || s.channels[m.ID] != nil:
		return 0, errThreadExists
	}
	if e := s.roomForThread(ch); e != nil {
		return 0, e
	}
	s.books.counts.Threads++
	return http.StatusCreated, s.wireChannel(s.openThread(ch, m, s.bot.ID, req.Name, req.archive(), PublicThread))
}

func startThread(s *Server, c *call) (int, any) {
	ch, p, e := s.visible(c)
	if e != nil {
		return 0, e
	}
	if ch.Type != TextChannel && ch.Type != AnnouncementChan {
		return 0, errChannelType
	}
	var req threadRequest
	if e := c.decode(&req); e != nil {
		return 0, e
	}
	if e := req.check(); e != nil {
		return 0, e
	}
	kind, need := PrivateThread, CreatePrivateThreads
	if req.Type != nil && *req.Type != PrivateThread {
		kind, need = PublicThread, CreatePublicThreads
	}
	if !p.Has(need) {
		return 0, errMissingPermissions
	}
	if e := s.roomForThread(ch); e != nil {
		return 0, e
	}
	s.books.counts.Threads++
	return http.StatusCreated, s.wireChannel(s.openThread(ch, nil, s.bot.ID, req.Name, req.archive(), kind))
}

// patchChannel changes threads only: name, archived, locked.
func patchChannel(s *Server, c *call) (int, any) {
	ch, p, e := s.visible(c)
	if e != nil {
		return 0, e
	}
	var req struct {
		Name     *string `json:"name"`
		Archived *bool   `json:"archived"`
		Locked   *bool   `json:"locked"`
	}
	if e := c.decode(&req); e != nil {
		return 0, e
	}
	own := ch.Owner == s.bot.ID && req.Locked == nil
	if !ch.isThread() || !own && !p.Has(ManageThreads) {
		return 0, errMissingPermissions
	}
	if req.Name != nil {
		ch.Name = *req.Name
	}
	if req.Archived != nil {
		ch.Archived = *req.Archived
	}
	if req.Locked != nil {
		ch.Locked = *req.Locked
	}
	s.threadEvent("THREAD_UPDATE", ch)
	return http.StatusOK, s.wireChannel(ch)
}

func joinThread(s *Server, c *call) (int, any) {
	ch, _, e := s.visible(c)
	switch {
	case e != nil:
		return 0, e
	case !ch.isThread():
		return 0, errChannelType
	case ch.Archived:
		return 0, errArchived
	}
	if !ch.hasMember(s.bot.ID) {
		ch.Members = append(slices.Clone(ch.Members), s.bot.ID)
	}
	return http.StatusNoContent, nil
}

func createDM(s *Server, c *call) (int, any) {
	var req struct {
		Recipient ID `json:"recipient_id"`
	}
	if e := c.decode(&req); e != nil {
		return 0, e
	}
	ch, err := s.openDM(req.Recipient)
	if err != nil {
		return 0, errUnknownUser
	}
	return http.StatusOK, s.wireChannel(ch)
}
