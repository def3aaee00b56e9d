package discord

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/sim/discordsim"
)

func TestErrorsAreClassified(t *testing.T) {
	t.Parallel()
	b := newBot(t, &discordsim.Server{}, quick())
	sim, w := b.sim, b.w
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	channel := func(name string, deny discordsim.Permission) chat.ChannelID {
		ch, err := sim.AddChannel(discordsim.Channel{Guild: w.Guild, Name: name, Overwrites: []discordsim.Overwrite{{ID: w.Guild, Deny: deny}}})
		must(err)
		return channelID(ch.ID)
	}
	thread := func(archived, locked bool) chat.ChannelID {
		m := b.say(w.Channel, w.User, "start")
		th, err := sim.StartThread(w.Channel, m.ID, w.User, "thread")
		must(err)
		must(sim.SetThread(th.ID, archived, locked))
		return channelID(th.ID)
	}
	hidden, mute, noHistory := channel("hidden", discordsim.ViewChannel), channel("mute", discordsim.SendMessages), channel("no-history", discordsim.ReadMessageHistory)
	noThreads := channel("no-threads", discordsim.CreatePublicThreads)
	inNoHistory, err := sim.Say(mustID(t, noHistory), w.User, "here")
	must(err)
	inNoThreads, err := sim.Say(mustID(t, noThreads), w.User, "here")
	must(err)
	threaded := b.say(w.Channel, w.User, "threaded")
	post := func(r PostRequest) error {
		r.Content, r.Nonce = orDefault(r.Content, "x"), orDefault(r.Nonce, "n")
		_, err := b.Post(b.ctx(), r)
		return err
	}
	for name, tc := range map[string]struct {
		run    func() error
		class  outbound.Class
		code   int
		advice string
	}{
		"unknown channel": {func() error { return post(PostRequest{Channel: channelID(sim.NewID())}) }, outbound.ClassGone, codeUnknownChannel, ""},
		"hidden channel":  {func() error { return post(PostRequest{Channel: hidden}) }, outbound.ClassHidden, codeMissingAccess, "View Channel"},
		"no Send":         {func() error { return post(PostRequest{Channel: mute}) }, outbound.ClassForbidden, codeMissingPermissions, "Send Messages"},
		"no History": {func() error { return post(PostRequest{Channel: noHistory, ReplyTo: messageID(inNoHistory.ID)}) },
			outbound.ClassForbidden, codeReplyNeedsHistory, "Read Message History"},
		"too long": {func() error {
			return post(PostRequest{Channel: channelID(w.Channel), Content: strings.Repeat("x", 2001)})
		}, outbound.ClassBadRequest, codeInvalidForm, ""},
		"locked": {func() error { return post(PostRequest{Channel: thread(true, true)}) }, outbound.ClassLocked, codeThreadLocked, ""},
		"no thread permission": {func() error {
			_, err := b.OpenThread(b.ctx(), noThreads, messageID(inNoThreads.ID), "x")
			return err
		}, outbound.ClassForbidden, codeMissingPermissions, "Create Public Threads"},
		"thread on nothing": {func() error {
			_, err := b.OpenThread(b.ctx(), channelID(w.Channel), messageID(sim.NewID()), "x")
			return err
		}, outbound.ClassGone, codeUnknownMessage, ""},
		"thread exists": {func() error {
			for range 2 {
				id, err := b.OpenThread(b.ctx(), channelID(w.Channel), messageID(threaded.ID), "x")
				if err != nil || string(id) != threaded.ID.String() {
					return fmt.Errorf("opened %s: %w", id, err)
				}
			}
			return nil
		}, outbound.ClassNone, 0, ""},
		"expired interaction": {func() error { return b.EditSlash(b.ctx(), "no-such-token", "x") }, outbound.ClassGone, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.run()
			if got := outbound.ClassOf(err); got != tc.class {
				t.Fatalf("class %s, want %s: %v", got, tc.class, err)
			}
			if err == nil {
				return
			}
			e, _ := errors.AsType[*APIError](err)
			if tc.code != 0 && e.Code != tc.code {
				t.Errorf("code %d, want %d", e.Code, tc.code)
			}
			if !strings.Contains(e.Advice(), tc.advice) || (tc.advice == "" && e.Advice() != "") {
				t.Errorf("advice %q", e.Advice())
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
				if strings.Contains(text, discordsim.DefaultToken) {
					t.Errorf("the error holds the token: %s", text)
				}
			}
		})
	}
}

func mustID(t *testing.T, ch chat.ChannelID) discordsim.ID {
	t.Helper()
	n, err := discordsim.ParseID(string(ch))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A proxy's page says nothing of what is behind it.
func TestOnlyDiscordSaysWhatIsGone(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]outbound.Class{
		`{"message":"Unknown Channel","code":10003}`: outbound.ClassGone,
		`{"message":"404: Not Found","code":0}`:      outbound.ClassGone,
		"<html>404 Not Found</html>":                 outbound.ClassRetry,
		"":                                           outbound.ClassRetry,
	} {
		if e := readError("x", http.StatusNotFound, http.Header{}, []byte(body)); e.Class != want {
			t.Errorf("%q is %s, want %s", body, e.Class, want)
		}
	}
}

func FuzzReadError(f *testing.F) {
	f.Add(429, []byte(`{"message":"x","retry_after":1.5,"global":true,"code":0}`))
	f.Add(400, []byte(`{"code":50035,"message":"Invalid Form Body","errors":{"content":{"_errors":[{"code":"BASE_TYPE_MAX_LENGTH"}]}}}`))
	f.Add(502, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := readError("x", status, http.Header{}, body)
		if len(e.Detail) > maxDetailBytes || e.Class == outbound.ClassNone || e.After < 0 || strings.ContainsAny(e.Error(), "\r\n") {
			t.Errorf("%+v", e)
		}
		_ = isGlobal(answer{status, http.Header{}, body})
		if json.Valid(body) && e.Class == outbound.ClassThreadExists && e.Code != codeThreadExists {
			t.Error("class without its code")
		}
	})
}
