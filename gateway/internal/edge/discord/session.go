package discord

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"
)

// errRetarget ends a dial to an address that is not the wanted one. discordgo then forgets the address and asks for it
// again: the only way to send an existing session elsewhere.
var errRetarget = errors.New("discord: another gateway address is wanted")

// connect makes one connection and stays with it to its end. An error is about what comes before: the address, the
// limits, the dial.
func (sh *shard) connect(ctx context.Context) (*ending, error) {
	c := sh.client
	info := c.lastGateway()
	if sh.session == nil || info.url == "" { // resuming must not depend on REST
		var err error
		if info, err = c.gateway(ctx); err != nil {
			return nil, err
		}
	}
	if err := sh.prepare(ctx, info); err != nil {
		return nil, err
	}
	opened := make(chan error, 1)
	session := sh.session
	go func() {
		err := session.Open()
		if errors.Is(err, errRetarget) {
			err = session.Open()
		}
		opened <- err
	}()
	unhook := context.AfterFunc(ctx, sh.hangUp)
	defer unhook()
	// Dial, upgrade with HELLO, and READY each have HandshakeTimeout; the link sees to the last two.
	patience := time.NewTimer(3*c.cfg.HandshakeTimeout + c.cfg.StuckAfter)
	defer patience.Stop()
	select {
	case err := <-opened:
		if err != nil {
			return sh.openFailed(err)
		}
	case <-patience.C:
		return sh.abandon("discordgo's Open did not return"), nil
	}
	sh.log.Info().Str("address", sh.wanted()).Msg("connected to Discord")
	return sh.stay(ctx), nil
}

// prepare chooses the session and its address; for a new session it waits for the right to IDENTIFY.
func (sh *shard) prepare(ctx context.Context, info gatewayInfo) error {
	sh.mu.Lock()
	sh.target, sh.link = info.url, nil
	if sh.session != nil && sh.resumeURL != "" && sh.client.checkGatewayURL(sh.resumeURL) == nil {
		sh.target = sh.resumeURL
	}
	sh.mu.Unlock()
	if sh.session != nil {
		for len(sh.disconnected) > 0 {
			<-sh.disconnected
		}
		return nil
	}
	sh.session = sh.open(ctx)
	if wait := sh.client.startLeft(); wait > 0 {
		sh.log.Error().Dur("wait", wait).Msg("Discord allows no more session starts for now (1000 a day, over all shards): waiting; look for what makes sessions end")
		if !pause(ctx, wait, nil) {
			return context.Cause(ctx)
		}
	}
	return sh.client.gate.Wait(ctx, sh.id, info.maxConcurrency)
}

// open makes the discordgo session of this shard; it connects to nothing yet.
func (sh *shard) open(ctx context.Context) *discordgo.Session {
	c := sh.client
	given := new(atomic.Bool)
	sh.givenUp = given
	s := c.newSession(addressBook(sh.tell))
	s.ShardID, s.ShardCount = sh.id, sh.total
	s.Identify.Shard = &[2]int{sh.id, sh.total}
	s.Identify.Compress = false // a message is a kilobyte, and each one would cost two zlib readers of 40 KB
	s.Identify.Intents = discordgo.IntentGuilds | discordgo.IntentGuildMessages | discordgo.IntentDirectMessages
	if sh.content = c.cfg.Content != ContentOff && !c.contentDenied.Load(); sh.content {
		s.Identify.Intents |= discordgo.IntentMessageContent
	}
	s.Dialer = &websocket.Dialer{HandshakeTimeout: c.cfg.HandshakeTimeout, NetDialContext: sh.dialer(ctx, given, false), NetDialTLSContext: sh.dialer(ctx, given, true)}
	released := make(chan struct{}, 1)
	sh.disconnected = released
	s.AddHandler(func(_ *discordgo.Session, e *discordgo.Event) {
		if !given.Load() {
			sh.handle(e)
		}
	})
	s.AddHandler(func(*discordgo.Session, *discordgo.Disconnect) {
		select {
		case released <- struct{}{}:
		default:
		}
	})
	return s
}

func (sh *shard) wanted() string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.target
}

// tell gives discordgo the address, which it keeps until a dial fails.
func (sh *shard) tell() string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.told = sh.target
	return sh.told
}

// stale says that discordgo dials an address that it was told earlier.
func (sh *shard) stale() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.told != sh.target
}

// dialer makes links, and remembers the newest. life ends with the shard; discordgo gives no context of its own.
func (sh *shard) dialer(life context.Context, givenUp *atomic.Bool, secure bool) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		if sh.stale() {
			return nil, errRetarget
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		conn, err := dialGateway(ctx, addr, secure, sh.client.cfg.roots)
		if err != nil {
			return nil, err
		}
		l := newLink(conn, sh.client.cfg)
		if life.Err() != nil || givenUp.Load() {
			l.stop(&ending{kind: endLocal, text: "closed by us"})
			return l, nil
		}
		sh.mu.Lock()
		defer sh.mu.Unlock()
		sh.link = l
		return l, nil
	}
}

func (sh *shard) current() *link {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.link
}

// hangUp ends the connection from our side.
func (sh *shard) hangUp() {
	if l := sh.current(); l != nil {
		l.bye()
	}
}

// openFailed says why a connection did not come to life.
func (sh *shard) openFailed(err error) (*ending, error) {
	if l := sh.current(); l != nil {
		if end := l.ending(); end != nil && end.text != closedByLibrary {
			return end, nil
		}
	}
	sh.mu.Lock()
	sh.resumeURL = "" // in case that is what can't be reached
	sh.mu.Unlock()
	if errors.Is(err, discordgo.ErrWSAlreadyOpen) {
		return sh.abandon("discordgo kept its old connection"), nil
	}
	return nil, err
}

// stay waits for the end of a live connection, and then for discordgo to let go of it. A session whose lock can't be
// had any more is abandoned.
func (sh *shard) stay(ctx context.Context) *ending {
	l, session := sh.current(), sh.session
	every := time.NewTicker(max(sh.client.cfg.StuckAfter/5, time.Millisecond))
	defer every.Stop()
	for free := time.Now(); ; {
		select {
		case <-l.done:
			return sh.leave(l)
		case <-ctx.Done():
			l.bye()
		case now := <-every.C:
			if session.TryRLock() {
				session.RUnlock()
				free = now
			} else if now.Sub(free) > sh.client.cfg.StuckAfter {
				return sh.abandon("the session's lock can't be had")
			}
		}
	}
}

// leave waits until discordgo has let go of the connection, which takes it a second.
func (sh *shard) leave(l *link) *ending {
	end := l.ending()
	sh.setDown(end.text)
	t := time.NewTimer(sh.client.cfg.StuckAfter)
	defer t.Stop()
	select {
	case <-sh.disconnected:
		return end
	case <-t.C:
		return sh.abandon("discordgo did not let go of the connection after: " + end.text)
	}
}

// abandon cuts the connection and gives the session up: whatever still waits inside it stays there, but holds nothing
// of ours, and its dispatches are no longer heard.
func (sh *shard) abandon(why string) *ending {
	sh.givenUp.Store(true)
	if l := sh.current(); l != nil {
		l.stop(&ending{kind: endStuck, text: why})
	}
	sh.log.Warn().Str("reason", why).Msg("a session of the Discord library is stuck; it is abandoned and a new one made")
	return &ending{kind: endStuck, text: why}
}
