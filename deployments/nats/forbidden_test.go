package nats_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// streams of shared/bus/provision.go, as the server names them.
var streams = []string{
	"QUESTIONS", "ANSWERS", "DEADLETTERS", "KV_CONTROL", "KV_BUDGET", "KV_LIVE", "KV_POSTED", "KV_MEMORY", "KV_SEEN", "KV_ONCE",
	"KV_RATE", "KV_CHANGED", "KV_ATTEMPT", "KV_LEASE",
}

// verbs are JetStream's requests about a stream; %s is its name (docs.nats.io, "JetStream wire API").
var verbs = []string{
	"STREAM.CREATE.%s", "STREAM.UPDATE.%s", "STREAM.DELETE.%s", "STREAM.PURGE.%s", "STREAM.INFO.%s", "STREAM.MSG.GET.%s",
	"STREAM.MSG.DELETE.%s", "STREAM.SNAPSHOT.%s", "STREAM.RESTORE.%s", "STREAM.LEADER.STEPDOWN.%s", "STREAM.PEER.REMOVE.%s",
	"CONSUMER.CREATE.%s", "CONSUMER.CREATE.%s.mine", "CONSUMER.CREATE.%s.mine.>", "CONSUMER.DURABLE.CREATE.%s.mine",
	"CONSUMER.NAMES.%s", "CONSUMER.LIST.%s", "CONSUMER.INFO.%s.mine", "CONSUMER.MSG.NEXT.%s.mine", "CONSUMER.DELETE.%s.workers",
	"CONSUMER.DELETE.%s.gateways", "CONSUMER.PAUSE.%s.workers", "CONSUMER.UNPIN.%s.gateways", "CONSUMER.RESET.%s.workers",
	"CONSUMER.INFO.%s.workers", "CONSUMER.MSG.NEXT.%s.workers", "CONSUMER.INFO.%s.gateways", "CONSUMER.MSG.NEXT.%s.gateways",
	"DIRECT.GET.%s", "DIRECT.GET.%s.>", "CONSUMER.LEADER.STEPDOWN.%s.workers",
}

// granted are the requests that a user may make; every other combination of verb and stream is refused.
var granted = map[string][]string{
	"gateway": grants(map[string][]string{
		"STREAM.INFO.%s":       {"QUESTIONS", "ANSWERS", "KV_CONTROL", "KV_LIVE", "KV_SEEN", "KV_POSTED", "KV_LEASE"},
		"STREAM.MSG.GET.%s":    {"QUESTIONS", "ANSWERS", "KV_CONTROL", "KV_LIVE", "KV_POSTED", "KV_SEEN", "KV_ONCE", "KV_RATE", "KV_CHANGED", "KV_LEASE"},
		"STREAM.MSG.DELETE.%s": {"QUESTIONS"}, "CONSUMER.INFO.%s.gateways": {"ANSWERS"}, "CONSUMER.MSG.NEXT.%s.gateways": {"ANSWERS"},
		"CONSUMER.UNPIN.%s.gateways": {"ANSWERS"},
	}),
	"worker": grants(map[string][]string{
		"STREAM.INFO.%s": {"QUESTIONS", "ANSWERS", "DEADLETTERS", "KV_CONTROL", "KV_LIVE", "KV_BUDGET", "KV_MEMORY"},
		"STREAM.MSG.GET.%s": {"QUESTIONS", "ANSWERS", "DEADLETTERS", "KV_CONTROL", "KV_LIVE", "KV_BUDGET", "KV_MEMORY", "KV_POSTED",
			"KV_CHANGED", "KV_ATTEMPT", "KV_ONCE", "KV_LEASE"},
		"STREAM.MSG.DELETE.%s": {"DEADLETTERS"}, "CONSUMER.INFO.%s.workers": {"QUESTIONS"}, "CONSUMER.MSG.NEXT.%s.workers": {"QUESTIONS"},
	}),
}

func grants(by map[string][]string) (subjects []string) {
	for verb, names := range by {
		for _, n := range names {
			subjects = append(subjects, request(verb, n))
		}
	}
	return subjects
}

func request(verb, stream string) string { return "$JS.API." + strings.ReplaceAll(verb, "%s", stream) }

// denied publishes with a stolen credential and says whether the server refused.
func denied(t *testing.T, nc *nats.Conn, errs <-chan error, subject string) bool {
	t.Helper()
	if err := nc.Publish(subject, nil); err != nil {
		t.Fatalf("publish %s: %v", subject, err)
	}
	return refused(t, nc, errs, subject)
}

