package moderation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// TestRebootAll shows the answer of a fleet-wide reboot for quick, slow, stuck and drained ones.
func TestRebootAll(t *testing.T) {
	t.Parallel()
	after := func(d time.Duration, done int, silent ...string) func(context.Context, chat.Snowflake) (int, []string, error) {
		return func(ctx context.Context, _ chat.Snowflake) (int, []string, error) {
			select {
			case <-time.After(d):
				return done, silent, nil
			case <-ctx.Done():
				return 1, []string{"worker-2"}, nil
			}
		}
	}
	const progress = "Rebooting, one worker after another"
	for name, c := range map[string]struct {
		reboot func(context.Context, chat.Snowflake) (int, []string, error)
		drain  time.Duration
		says   []string
		parts  []moderation.Part
		took   time.Duration
		ok     bool
	}{
		"quick":  {after(2*time.Second, 1), 0, []string{"Rebooted: 1 worker began anew in 2s."}, []moderation.Part{moderation.Final}, 2 * time.Second, true},
		"slow":   {after(42*time.Second, 8), 0, []string{progress, "Rebooted: 8 workers began anew in 42s."}, []moderation.Part{moderation.Progress, moderation.Final}, 42 * time.Second, true},
		"stuck":  {after(time.Hour, 8), 0, []string{progress, "Rebooted: 1 worker began anew in 14m. Not yet: `worker-2`."}, []moderation.Part{moderation.Progress, moderation.Final}, 14 * time.Minute, true},
		"nobody": {after(0, 0), 0, []string{"No worker is alive"}, []moderation.Part{moderation.Final}, 0, true},
		"drain":  {after(time.Hour, 8), 40 * time.Second, []string{progress, "Not yet: `worker-2`."}, []moderation.Part{moderation.Progress, moderation.Final}, 40 * time.Second, true},
		"lost": {func(context.Context, chat.Snowflake) (int, []string, error) { return 0, nil, errAway }, 0,
			[]string{"I can't follow it any longer; `$status` shows how they are."}, []moderation.Part{moderation.Final}, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			// This one began anew while the fleet was still being asked: it is nobody who has to leave.
			w.applied = append(w.applied, control.Applied{Instance: "worker-1-anew", Service: control.Worker, Epoch: 10, Revision: 1 << 40})
			var epoch chat.Snowflake
			w.reboot = func(ctx context.Context, e chat.Snowflake) (int, []string, error) {
				epoch = e
				return c.reboot(ctx, e)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.drain > 0 {
				defer time.AfterFunc(c.drain, cancel).Stop()
			}
			begun := time.Now()
			audit, err := handle(ctx, gateway(t, w), call(t, what{text: "$reboot all"}, people[4], here, false, "10"))
			if took := time.Since(begun); took != c.took {
				t.Errorf("%s: took %v, want %v", name, took, c.took)
			}
			if (err == nil) != c.ok || err != nil && !errors.Is(err, errAway) {
				t.Errorf("%s: %v", name, err)
			}
			var parts []moderation.Part
			for i, s := range w.spoken {
				parts = append(parts, s.part)
				if i < len(c.says) && !strings.Contains(s.text, c.says[i]) {
					t.Errorf("%s: said %q, want %q in it", name, s.text, c.says[i])
				}
			}
			if !slices.Equal(parts, c.parts) {
				t.Errorf("%s: said %v as parts %v, want %v", name, w.texts(), parts, c.parts)
			}
			if d := w.desired[control.Fleet]; d.Epoch != 10 || d.State != control.Running || d.DropBefore != 0 || epoch != 10 {
				t.Errorf("%s: desired %+v, awaited %d", name, d, epoch)
			}
			if w.expected != 1 {
				t.Errorf("%s: %d workers are awaited, but one is to leave", name, w.expected)
			}
			if audit == nil || audit.Scope != control.Fleet || len(w.audits) != 1 || len(w.syncs) != 1 {
				t.Errorf("%s: audit %+v, lines %q, %d syncs", name, audit, w.audits, len(w.syncs))
			}
		})
	}
}

// TestOlderRebootWaitsForNothing shows that a reboot that a newer one overtook is not awaited.
func TestOlderRebootWaitsForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	if said, _, err := run(t, w, people[4], "$reboot all", "11"); err != nil || !strings.HasPrefix(said, "Rebooted: 1 worker") {
		t.Fatalf("said %q, %v", said, err)
	}
	w.reboot = func(context.Context, chat.Snowflake) (int, []string, error) {
		t.Error("an older reboot was awaited")
		return 0, nil, nil
	}
	if said, _, err := run(t, w, people[4], "$reboot all", "10"); err != nil || !strings.HasPrefix(said, "A newer command") {
		t.Errorf("said %q, %v", said, err)
	}
}
