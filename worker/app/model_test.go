package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/sim/hfsim"
	"salamander.dev/worker/internal/core/answer"
)

// letters are all dead letters.
func (k *kit) letters() (all []chat.DeadLetter) {
	k.t.Helper()
	if err := k.bus.DeadLetters(k.ctx, func(l bus.StoredLetter) bool { all = append(all, l.Letter); return true }); err != nil {
		k.t.Fatal(err)
	}
	return all
}

// calls are the simulator's books of one key.
func (k *kit) calls(key string) int64 { return k.hf.Books().Key(key).Calls }

// TestWhatPassesIsTriedAgain walks through CONTRACT 6: two failures of each kind, then an answer.
func TestWhatPassesIsTriedAgain(t *testing.T) {
	k := setup(t, map[string]string{"HF_TIMEOUT": "1s", "WORKER_CONCURRENCY": "32"})
	k.start(nil)
	kinds := []hfsim.Kind{
		hfsim.Internal, hfsim.BadGateway, hfsim.Loading, hfsim.Unavailable, hfsim.GatewayTimeout, hfsim.Hang, hfsim.Reset,
		hfsim.Stall, hfsim.Truncated, hfsim.Empty, hfsim.EmptyText, hfsim.ErrorIn200, hfsim.BrokenJSON,
	}
	var qs []chat.Question
	for i, kind := range kinds {
		q := question(fmt.Sprint(100+i), "about "+string(kind)+"!")
		k.hf.Inject(hfsim.Fault{Kind: kind, Question: q.Text, Count: 2, Wait: time.Second})
		qs = append(qs, q)
	}
	k.ask(qs...)
	for _, q := range qs {
		a := k.want(q, chat.Reply, "echo: "+q.Text)
		if a.Receipt == nil || a.Receipt.Key != "primary" {
			t.Errorf("%s: answered with %+v; a failure that passes harms no key", q.Text, a.Receipt)
		}
	}
	if n := k.calls("primary"); n != int64(3*len(kinds)) {
		t.Errorf("%d calls, want %d", n, 3*len(kinds))
	}
	if l := k.letters(); len(l) != 0 {
		t.Errorf("dead letters %+v", l)
	}
}

func TestAfterThreeFailuresTheFallbackIsSaid(t *testing.T) {
	k := setup(t, nil)
	w := k.start(nil)
	k.hf.Inject(hfsim.Fault{Kind: hfsim.Unavailable, Count: -1})
	q := question("7", "anybody there?")
	k.ask(q)
	if a := k.want(q, chat.Fallback, ""); a.Reason != answer.ReasonFailed || !strings.Contains(a.Text, "fire") {
		t.Errorf("answer %+v", a)
	}
	if n := k.calls("primary") + k.calls("second"); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
	l := k.letters()
	if len(l) != 1 || l[0].Question.ID != q.ID || l[0].Reason != answer.ReasonFailed || l[0].Attempts != 3 || l[0].Key != "primary" || !strings.Contains(l[0].Cause, "503") {
		t.Errorf("dead letters %+v", l)
	}
	k.empty()
	if log := w.log.String(); !strings.Contains(log, `"message":"the model failed; said the fallback"`) || !strings.Contains(log, "anybody there?") {
		t.Error("the log lacks the failure with its text")
	}
}

func TestABadPromptCostsOneCallAndHarmsNoKey(t *testing.T) {
	k := setup(t, nil)
	k.start(nil)
	for i, kind := range []hfsim.Kind{hfsim.BadRequest, hfsim.NotFound, hfsim.TooLarge, hfsim.Invalid} {
		k.hf.Inject(hfsim.Fault{Kind: kind})
		q := question(fmt.Sprint(100+i), string(kind))
		k.ask(q)
		if a := k.want(q, chat.Fallback, ""); a.Reason != answer.ReasonRejected {
			t.Errorf("%s: %+v", kind, a)
		}
		if n := k.calls("primary"); n != int64(i+1) {
			t.Errorf("%s: %d calls, want %d", kind, n, i+1)
		}
	}
	if l := k.letters(); len(l) != 4 {
		t.Errorf("%d dead letters, want 4", len(l))
	}
	q := question("7", "fine?")
	k.ask(q)
	if a := k.want(q, chat.Reply, "echo: fine?"); a.Receipt.Key != "primary" {
		t.Errorf("the key was harmed: answered with %s", a.Receipt.Key)
	}
}

