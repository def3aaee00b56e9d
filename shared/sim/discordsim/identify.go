package discordsim

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// identifyGate counts session starts (per day) and spaces them (per key shard %
// max_concurrency), as GET /gateway/bot announces.
type identifyGate struct {
	last  map[int]time.Time
	used  int
	reset time.Time
}

type identifyData struct {
	Token      string          `json:"token"`
	Intents    *Intent         `json:"intents"`
	Shard      *[2]int         `json:"shard"`
	Compress   bool            `json:"compress"`
	Properties json.RawMessage `json:"properties"`
}

func (s *Server) maxConcurrency() int { return max(s.MaxConcurrency, 1) }

func (s *Server) identifyEvery() time.Duration {
	if s.IdentifyEvery == 0 && s.limits.cfg.On {
		return 5 * time.Second
	}
	return s.IdentifyEvery
}

func (s *Server) identifyFrame(c *conn, raw json.RawMessage) {
	var d identifyData
	if err := json.Unmarshal(raw, &d); err != nil {
		c.closeWith(closeDecodeError, "Error while decoding payload.")
		return
	}
	shard, count := 0, 1
	if d.Shard != nil {
		shard, count = d.Shard[0], d.Shard[1]
	}
	if code, reason := s.refuseIdentify(d, shard, count); code != 0 {
		c.book.Refused = code
		c.closeWith(code, reason)
		return
	}
	now := s.now()
	key := shard % s.maxConcurrency()
	if last, ok := s.identify.last[key]; ok && now.Sub(last) < s.identifyEvery() {
		c.book.Invalidated++
		c.send(opInvalidSession, false)
		return
	}
	if s.identify.last == nil {
		s.identify.last = map[int]time.Time{}
	}
	s.identify.last[key] = now
	ss := &session{id: newSessionID(), shard: shard, count: count, intents: *d.Intents, compress: d.Compress,
		limit: orDefault(s.ReplayLimit, 20_000)}
	ss.book = s.books.identified(ss, c, now, d)
	s.sessions[ss.id] = ss
	s.emit(func() Event { return Event{Kind: EventIdentify, Session: ss.id} })
	ss.attach(c)
	s.greet(c, ss)
	c.carry(ss, 0, 0)
}

// refuseIdentify returns the close code that an IDENTIFY earns, or 0. It also takes
// one of the day's session starts.
func (s *Server) refuseIdentify(d identifyData, shard, count int) (int, string) {
	if strings.TrimPrefix(d.Token, "Bot ") != s.token {
		return closeAuthenticationFailed, "Authentication failed."
	}
	if d.Intents == nil || *d.Intents&^knownIntents != 0 {
		return closeInvalidIntents, "Invalid intent(s)."
	}
	if *d.Intents&s.denied != 0 {
		return closeDisallowedIntents, "Disallowed intent(s)."
	}
	if count < 1 || shard < 0 || shard >= count {
		return closeInvalidShard, "Invalid shard."
	}
	own := 0
	for id, g := range s.guilds {
		if g.botIn && uint64(id>>22)%uint64(count) == uint64(shard) {
			own++
		}
	}
	if own > orDefault(s.MaxGuildsPerShard, 2500) {
		return closeShardingRequired, "Sharding required."
	}
	s.sessionStarts()
	if s.identify.used >= orDefault(s.SessionStarts, 1000) {
		s.token = newSessionID() // "your bot's token will be reset"
		return closeAuthenticationFailed, "Authentication failed."
	}
	s.identify.used++
	return 0, ""
}

// sessionStarts turns the day and returns what is left of it.
func (s *Server) sessionStarts() (remaining int, resetAfter time.Duration) {
	now := s.now()
	if !now.Before(s.identify.reset) {
		s.identify.used, s.identify.reset = 0, now.Add(24*time.Hour)
	}
	return orDefault(s.SessionStarts, 1000) - s.identify.used, s.identify.reset.Sub(now)
}

