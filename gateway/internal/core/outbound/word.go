package outbound

import (
	"context"

	"salamander.dev/shared/chat"
)

// Say posts a word to the author of a message that has no answer, in a server, unless nobody wants it any more; then the
// reason is returned. mark is what the message is compared with when questions are dropped. A stop knows of it as of an
// answer's post: once [Poster.Halt] has returned, it is not posted any more.
func (p *Poster) Say(ctx context.Context, g chat.GuildID, mark chat.Snowflake, word Post) (unwanted string, err error) {
	ctx, landed := p.flights.begin(ctx, g)
	defer landed()
	a := chat.Answer{Guild: g, Channel: word.Channel, User: word.Ping, Mark: mark}
	if why := p.unwanted(a); why != "" {
		return why, nil
	}
	if _, err = p.discord.Post(ctx, word); err == nil {
		return "", nil
	}
	if why := p.unwanted(a); why != "" { // it was kept from departing
		return why, nil
	}
	return "", err
}
