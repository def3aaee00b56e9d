package discord

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/sim/discordsim"
)

const postRoute = "POST /channels/{channel}/messages"

func TestPostPingsNobodyButTheAsker(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	asked := b.say(b.w.Channel, b.w.User, "hi")
	if _, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: "@everyone <@" + b.w.Owner.String() + "> <@" + b.w.User.String() + ">",
		ReplyTo: messageID(asked.ID), Nonce: "n-0", MentionUser: userID(b.w.User)}); err != nil {
		t.Fatal(err)
	}
	p := b.sim.Posts()[0]
	if p.Everyone || len(p.Mentions) != 1 || p.Mentions[0] != b.w.User {
		t.Errorf("pinged %v, everyone %t", p.Mentions, p.Everyone)
	}
	if p.Reference != asked.ID || !p.EnforceNonce || p.Nonce != "n-0" {
		t.Errorf("post: %+v", p)
	}
	if _, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: "<@" + b.w.User.String() + ">", Nonce: "n-1"}); err != nil {
		t.Fatal(err)
	}
	if p := b.sim.Posts()[1]; len(p.Mentions) != 0 || !strings.Contains(string(p.AllowedMentions), `"parse":[]`) {
		t.Errorf("post: %+v %s", p.Mentions, p.AllowedMentions)
	}
}

// What goes wrong by itself is tried again with the same nonce, and the message stands once.
func TestPostTriesAgain(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]discordsim.Fault{
		"lost answer":        {DropAfter: true, Times: 2},
		"reset":              {DropBefore: true, Times: 2},
		"500":                {Status: 500, Times: 2},
		"502 HTML":           {Status: 502, HTML: true, Times: 3},
		"503":                {Status: 503},
		"429 user":           {Status: 429, RetryAfter: 0.05, Times: 2},
		"429 shared":         {Status: 429, RetryAfter: 0.05, Scope: "shared"},
		"429 global":         {Status: 429, RetryAfter: 0.05, Scope: "global", BareHeaders: true},
		"slowmode":           {Status: 429, RetryAfter: 0.05, Code: codeSlowmode},
		"write limit":        {Status: 429, RetryAfter: 0.05, Code: codeChannelWriteLimit, BareHeaders: true},
		"nothing goes wrong": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBot(t, &discordsim.Server{}, quick())
			f.Route = postRoute
			b.sim.Inject(f)
			id, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: "hi", Nonce: "1-0"})
			if err != nil {
				t.Fatal(err)
			}
			posts := b.sim.Posts()
			if len(posts) != 1 || messageID(posts[0].ID) != id {
				t.Errorf("%d posts, id %s", len(posts), id)
			}
			if n := b.sim.PendingFaults(); n != 0 {
				t.Errorf("%d faults are left", n)
			}
		})
	}
}

// Without a nonce a lost answer can't be tried again: the message might stand twice.
func TestPostWithoutNonceIsTriedOnce(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	b.sim.Inject(discordsim.Fault{Route: postRoute, DropAfter: true})
	_, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: "hi"})
	if outbound.ClassOf(err) != outbound.ClassRetry || len(b.sim.Posts()) != 1 {
		t.Errorf("%d posts, %v", len(b.sim.Posts()), err)
	}
}

func TestPostEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	b.sim.Inject(discordsim.Fault{Status: 500, Times: -1})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := b.Post(ctx, PostRequest{Channel: channelID(b.w.Channel), Content: "hi", Nonce: "1-0"})
	if e, ok := errors.AsType[*APIError](err); !ok || e.Class != outbound.ClassRetry || e.Status != 500 {
		t.Errorf("the last failure is not told: %v", err)
	}
}

func TestPostDoesNotWaitInVain(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	b.sim.Inject(discordsim.Fault{Status: 429, RetryAfter: 3600})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := b.Post(ctx, PostRequest{Channel: channelID(b.w.Channel), Content: "hi", Nonce: "1-0"}) // at once, not after a minute
	if e, ok := errors.AsType[*APIError](err); !ok || e.Class != outbound.ClassRetry || e.After < 59*time.Minute || ctx.Err() != nil {
		t.Errorf("a wait beyond the deadline: %v", err)
	}
}