// RestoreToken makes the configured token valid again after session starts ran out.
func (s *Server) RestoreToken() {
	s.lock()
	defer s.unlock()
	s.token, s.identify = orDefault(s.Token, DefaultToken), identifyGate{}
}

// greet logs READY and one GUILD_CREATE for each guild of the shard.
func (s *Server) greet(c *conn, ss *session) {
	guilds := []any{}
	var mine []*guild
	for _, id := range s.guildOrder {
		g := s.guilds[id]
		if g == nil || !g.botIn || !ss.hears(event{guild: id}) {
			continue
		}
		guilds = append(guilds, map[string]any{"id": id, "unavailable": true})
		if !g.unavailable && ss.intents&IntentGuilds != 0 {
			mine = append(mine, g)
		}
	}
	ready := map[string]any{
		"v": 10, "user": s.wireUser(s.bot.ID), "guilds": guilds, "session_id": ss.id, "session_type": "normal",
		"resume_gateway_url": c.resumeURL(), "shard": [2]int{ss.shard, ss.count}, "private_channels": []any{},
		"relationships": []any{}, "presences": []any{}, "user_settings": map[string]any{}, "geo_ordered_rtc_regions": []any{},
		"application": map[string]any{"id": s.app, "flags": s.applicationFlags()}, "_trace": []string{"discordsim"},
	}
	ss.append("READY", mustJSON(ready), true)
	for _, g := range mine {
		ss.append("GUILD_CREATE", mustJSON(s.wireGuildCreate(g)), true)
	}
}

// resumeURL differs from GET /gateway's by its path, so that the books show which one
// a client resumed at.
func (c *conn) resumeURL() string { return fmt.Sprintf("ws://%s/resume", c.host) }

type resumeData struct {
	Token     string `json:"token"`
	SessionID string `json:"session_id"`
	Seq       int64  `json:"seq"`
}

// resumeFrame replays what the session's log holds past seq, then RESUMED. A session
// that is unknown, expired or too far behind gets op 9 false; the socket stays open.
func (s *Server) resumeFrame(c *conn, raw json.RawMessage) {
	var d resumeData
	if err := json.Unmarshal(raw, &d); err != nil {
		c.closeWith(closeDecodeError, "Error while decoding payload.")
		return
	}
	if strings.TrimPrefix(d.Token, "Bot ") != s.token {
		c.book.Refused = closeAuthenticationFailed
		c.closeWith(closeAuthenticationFailed, "Authentication failed.")
		return
	}
	ss := s.sessions[d.SessionID]
	if ss != nil && ss.expired(s.now(), s.sessionTTL()) {
		s.end(ss)
		ss = nil
	}
	if ss == nil || s.faults.takeLocked(&s.faults.invalidOnResume) {
		if ss != nil {
			s.end(ss)
		}
		c.book.Invalidated++
		c.send(opInvalidSession, false)
		return
	}
	kept, sent := ss.covers(d.Seq)
	if !sent {
		s.end(ss)
		c.book.Refused = closeInvalidSeq
		c.closeWith(closeInvalidSeq, "Invalid seq.")
		return
	}
	if !kept {
		s.end(ss)
		c.book.Invalidated++
		c.send(opInvalidSession, false)
		return
	}
	if old := ss.attach(c); old != nil {
		old.release()
		old.drop()
	}
	s.books.resumed(ss, c, s.now(), d.Seq)
	s.emit(func() Event { return Event{Kind: EventResume, Session: ss.id} })
	if s.faults.takeLocked(&s.faults.reconnectOnResume) {
		c.send(opReconnect, nil) // in front of every replayed event
	}
	c.carry(ss, d.Seq, ss.append("RESUMED", []byte(`{"_trace":["discordsim"]}`), false))
}

// end makes a session impossible to resume.
func (s *Server) end(ss *session) {
	delete(s.sessions, ss.id)
	ss.book.Ended, ss.book.living = true, nil
	if old := ss.attach(nil); old != nil {
		old.release()
		old.drop()
	}
}
