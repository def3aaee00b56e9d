package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/bwmarrin/discordgo"

	"salamander.dev/deployments/stack"
)

// botRole is the usual way to build such a bot: one process, discordgo as it comes, a handler that calls the model and
// replies. What it has in hand is lost when it dies.
const botRole stack.Role = "bot"

func bot(ctx context.Context, ready func()) error {
	s, err := discordgo.New("Bot " + os.Getenv("DISCORD_TOKEN"))
	if err != nil {
		return err
	}
	at, err := url.Parse(os.Getenv("DISCORD_URL"))
	if err != nil {
		return err
	}
	s.Client.Transport = elsewhere{at, &http.Transport{MaxIdleConnsPerHost: 512}}
	s.Identify.Intents = discordgo.IntentsGuilds | discordgo.IntentsGuildMessages | discordgo.IntentMessageContent
	model := caller()
	s.AddHandler(func(_ *discordgo.Session, _ *discordgo.Ready) { ready() })
	s.AddHandler(func(s *discordgo.Session, m *discordgo.MessageCreate) {
		if m.Author.Bot {
			return
		}
		text, err := complete(model, m.Content)
		if err == nil {
			_, err = s.ChannelMessageSendReply(m.ChannelID, text, m.Reference())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	if err := s.Open(); err != nil {
		return err
	}
	<-ctx.Done()
	return s.Close()
}

// elsewhere sends requests for Discord to another host.
type elsewhere struct {
	at   *url.URL
	next http.RoundTripper
}

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = e.at.Scheme, e.at.Host, e.at.Host
	return e.next.RoundTrip(r)
}