func TestReplyToWhatCantBeRepliedTo(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	gone := b.say(b.w.Channel, b.w.User, "gone")
	if err := b.sim.Delete(gone.ID); err != nil {
		t.Fatal(err)
	}
	system, err := b.sim.Say(b.w.Channel, b.w.User, "", discordsim.SayOpts{Type: discordsim.PinNotice})
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]discordsim.ID{"deleted": gone.ID, "system": system.ID} {
		if _, err := b.Post(b.ctx(), PostRequest{Channel: channelID(b.w.Channel), Content: name, ReplyTo: messageID(to), Nonce: name, MentionUser: userID(b.w.User)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, p := range b.sim.Posts() {
		if p.Reference != 0 {
			t.Errorf("references %s", p.Reference)
		}
	}
}

func TestTyping(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	if err := b.Typing(b.ctx(), channelID(b.w.Channel)); err != nil || len(b.sim.Typing(b.w.Channel)) != 1 {
		t.Errorf("typing: %v", err)
	}
	b.sim.Inject(discordsim.Fault{Status: 500, Times: -1})
	if err := b.Typing(b.ctx(), channelID(b.w.Channel)); err != nil || b.sim.Counts().Requests != 2 {
		t.Errorf("typing is tried once and fails silently: %v", err)
	}
}

func TestCountsRequests(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	b.sim.Inject(discordsim.Fault{DropBefore: true}, discordsim.Fault{Status: 503}) // net/http tries a GET again on a used connection
	if _, err := b.Me(b.ctx()); err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{"503", "error", "200"} {
		if n := testutil.ToFloat64(b.metrics.requests.WithLabelValues("get_me", status)); n != 1 {
			t.Errorf("get_me %s: %v, want 1", status, n)
		}
	}
}

func TestThreadNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "Answer", " \n ": "Answer", "a\nb  c": "a b c",
		strings.Repeat("x", 101): strings.Repeat("x", 100), strings.Repeat("😀", 60): strings.Repeat("😀", 50),
	} {
		if got := threadName(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzThreadName(f *testing.F) {
	f.Add("what is fire?")
	f.Fuzz(func(t *testing.T, in string) {
		name := threadName(in)
		units := 0
		for _, r := range name {
			units += utf16Len(r)
		}
		if units < 1 || units > threadNameMaxUnits || strings.TrimSpace(name) != name {
			t.Errorf("%q: %q", in, name)
		}
	})
}

// Ids come from the bus too: nothing but a number becomes part of a path.
func TestOnlyIDsBecomePaths(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	for _, bad := range []string{"", "0", "-1", "@me", "1/../2", "1?x=", "12 ", "99999999999999999999999"} {
		ch, m := chat.ChannelID(bad), chat.MessageID(bad)
		good := channelID(b.w.Channel)
		_, post := b.Post(b.ctx(), PostRequest{Channel: ch, Content: "x", Nonce: "n"})
		_, thread := b.OpenThread(b.ctx(), good, m, "x")
		_, list := b.MessagesAfter(b.ctx(), ch, "1", 10)
		_, find := b.FindReply(b.ctx(), ch, "1")
		errs := []error{post, thread, list, find, b.Typing(b.ctx(), ch)}
		if bad != "" {
			_, reply := b.Post(b.ctx(), PostRequest{Channel: good, Content: "x", Nonce: "n", ReplyTo: m})
			errs = append(errs, reply)
		}
		for i, err := range errs {
			if outbound.ClassOf(err) != outbound.ClassBadRequest {
				t.Errorf("%q, call %d: %v", bad, i, err)
			}
		}
	}
	if c := b.sim.RequestCounts(); len(c) > 0 {
		t.Errorf("requests: %v", c)
	}
}
