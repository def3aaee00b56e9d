package outbound

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/shared/chat"
)

// typing is a place in which signs are counted, and a server stopped while the sign is claimed.
type typing struct {
	*place
	signs int
	stop  bool
}

func (x *typing) Typing(context.Context, chat.ChannelID) error { x.signs++; return nil }

func (x *typing) Claim(context.Context, string, time.Duration) (bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stop {
		x.stopped = map[chat.GuildID]chat.Snowflake{"10": 77}
	}
	return true, nil
}

func TestNoSignIsShownOnceTheServerIsStopped(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]bool{"running": false, "stopped meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, _ := newPlace(t)
				x := &typing{place: p, stop: stop}
				typist, err := NewTypist(x, x, p, p, TypingConfig{})
				if err != nil {
					t.Fatal(err)
				}
				defer typist.Close()
				typist.Waiting("10", "20", "1")
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if x.signs == 0 != stop {
					t.Errorf("%d signs", x.signs)
				}
			})
		})
	}
}
