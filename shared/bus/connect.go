package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"salamander.dev/shared/control"
	"salamander.dev/shared/secret"
)

// Config says which NATS to connect to and as whom.
type Config struct {
	// URLs are one or more server URLs. Required.
	URLs []string
	// User and Password are credentials; CredsFile is a path to a credentials file. At most one kind is set.
	User      string
	Password  secret.String
	CredsFile string
	// CAFile is a path to the certificate authority of a private NATS; empty uses the system's.
	CAFile string
	// Service names the program; it becomes the connection's name and inbox prefix.
	Service control.Service
	// Replicas of streams and buckets that are created. Default 1.
	Replicas int
}

// Bus is one connection. It reconnects for ever until Close.
type Bus struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	cfg Config
	log zerolog.Logger

	replies *replies

	mu        sync.Mutex
	lastErr   error
	onReturn  []func()
	life      context.Context // of the present connection: ends when there is a new one
	renew     context.CancelFunc
	known     uint64    // reconnects that life knows of
	since     time.Time // when life began
	closeOnce sync.Once
}

// requestTimeout bounds every JetStream request that has no earlier deadline.
const requestTimeout = 5 * time.Second

// pingEvery is how often a connection is tried; it is left when two tries got no answer. A server behind a cut network is
// noticed by nothing else.
const pingEvery = 4 * time.Second

// InboxPrefix is the prefix under which a service receives replies: permissions give each its own, so that services
// can't read each other's replies.
func InboxPrefix(s control.Service) string { return "_INBOX_" + string(s) }

// Connect begins to connect and returns at once, also when no server answers: the connection is made in the
// background, for ever, and Ready tells its state. It fails only for settings that can never work.
func Connect(cfg Config, log zerolog.Logger) (*Bus, error) {
	b := &Bus{cfg: cfg, log: log}
	b.life, b.renew = context.WithCancel(context.Background())
	b.cfg.Replicas = max(cfg.Replicas, 1)
	opts := []nats.Option{
		nats.Name("salamander-" + string(cfg.Service)),
		nats.CustomInboxPrefix(InboxPrefix(cfg.Service)),
		nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 250*time.Millisecond),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2), nats.Timeout(5 * time.Second),
		nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { b.trouble(sub, err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn().Err(err).Msg("NATS is gone; reconnecting until it is back")
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { b.note(err) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { b.returned(nc, "NATS is back") }),
		nats.ConnectHandler(func(nc *nats.Conn) { b.returned(nc, "connected to NATS") }),
	}
	switch {
	case cfg.CredsFile != "":
		opts = append(opts, nats.UserCredentials(cfg.CredsFile))
	case cfg.User != "":
		opts = append(opts, nats.UserInfo(cfg.User, cfg.Password.Reveal()))
	}
	if cfg.CAFile != "" {
		opts = append(opts, nats.RootCAs(cfg.CAFile))
	}
	nc, err := nats.Connect(strings.Join(cfg.URLs, ","), opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	b.nc = nc
	b.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	if b.replies, err = newReplies(nc); err != nil {
		nc.Close()
		return nil, err
	}
	if !nc.IsConnected() && !errors.Is(nc.LastError(), nats.ErrAuthorization) { // a refused user is told by note
		log.Warn().Strs("urls", nc.Servers()).Err(nc.LastError()).
			Msg("NATS does not answer yet; check NATS_URL and that the server runs (waiting for it)")
	}
	return b, nil
}

// trouble logs what NATS reports outside of any call: a denied subject, a slow consumer.
func (b *Bus) trouble(sub *nats.Subscription, err error) {
	b.note(err)
	e := b.log.Warn().Err(err)
	if sub != nil {
		e = e.Str("subject", sub.Subject)
	}
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		e.Msg("NATS refused a subject to this user; give it the permissions of deployments/nats, or check NATS_USER")
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		e.Msg("NATS refuses this user; check NATS_USER, NATS_PASSWORD or NATS_CREDS_FILE")
	default:
		e.Msg("NATS reports trouble")
	}
}

// note keeps the newest error for Ready, and logs a refused user or server once per change.
func (b *Bus) note(err error) {
	b.mu.Lock()
	before := b.lastErr
	b.lastErr = err
	b.mu.Unlock()
	if err == nil || (before != nil && before.Error() == err.Error()) {
		return
	}
	if errors.Is(err, nats.ErrAuthorization) {
		b.log.Error().Err(err).Msg("NATS refuses this user; check NATS_USER, NATS_PASSWORD or NATS_CREDS_FILE (trying on)")
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		b.log.Error().Err(err).Msg("NATS shows a certificate that can't be trusted; check NATS_CA_FILE and the name in NATS_URL (trying on)")
	}
}

// returned runs what must be done after every (re)connect.
func (b *Bus) returned(nc *nats.Conn, msg string) {
	b.mu.Lock()
	b.lastErr = nil
	fs := append([]func(){}, b.onReturn...)
	b.renew()
	b.life, b.renew = context.WithCancel(context.Background())
	b.known, b.since = nc.Stats().Reconnects, time.Now()
	b.mu.Unlock()
	b.log.Info().Str("url", nc.ConnectedUrlRedacted()).Msg(msg)
	for _, f := range fs {
		f()
	}
}

// connection returns a context that ends when there is a new connection: what was asked on this one has no answer then.
// Right after a reconnect it waits a moment until that is known, so as not to return the context of the one before.
func (b *Bus) connection() context.Context {
	for range 100 {
		b.mu.Lock()
		life, known := b.life, b.known
		b.mu.Unlock()
		if known == b.nc.Stats().Reconnects || b.nc.IsClosed() {
			return life
		}
		sleep(life, 5*time.Millisecond)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.life
}

// stoodAt says whether the present connection stood at a moment already, as far as clocks agree.
func (b *Bus) stoodAt(t time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known == b.nc.Stats().Reconnects && t.After(b.since)
}

// OnReturn has f called after every reconnect, in NATS' own goroutine: f must not block.
func (b *Bus) OnReturn(f func()) {
	b.mu.Lock()
	b.onReturn = append(b.onReturn, f)
	b.mu.Unlock()
}

// Ready returns nil while NATS is connected, else the reason as a sentence.
func (b *Bus) Ready() error {
	if b.nc.IsConnected() {
		return nil
	}
	b.mu.Lock()
	err := b.lastErr
	b.mu.Unlock()
	if err == nil {
		err = b.nc.LastError()
	}
	if errors.Is(err, nats.ErrAuthorization) {
		return errors.New("NATS refuses this user; check NATS_USER, NATS_PASSWORD or NATS_CREDS_FILE")
	}
	if err == nil {
		return errors.New("NATS is not connected; check NATS_URL and that the server runs")
	}
	return fmt.Errorf("NATS is not connected; check NATS_URL and that the server runs (%w)", err)
}

// AwaitConnected returns when NATS is connected, or ctx's error.
func (b *Bus) AwaitConnected(ctx context.Context) error {
	for !b.nc.IsConnected() {
		changed := b.nc.StatusChanged(nats.CONNECTED)
		if b.nc.IsConnected() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(time.Second):
		}
	}
	return nil
}

// Flush waits until everything that was published reached the server.
func (b *Bus) Flush(ctx context.Context) error { return b.nc.FlushWithContext(ctx) }

// Close ends the connection. Twice is fine.
func (b *Bus) Close() {
	b.closeOnce.Do(func() {
		b.nc.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.renew()
	})
}

// bound gives every request requestTimeout at most, or the caller's deadline if that is earlier. A request that was lost,
// to a cluster that just elects a leader for example, must not last as long as the caller has time.
func bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestTimeout)
}
