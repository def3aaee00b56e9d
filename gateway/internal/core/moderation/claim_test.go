package moderation_test

import (
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/control"
)

// lose has another gateway claim a command that this one then loses.
func lose(t *testing.T, w *world, s *moderation.Service) moderation.Call {
	t.Helper()
	c := call(t, what{text: "$stop"}, ownerOfA, here, false, "10")
	if mine, err := w.Claim(t.Context(), "command.10", 0, false); err != nil || !mine {
		t.Fatal(mine, err)
	}
	if r, err := s.Handle(t.Context(), c); err != nil || !r.Lost || len(w.texts()) != 0 {
		t.Fatalf("%+v, %v, said %q", r, err, w.texts())
	}
	return c
}

func TestACommandOfADeadGatewayIsCarriedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s, third := gateway(t, w), gateway(t, w)
		c, begun := lose(t, w, s), time.Now()
		again, dead := s.Inherit(t.Context(), c)
		if took := time.Since(begun); !dead || took > 10*time.Second {
			t.Fatalf("dead: %t after %v", dead, took)
		}
		if audit, err := handle(t.Context(), s, again); err != nil || audit == nil {
			t.Fatalf("%+v, %v", audit, err)
		}
		if w.desired[serverA].State != control.Stopped || len(w.texts()) != 1 || len(w.audits) != 1 {
			t.Errorf("state %v, said %q, listed %q", w.desired[serverA], w.texts(), w.audits)
		}
		if r, err := third.Handle(t.Context(), again); err != nil || !r.Lost {
			t.Errorf("a third gateway took the same command over: %+v, %v", r, err)
		}
		if _, dead := third.Inherit(t.Context(), c); dead {
			t.Error("what is done is carried out again")
		}
	})
}

// A command that takes long, here since Discord takes no post for a minute, is kept by whoever has it.
func TestACommandIsNotTakenFromTheLiving(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.replyAfter = time.Minute
		c, begun := call(t, what{text: "$stop"}, ownerOfA, here, false, "10"), time.Now()
		ended := make(chan error)
		go func() {
			_, err := handle(t.Context(), gateway(t, w), c)
			ended <- err
		}()
		if _, dead := gateway(t, w).Inherit(t.Context(), c); dead || time.Since(begun) < time.Minute {
			t.Errorf("dead: %t after %v", dead, time.Since(begun))
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// The usual command costs one write more, and its loser one look.
func TestACommandThatIsDoneIsLookedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for _, text := range []string{"$stop", "$help"} {
			w.looks, w.writes = 0, 0
			clear(w.claims)
			c := call(t, what{text: text}, ownerOfA, here, false, "10")
			if _, err := handle(t.Context(), gateway(t, w), c); err != nil {
				t.Fatal(err)
			}
			r, err := gateway(t, w).Handle(t.Context(), c)
			if err != nil || r.Lost != (text == "$stop") {
				t.Errorf("%s: %+v, %v", text, r, err)
			}
			if _, dead := gateway(t, w).Inherit(t.Context(), c); dead || w.looks != 1 || w.writes > 2 {
				t.Errorf("%s: dead %t, %d looks, %d writes", text, dead, w.looks, w.writes)
			}
		}
	})
}

// While NATS is away nobody is silent, and after minutes nobody waits for the command any more.
func TestNothingIsInheritedWithoutAWordFromNATS(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{time.Minute, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			s := gateway(t, w)
			c, begun := lose(t, w, s), time.Now()
			w.lookErr = errAway
			time.AfterFunc(away, func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.lookErr = nil
			})
			_, dead := s.Inherit(t.Context(), c)
			if took := time.Since(begun); dead != (away == time.Minute) || dead && took < away || took > 3*time.Minute {
				t.Errorf("away for %v: dead %t after %v", away, dead, took)
			}
		})
	}
}