// refused: the server sends a refusal before it answers the flush, so after it and a publish that is always refused
// everything is known without waiting for a time.
func refused(t *testing.T, nc *nats.Conn, errs <-chan error, subject string) bool {
	t.Helper()
	const sentinel = "sentinel.that.nobody.may.publish"
	if err := nc.Publish(sentinel, nil); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	found := false
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		select {
		case err := <-errs:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Fatalf("%s: %v", subject, err)
			}
			if strings.Contains(err.Error(), `"`+sentinel+`"`) {
				return found
			}
			found = found || strings.Contains(err.Error(), `"`+subject+`"`)
		case <-ctx.Done():
			t.Fatalf("%s: no word from the server", subject)
		}
	}
}

// TestEveryRequestToJetStreamIsGrantedOrRefused tries each verb on each stream for both services.
func TestEveryRequestToJetStreamIsGrantedOrRefused(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	for user, may := range granted {
		nc, errs := s.raw(t, user)
		tried := 0
		for _, stream := range streams {
			for _, verb := range verbs {
				subject := request(verb, stream)
				if strings.HasSuffix(subject, ">") {
					subject = strings.TrimSuffix(subject, ">") + "x" // what is published has no wildcard
				}
				tried++
				if got, want := denied(t, nc, errs, subject), !slices.Contains(may, subject); got != want {
					t.Errorf("%s: %s refused: %v, want %v", user, subject, got, want)
				}
			}
		}
		for _, subject := range []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.META.LEADER.STEPDOWN",
			"$JS.API.ACCOUNT.PURGE.SALAMANDER", "$JS.API.SERVER.REMOVE"} {
			if !denied(t, nc, errs, subject) {
				t.Errorf("%s: %s was not refused", user, subject)
			}
		}
		t.Logf("%s: %d requests tried, %d granted", user, tried, len(may))
	}
}

// TestWhatAServiceMayNotPublish lists the harm that a stolen credential would do, and its own subjects beside it.
func TestWhatAServiceMayNotPublish(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	for user, subjects := range map[string]struct{ forbidden, allowed []string }{
		"worker": {
			forbidden: []string{
				"$KV.CONTROL.desired.fleet", "$KV.CONTROL.desired.guild.10", "$KV.CONTROL.mute.10.30", "control.v1.all.sync",
				"control.v1.worker.budget", "control.v1.worker.forget", "chat.v1.question.10.20.30", "chat.v1.dead.gateway.failed.10.20.30.1",
				"$KV.POSTED.1", "$KV.SEEN.0", "$KV.RATE.30", "$KV.CHANGED.1", "$KV.ONCE.command.1", "$KV.ONCE.typing.20", "$KV.LEASE.shard.0",
				"$KV.LIVE.gateway.g", "$SRV.PING", "_INBOX_gateway.abc.1", "_INBOX_worker.abc.1", "$JS.ACK.ANSWERS.gateways.1.1.1.1.0",
				"$JS.ACK.x.y.ANSWERS.gateways.1.1.1.1.0", "$SYS.REQ.SERVER.PING", "$KV.NEW.1", "anything",
			},
			allowed: []string{
				"$KV.CONTROL.genesis.primary", "control.v1.all.status", "chat.v1.answer.10.20.30.1", "chat.v1.notice.10.20.1",
				"chat.v1.event.10.20.typing", "chat.v1.event.10.20.settled.30", "chat.v1.dead.worker.model.10.20.30.1", "$KV.BUDGET.primary",
				"$KV.MEMORY.10.20.30", "$KV.ATTEMPT.1", "$KV.ONCE.notice.10.20", "$KV.LEASE.reboot", "$KV.LIVE.worker.w",
				"budget.v1.write.w.primary", "$JS.ACK.QUESTIONS.workers.1.1.1.1.0", "$JS.ACK.x.y.QUESTIONS.workers.1.1.1.1.0.z",
			},
		},
		"gateway": {
			forbidden: []string{
				"$KV.BUDGET.primary", "$KV.CONTROL.genesis.primary", "budget.v1.write.w.primary", "chat.v1.answer.10.20.30.1",
				"chat.v1.notice.10.20.1", "chat.v1.event.10.20.typing", "chat.v1.event.10.20.settled.30", "chat.v1.dead.worker.model.10.20.30.1",
				"$KV.MEMORY.10.20.30", "$KV.ATTEMPT.1", "$KV.ONCE.notice.10.20", "$KV.LEASE.reboot", "$KV.LIVE.worker.w",
				"_INBOX_worker.abc.1", "_INBOX_gateway.abc.1", "$JS.ACK.QUESTIONS.workers.1.1.1.1.0", "$JS.ACK.x.y.QUESTIONS.workers.1.1.1.1.0",
				"$SYS.REQ.SERVER.PING", "$KV.NEW.1", "anything",
			},
			allowed: []string{
				"chat.v1.question.10.20.30", "chat.v1.dead.gateway.failed.10.20.30.1", "$KV.CONTROL.desired.fleet", "$KV.CONTROL.desired.guild.10",
				"$KV.CONTROL.mute.10.30", "control.v1.all.sync", "control.v1.all.status", "control.v1.worker.budget", "control.v1.worker.forget",
				"$KV.POSTED.1", "$KV.SEEN.0", "$KV.RATE.30", "$KV.CHANGED.1", "$KV.ONCE.command.1", "$KV.LEASE.shard.0", "$KV.LIVE.gateway.g",
				"$JS.ACK.ANSWERS.gateways.1.1.1.1.0", "$JS.ACK.x.y.ANSWERS.gateways.1.1.1.1.0",
			},
		},
	} {
		nc, errs := s.raw(t, user)
		for _, subject := range subjects.forbidden {
			if !denied(t, nc, errs, subject) {
				t.Errorf("%s may publish %s", user, subject)
			}
		}
		for _, subject := range subjects.allowed {
			if denied(t, nc, errs, subject) {
				t.Errorf("%s may not publish %s", user, subject)
			}
		}
	}
}