func TestAnotherKeyTakesOver(t *testing.T) {
	tests := []struct {
		fault hfsim.Fault
		state string
	}{
		{hfsim.Fault{Kind: hfsim.RateLimited, Wait: time.Hour}, "cooling"},
		{hfsim.Fault{Kind: hfsim.RateLimited, Hint: hfsim.HintDate, Wait: time.Hour}, "cooling"},
		{hfsim.Fault{Kind: hfsim.RateLimited, Hint: hfsim.HintRateLimit, Wait: time.Hour}, "cooling"},
		{hfsim.Fault{Kind: hfsim.Overloaded}, "cooling"},
		{hfsim.Fault{Kind: hfsim.NoCredit}, "resting"},
		{hfsim.Fault{Kind: hfsim.BadToken}, "refused"},
		{hfsim.Fault{Kind: hfsim.NoPermission}, "refused"},
	}
	for _, tt := range tests {
		t.Run(string(tt.fault.Kind)+" "+string(tt.fault.Hint), func(t *testing.T) {
			k := setup(t, nil)
			w := k.start(nil)
			other := k.start(nil)
			tt.fault.Key = "primary"
			k.hf.Inject(tt.fault)
			q := question("7", "who is it?")
			k.ask(q)
			if a := k.want(q, chat.Reply, "echo: who is it?"); a.Receipt.Key != "second" {
				t.Errorf("answered with %s", a.Receipt.Key)
			}
			for range 5 { // whichever worker it is: both know
				q := question("8", "and now?")
				k.ask(q)
				if a := k.want(q, chat.Reply, ""); a.Receipt.Key != "second" {
					t.Errorf("answered with %s", a.Receipt.Key)
				}
			}
			if n := k.calls("primary"); n != 1 {
				t.Errorf("%d calls with the bad key, want 1", n)
			}
			for _, x := range []*worker{w, other} {
				k.await("the state is in the metrics of both", func() bool {
					return x.metric("salamander_budget_key_state", map[string]string{"key": "primary", "state": tt.state}) == 1
				})
			}
		})
	}
}

func TestARefusedKeyIsTriedByAWorkerThatStarts(t *testing.T) {
	k := setup(t, nil)
	w := k.start(nil)
	k.hf.SetState("primary", hfsim.Unauthorized)
	q := question("7", "one")
	k.ask(q)
	if a := k.want(q, chat.Reply, ""); a.Receipt.Key != "second" {
		t.Fatalf("answered with %s", a.Receipt.Key)
	}
	k.empty()
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	if log := w.log.String(); !strings.Contains(log, `"level":"error"`) || !strings.Contains(log, `"key":"primary"`) {
		t.Error("no error line names the key")
	}
	k.hf.SetState("primary", hfsim.Active)
	k.start(nil)
	q = question("7", "two")
	k.ask(q)
	if a := k.want(q, chat.Reply, ""); a.Receipt.Key != "primary" {
		t.Errorf("answered with %s although the key is accepted again", a.Receipt.Key)
	}
}

func TestWithoutAnyKeyPeopleAreTold(t *testing.T) {
	k := setup(t, nil)
	k.start(nil)
	k.hf.SetState("primary", hfsim.Unauthorized)
	k.hf.SetState("second", hfsim.Forbidden)
	q := question("7", "hello?")
	k.ask(q)
	if a := k.want(q, chat.Apology, ""); a.Reason != answer.ReasonNoKeys {
		t.Errorf("%+v", a)
	}
}

func TestTextGeneration(t *testing.T) {
	k := setup(t, map[string]string{"HF_TASK": "text-generation", "HF_MODEL": "me/character"})
	k.start(nil)
	q := question("7", "are you warm?")
	k.ask(q)
	k.want(q, chat.Reply, "echo: are you warm?")
}
