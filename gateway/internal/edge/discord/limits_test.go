package discord

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/sim/discordsim"
)

func TestBusyChannelDelaysNoOther(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{Limits: discordsim.RateLimits{On: true, Routes: map[string]discordsim.Rate{postRoute: {N: 5, Per: 50 * time.Second}}}}, quick())
	other, err := b.sim.AddChannel(discordsim.Channel{Guild: b.w.Guild, Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	for i := range 60 { // more than the global limit has slots
		busy.Go(func() {
			_, _ = b.Post(ctx, PostRequest{Channel: channelID(b.w.Channel), Content: "x", Nonce: fmt.Sprint("n", i)})
		})
	}
	b.wait("the channel is busy", func() bool { return b.sim.Counts().Posts == 5 })
	if _, err := b.Post(b.ctx(), PostRequest{Channel: channelID(other.ID), Content: "through", Nonce: "other"}); err != nil {
		t.Errorf("another channel waits: %v", err)
	}
	b.wait("59 of them wait", func() bool { return b.limits.bucket(routePost, b.w.Channel.String()).busy() })
	if err := b.Typing(b.ctx(), channelID(b.w.Channel)); err != nil || len(b.sim.Typing(b.w.Channel)) != 0 {
		t.Errorf("typing where posts wait: %v", err)
	}
	cancel()
	busy.Wait()
	if n := b.sim.Counts().Limited; n != 0 {
		t.Errorf("%d requests were refused", n)
	}
}

// With Discord's limits on, a crowd of channels is served without a single 429.
func TestKeepsDiscordsLimits(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{Limits: discordsim.RateLimits{On: true, Routes: map[string]discordsim.Rate{postRoute: {N: 5, Per: 500 * time.Millisecond}}}}, quick())
	var all sync.WaitGroup
	for c := range 10 {
		ch, err := b.sim.AddChannel(discordsim.Channel{Guild: b.w.Guild, Name: "c"})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for i := range 11 {
				if _, err := b.Post(context.Background(), PostRequest{Channel: channelID(ch.ID), Content: "x", Nonce: fmt.Sprint(c, "-", i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if c := b.sim.Counts(); c.Posts != 110 || c.Limited != 0 {
		t.Errorf("%d posts, %d refused", c.Posts, c.Limited)
	}
}

func TestGlobal429PausesAll(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	b.sim.Inject(discordsim.Fault{Status: 429, Scope: "global", BareHeaders: true, RetryAfter: 60})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := b.Me(ctx); outbound.ClassOf(err) != outbound.ClassRetry {
		t.Fatal(err)
	}
	before := b.sim.Counts().Requests
	_, err := b.Post(ctx, PostRequest{Channel: channelID(b.w.Channel), Content: "x", Nonce: "n"})
	if e, ok := errors.AsType[*APIError](err); !ok || e.After < 30*time.Second || b.sim.Counts().Requests != before {
		t.Errorf("a request went out in a global pause: %v", err)
	}
}

func TestShieldPausesAll(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	b.sim.Inject(discordsim.Fault{Status: 429, HTML: true, BareHeaders: true, RetryAfter: 600})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 3 {
		if _, err := b.Me(ctx); outbound.ClassOf(err) != outbound.ClassRetry {
			t.Fatal(err)
		}
	}
	if n := b.sim.Counts().Requests; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	if !strings.Contains(b.log.String(), "shield") {
		t.Error("the log says nothing")
	}
}

// A refused channel is asked again with every answer, until Discord's ban is near; then not for a while, but at once when
// permissions change.
func TestRemembersRefusals(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick()).start()
	deny := discordsim.Overwrite{ID: b.w.Guild, Deny: discordsim.SendMessages}
	if err := b.sim.SetOverwrites(b.w.Channel, deny); err != nil {
		t.Fatal(err)
	}
	b.wait("the cache knows", func() bool {
		p, _ := b.BotPermissions(channelID(b.w.Channel))
		return p&permSendMessages == 0
	})
	post := func() error {
		_, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: "x", Nonce: "n"})
		return err
	}
	for n := range 10 {
		if n == 5 {
			for range invalidSoft {
				b.noteInvalid("x")
			}
		}
		if err := post(); outbound.ClassOf(err) != outbound.ClassForbidden {
			t.Fatal(err)
		}
		if err := b.Typing(b.ctx(), channelID(b.w.Channel)); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.sim.Counts().Invalid; n != 5 {
		t.Errorf("%d refused requests, want 5", n)
	}
	if err := b.sim.SetOverwrites(b.w.Channel); err != nil {
		t.Fatal(err)
	}
	b.wait("posts go again", func() bool { return post() == nil })
}

func TestStopsNearTheBan(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	for range invalidSoft {
		b.noteInvalid("x")
	}
	if err := b.Typing(b.ctx(), channelID(b.w.Channel)); err != nil || b.sim.Counts().Requests != 0 {
		t.Errorf("typing near the ban: %v", err)
	}
	if _, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: "x", Nonce: "n"}); err != nil {
		t.Error(err)
	}
	for range invalidHard - invalidSoft {
		b.noteInvalid("x")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := b.Post(ctx, PostRequest{Channel: channelID(b.w.Channel), Content: "x", Nonce: "m"}); outbound.ClassOf(err) != outbound.ClassRetry || b.sim.Counts().Requests != 1 {
		t.Errorf("posting at the ban: %v", err)
	}
}

// A refusal is forgotten once a post goes through: then typing is of use again.
func TestAPostThatGoesThroughTakesARefusalBack(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	b.sim.Inject(discordsim.Fault{Route: "POST /channels/{channel}/messages", Status: 403, Code: codeMissingPermissions})
	post := func(nonce string) error {
		_, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: "x", Nonce: nonce})
		return err
	}
	if err := post("1"); outbound.ClassOf(err) != outbound.ClassForbidden || b.mayType(channelID(b.w.Channel)) {
		t.Errorf("refused: %v", err)
	}
	if err := post("2"); err != nil || !b.mayType(channelID(b.w.Channel)) {
		t.Errorf("posted: %v; it may not type", err)
	}
}