// TestWhatAServiceMayNotHear: other services' replies, everybody's questions and answers, and other accounts.
func TestWhatAServiceMayNotHear(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	for user, forbidden := range map[string][]string{
		"worker": {
			">", "chat.v1.>", "chat.v1.question.>", "chat.v1.answer.>", "chat.v1.dead.>", "_INBOX_gateway.>", "_INBOX.>", "$KV.>",
			"$KV.POSTED.>", "$KV.MEMORY.>", "$KV.SEEN.>", "$JS.>", "$JS.EVENT.>", "$SYS.>", "control.v1.>",
		},
		"gateway": {
			">", "chat.v1.>", "chat.v1.question.>", "chat.v1.answer.>", "chat.v1.dead.>", "_INBOX_worker.>", "_INBOX.>", "$KV.>",
			"$KV.BUDGET.>", "budget.v1.write.>", "$KV.MEMORY.>", "$JS.>", "$JS.EVENT.>", "$SYS.>", "control.v1.>", "control.v1.worker.budget",
		},
	} {
		nc, errs := s.raw(t, user)
		for _, subject := range forbidden {
			sub, err := nc.SubscribeSync(subject)
			if err != nil {
				t.Fatal(err)
			}
			if !refused(t, nc, errs, subject) {
				t.Errorf("%s may subscribe to %s", user, subject)
			}
			_ = sub.Unsubscribe() // the server forgot it already
		}
	}
}

// TestWrongPasswordsAndNobodyAreRefused: there is no user without a password and no default one.
func TestWrongPasswordsAndNobodyAreRefused(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	for name, option := range map[string]nats.Option{
		"nobody": nats.Name("nobody"), "wrong password": nats.UserInfo("worker", "wrong"), "another's password": nats.UserInfo(
			"gateway", s.password(t, passwordFiles["worker"])), "empty password": nats.UserInfo("admin", ""),
		"the variable's name": nats.UserInfo("admin", "$ADMIN_PASSWORD"),
	} {
		nc, err := nats.Connect(s.url, option, nats.NoReconnect())
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", name, err)
		}
		if nc != nil {
			nc.Close()
		}
	}
}

// TestTheAdminStaysInItsAccount: provisioning needs no right over the server itself.
func TestTheAdminStaysInItsAccount(t *testing.T) {
	t.Parallel()
	ctx, s := setup(t)
	nc, _ := s.raw(t, "admin")
	if _, err := nc.RequestWithContext(ctx, "$SYS.REQ.SERVER.PING", nil); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("the admin may ask the server about itself: %v", err)
	}
	system, _ := s.raw(t, "system")
	if _, err := system.RequestWithContext(ctx, "$SYS.REQ.SERVER.PING", nil); err != nil {
		t.Errorf("the system user may not: %v", err)
	}
}
