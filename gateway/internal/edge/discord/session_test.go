package discord

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/shared/sim/discordsim"
)

// beat is a heartbeat interval for tests in which a connection has to die of silence.
const beat = 500 * time.Millisecond

// Every way in which a connection ends, and what must follow: resumed, or identified anew; and what was said meanwhile
// is heard once (after a lost session by catch-up, which is the core's: here it need not be heard).
func TestComesBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault      discordsim.GatewayFault
		cut        func(*discordsim.Server)
		reason     string // of the metric
		beat       time.Duration
		resumed    bool
		identifies int
	}{
		"op 7":                    {cut: func(s *discordsim.Server) { s.AskReconnect() }, reason: "reconnect", resumed: true, identifies: 1},
		"op 7 first after RESUME": {fault: discordsim.GatewayFault{ReconnectOnResume: 3}, cut: func(s *discordsim.Server) { s.AskReconnect() }, reason: "reconnect", resumed: true, identifies: 1},
		"HELLO never comes":       {fault: discordsim.GatewayFault{HelloLost: 1}, cut: func(s *discordsim.Server) { s.CloseSockets(4000) }, reason: "dead", resumed: true, identifies: 1},
		"half-open TCP":           {beat: beat, cut: func(s *discordsim.Server) { s.HalfOpen() }, reason: "dead", resumed: true, identifies: 1},
		"TCP reset":               {cut: func(s *discordsim.Server) { s.CloseSockets(0) }, reason: "network", resumed: true, identifies: 1},
		"close 4000":              {cut: func(s *discordsim.Server) { s.CloseSockets(4000) }, reason: "closed", resumed: true, identifies: 1},
		"close 4008":              {cut: func(s *discordsim.Server) { s.CloseSockets(4008) }, reason: "closed", resumed: true, identifies: 1},
		"close 4007":              {cut: func(s *discordsim.Server) { s.CloseSockets(4007) }, reason: "closed", identifies: 2},
		"close 4009":              {cut: func(s *discordsim.Server) { s.CloseSockets(4009) }, reason: "closed", identifies: 2},
		"op 9 resumable":          {cut: func(s *discordsim.Server) { s.InvalidateSessions(true) }, reason: "invalid_session", resumed: true, identifies: 1},
		"op 9":                    {cut: func(s *discordsim.Server) { s.InvalidateSessions(false) }, reason: "invalid_session", identifies: 2},
		"op 9 after RESUME":       {fault: discordsim.GatewayFault{InvalidOnResume: 1}, cut: func(s *discordsim.Server) { s.CloseSockets(0) }, reason: "invalid_session", identifies: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quick()
			cfg.HandshakeTimeout = time.Second
			b := newBot(t, &discordsim.Server{HeartbeatInterval: tc.beat}, cfg).start()
			b.heard(b.say(b.w.Channel, b.w.User, "before"))
			b.sim.InjectGateway(tc.fault)
			tc.cut(b.sim)
			meanwhile := b.say(b.w.Channel, b.w.User, "meanwhile")
			expect(b, "a session again", func(r inbound.Ready) bool { return len(got[inbound.Ready](b)) >= 2 && r.Resumed == tc.resumed })
			b.heard(b.say(b.w.Channel, b.w.User, "after"))
			if tc.resumed {
				b.heard(meanwhile)
			}
			if n := b.sim.Counts().Identifies; n != tc.identifies {
				t.Errorf("%d IDENTIFYs, want %d", n, tc.identifies)
			}
			if testutil.ToFloat64(b.metrics.endings.WithLabelValues(tc.reason)) == 0 {
				t.Errorf("no ending %q was counted", tc.reason)
			}
			seen := map[string]int{}
			for _, m := range got[inbound.Message](b) {
				if seen[m.Content]++; seen[m.Content] > 1 {
					t.Errorf("%q was heard twice", m.Content)
				}
			}
			for _, c := range b.sim.Connections() {
				if c.ClientCode == 1000 || c.ClientCode == 1001 {
					t.Errorf("we closed with %d, which ends the session: %+v", c.ClientCode, c)
				}
				if c.Resumed && !strings.HasPrefix(c.Path, "/resume") {
					t.Errorf("resumed at %q, not at the resume_gateway_url", c.Path)
				}
			}
		})
	}
}

// Discord that no longer acknowledges heartbeats, but goes on sending, is as dead as silence.
func TestLeavesAZombie(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{HeartbeatInterval: beat}, quick()).start()
	b.sim.InjectGateway(discordsim.GatewayFault{NoACK: true})
	b.wait("the zombie is left", func() bool { return testutil.ToFloat64(b.metrics.endings.WithLabelValues("dead")) > 0 })
	b.sim.ClearFaults()
	expect(b, "resumed", func(r inbound.Ready) bool { return r.Resumed })
	if n := b.sim.Counts().Identifies; n != 1 {
		t.Errorf("%d IDENTIFYs, want 1", n)
	}
}

func TestSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	addr := strings.TrimPrefix(b.sim.URL(), "http://")
	b.sim.Close()
	b.wait("the outage is noticed", func() bool { ok, _ := b.Connected(); return !ok })
	if _, why := b.Connected(); !strings.Contains(why, "shard 0") {
		t.Errorf("reason: %q", why)
	}
	if err := b.sim.Start(addr); err != nil {
		t.Fatal(err)
	}
	expect(b, "resumed", func(r inbound.Ready) bool { return r.Resumed })
	b.heard(b.say(b.w.Channel, b.w.User, "back"))
}

func TestWaitsForDiscordAtTheStart(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	addr := strings.TrimPrefix(b.sim.URL(), "http://")
	b.sim.Close()
	b.launch()
	b.wait("it says so", func() bool { return strings.Contains(b.log.String(), "can't be reached") })
	if ok, why := b.Connected(); ok || why == "" {
		t.Errorf("connected %t: %q", ok, why)
	}
	if err := b.sim.Start(addr); err != nil {
		t.Fatal(err)
	}
	b.wait("connected", func() bool { ok, _ := b.Connected(); return ok })
	b.heard(b.say(b.w.Channel, b.w.User, "good morning"))
}

// Discord may ask for a heartbeat at any time (op 1).
func TestAnswersAskedHeartbeats(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	beats := func() int { return len(b.sim.Connections()[0].Heartbeats) }
	b.wait("the first heartbeat", func() bool { return beats() == 1 })
	b.sim.AskHeartbeat()
	b.wait("the asked one", func() bool { return beats() == 2 })
	b.heard(b.say(b.w.Channel, b.w.User, "still there"))
}

func TestFatalCloseCodes(t *testing.T) {
	t.Parallel()
	for code, says := range map[int]string{
		4004: "DISCORD_TOKEN", 4010: "SHARD_IDS", 4011: "SHARD_COUNT", 4012: "upgrade", 4013: "intents", 4014: "Message Content Intent",
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			b := newBot(t, &discordsim.Server{}, quick()).start()
			b.sim.CloseSockets(code)
			err := b.fatal()
			f, ok := errors.AsType[*FatalError](err)
			if !ok || f.CloseCode != code || !strings.Contains(f.Error(), says) || strings.Contains(f.Error(), "\n") {
				t.Errorf("close code %d ended with %v", code, err)
			}
		})
	}
}

func TestWrongToken(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{Token: "right.token.here"}, quick())
	b.sim.Token = "right.token.here"
	b.rest.Token = "Bot wrong"
	b.launch()
	err := b.fatal()
	if f, ok := errors.AsType[*FatalError](err); !ok || !strings.Contains(f.Error(), "DISCORD_TOKEN") {
		t.Errorf("ended with %v", err)
	}
}

func TestContentRefused(t *testing.T) {
	t.Parallel()
	t.Run("needed", func(t *testing.T) {
		t.Parallel()
		b := newBot(t, &discordsim.Server{Denied: discordsim.IntentMessageContent}, quick())
		b.launch()
		if err := b.fatal(); !strings.Contains(err.Error(), "CHAT_CHANNEL_IDS") {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("wanted", func(t *testing.T) {
		t.Parallel()
		cfg := quick()
		cfg.Content = ContentWanted
		b := newBot(t, &discordsim.Server{Denied: discordsim.IntentMessageContent, Shards: 2, MaxConcurrency: 2}, cfg).start()
		mention := b.heard(b.say(b.w.Channel, b.w.User, "<@"+b.w.Bot.String()+"> hi"))
		other := b.heard(b.say(b.w.Channel, b.w.User, "not for you"))
		if mention.Content == "" || !mention.MentionsBot || other.Content != "" {
			t.Errorf("mention %q, other %q", mention.Content, other.Content)
		}
		if n := strings.Count(b.log.String(), "Privileged Gateway Intents"); n != 1 {
			t.Errorf("%d warnings, want 1", n)
		}
	})
}

// Without our filter op 7 as the first frame after RESUME locks discordgo's session for ever (its issue 513). The
// watchdog gives the session up and makes a new one.
func TestAbandonsAStuckSession(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.blind, cfg.StuckAfter, cfg.HandshakeTimeout = true, 2*time.Second, 300*time.Millisecond // its Close alone takes a second
	b := newBot(t, &discordsim.Server{}, cfg)
	b.stuck = 1
	b.start()
	b.sim.InjectGateway(discordsim.GatewayFault{ReconnectOnResume: 1})
	b.sim.CloseSockets(0)
	b.wait("the session is abandoned", func() bool { return b.abandoned() == 1 })
	b.wait("a new session", func() bool { ok, _ := b.Connected(); return ok && b.sim.Counts().Identifies == 2 })
	b.heard(b.say(b.w.Channel, b.w.User, "after"))
}

func TestStopTellsDiscord(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	b.stop()
	b.wait("the end", func() bool { return b.sim.Counts().Connected == 0 })
	b.wait("the close code", func() bool { return b.sim.Connections()[0].ClientCode == 1000 })
}
