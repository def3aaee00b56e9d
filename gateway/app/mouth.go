package app

import (
	"context"
	"errors"
	"net/http"

	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/gateway/internal/edge/discord"
	"salamander.dev/shared/chat"
)

// mouth is Discord as the poster sees it.
type mouth struct{ client *discord.Client }

// Post implements [outbound.Discord].
func (m mouth) Post(ctx context.Context, p outbound.Post) (chat.MessageID, error) {
	return m.client.Post(ctx, discord.PostRequest{
		Channel: p.Channel, Content: p.Text, ReplyTo: p.ReplyTo, Nonce: p.Nonce, MentionUser: p.Ping,
	})
}

// OpenThread implements [outbound.Discord].
func (m mouth) OpenThread(ctx context.Context, c chat.ChannelID, on chat.MessageID, name string) (chat.ChannelID, error) {
	return m.client.OpenThread(ctx, c, on, name)
}

// OwnAfter implements [outbound.Discord].
func (m mouth) OwnAfter(ctx context.Context, c chat.ChannelID, after chat.MessageID) ([]outbound.Own, error) {
	own, err := m.client.OwnAfter(ctx, c, after)
	out := make([]outbound.Own, 0, len(own))
	for _, o := range own {
		out = append(out, outbound.Own{ID: o.ID, Text: o.Content, ReplyTo: o.ReplyTo})
	}
	return out, err
}

// checkpoint is the last place before the wire: a post whose server was stopped meanwhile does not leave.
type checkpoint struct{ next *http.Transport }

func newCheckpoint() checkpoint {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32 // HTTP/1.1 servers; Discord speaks HTTP/2
	return checkpoint{t}
}

var errHalted = errors.New("its server was stopped")

// RoundTrip implements http.RoundTripper.
func (c checkpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	land, ok := outbound.Depart(r.Context())
	if !ok {
		return nil, errHalted
	}
	defer land()
	return c.next.RoundTrip(r)
}

// CloseIdleConnections is what http.Client looks for.
func (c checkpoint) CloseIdleConnections() { c.next.CloseIdleConnections() }

var (
	_ outbound.Discord  = mouth{}
	_ outbound.Signs    = (*discord.Client)(nil)
	_ http.RoundTripper = checkpoint{}
)
