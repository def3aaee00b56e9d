package outbound

import (
	"testing"

	"salamander.dev/shared/chat"
)

func TestAWordIsSaidWhereItIsWanted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dropBefore chat.Snowflake
		gone       bool
		unwanted   string
		posts      int
	}{
		"wanted":       {posts: 1},
		"stopped":      {dropBefore: 4, unwanted: reasonStopped},
		"channel gone": {gone: true, unwanted: reasonChannel},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, poster := newPlace(t)
			p.stopped = map[chat.GuildID]chat.Snowflake{"10": c.dropBefore}
			if c.gone {
				poster.ChannelGone("20")
			}
			why, err := poster.Say(t.Context(), "10", 5, Post{Channel: "20", Text: "enough", Nonce: "n", Ping: "30"})
			if why != c.unwanted || err != nil || len(p.texts()) != c.posts {
				t.Errorf("%q, %v, said %q", why, err, p.texts())
			}
		})
	}
}
