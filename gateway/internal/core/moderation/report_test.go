package moderation_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"salamander.dev/gateway/internal/core/moderation"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// sample is a report of three keys at half past an hour.
func sample(now time.Time) control.BudgetReport {
	hour := now.Truncate(time.Hour)
	limit := func(text, unit string, most, used, reserved float64) control.LimitBudget {
		return control.LimitBudget{Limit: text, Unit: unit, Max: most, Used: used, Reserved: reserved, StartedAt: hour, ResetsAt: hour.Add(time.Hour)}
	}
	return control.BudgetReport{At: now, Keys: []control.KeyBudget{
		{Key: "primary", State: "active", Limits: []control.LimitBudget{
			limit("300req/1h", "req", 300, 198, 2), limit("0.10usd/month", "usd", 0.1, 0.02, 0),
		}},
		{Key: "spare", State: "cooling", Until: now.Add(time.Minute), Limits: []control.LimitBudget{limit("300req/1h", "req", 300, 300, 0)}},
		{Key: "third", State: "refused", Limits: []control.LimitBudget{limit("300req/1h", "req", 300, 0, 0)}},
		{Key: "free", State: "active"},
	}}
}

// inSynctest plays at half past midnight of 2000-01-01, when synctest's clock begins.
func inSynctest(t *testing.T, f func(t *testing.T, now time.Time)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(30 * time.Minute) // of synctest's clock
		f(t, time.Now().UTC())
	})
}

func TestBudgetAtAGlance(t *testing.T) {
	t.Parallel()
	inSynctest(t, func(t *testing.T, now time.Time) {
		w := newWorld()
		w.report = sample(now)
		said, _, err := run(t, w, ownerOfA, "$budget", "10")
		if err != nil {
			t.Fatal(err)
		}
		const want = "Budget, key by key; the first that has some is used.\n" +
			"```\n" +
			"KEY      STATE    LIMIT             USED           LEFT\n" +
			"primary  active   300req/1h          200   67%      100\n" +
			"                  0.10usd/month  $0.0200   20%  $0.0800\n" +
			"spare    cooling  300req/1h          300  100%        0\n" +
			"third    refused  300req/1h            0    0%      300\n" +
			"free     active   no limit\n" +
			"```\n" +
			// 200 of 300 in 30 minutes: the rest lasts 15 more.
			"`primary` `300req/1h`: resets <t:946688400:R>, at this pace it is used up at <t:946687500:t> (<t:946687500:R>).\n" +
			"`primary` `0.10usd/month`: resets <t:946688400:R>, at this pace it lasts until then.\n" +
			"`spare` is cooling until <t:946686660:f> (<t:946686660:R>).\n" +
			"`spare` `300req/1h`: resets <t:946688400:R>, used up.\n" +
			"`third` is refused by Hugging Face; my operators must renew it.\n" +
			"`third` `300req/1h`: resets <t:946688400:R>, not used yet."
		if said != want {
			t.Errorf("said\n%s\nwant\n%s", said, want)
		}
	})
}

// Five keys with three limits each are more than fits in sentences: then it is said in short, and of every key.
func TestBudgetOfManyKeys(t *testing.T) {
	t.Parallel()
	inSynctest(t, func(t *testing.T, now time.Time) {
		w := newWorld()
		w.report.At = now
		for i := range 5 {
			k := sample(now).Keys[0]
			k.Key = fmt.Sprintf("a-key-with-a-long-name-%d", i)
			k.Limits = append(k.Limits, sample(now).Keys[1].Limits...)
			w.report.Keys = append(w.report.Keys, k)
		}
		said, _, err := run(t, w, ownerOfA, "$budget", "10")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range w.report.Keys {
			want := "\n`" + k.Key + "`: resets <t:946688400:R> (gone <t:946687500:R>), resets <t:946688400:R> ✓, resets <t:946688400:R>"
			if strings.Count(said, k.Key) != 2 || !strings.Contains(said, want) {
				t.Errorf("%s is not whole in\n%s", k.Key, said)
			}
		}
	})
}

func TestForecastWaitsForAPace(t *testing.T) {
	t.Parallel()
	inSynctest(t, func(t *testing.T, now time.Time) {
		w := newWorld()
		w.report = sample(now)
		w.report.Keys = w.report.Keys[:1]
		for _, l := range []func(*control.LimitBudget){
			func(l *control.LimitBudget) {
				l.StartedAt = now.Add(-30 * time.Second)
				l.ResetsAt = now.Add(time.Hour)
			},
			func(l *control.LimitBudget) { l.StartedAt = time.Time{} },
			func(l *control.LimitBudget) { l.ResetsAt = time.Time{} },
			func(l *control.LimitBudget) { l.StartedAt = now.Add(time.Hour) }, // a clock that is behind
		} {
			w.report.Keys[0].Limits = sample(now).Keys[0].Limits[:1]
			l(&w.report.Keys[0].Limits[0])
			said, _, _ := run(t, w, ownerOfA, "$budget", fmtID(10+len(w.claims)))
			if !strings.HasSuffix(said, "too early for a forecast.") {
				t.Errorf("said %q", said)
			}
		}
	})
}

// fmtID makes a message id of a number.
func fmtID(n int) chat.MessageID { return chat.MessageID(fmt.Sprint(n)) }

// Without workers it is said that there are none, and not that NATS is away.
func TestNoWorker(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.bookErr = fmt.Errorf("ask a worker: %w", moderation.ErrNoWorker)
	for i, text := range []string{"$budget", "$forget", "$status"} {
		said, _, err := run(t, w, ownerOfA, text, fmtID(10+i))
		if !strings.Contains(strings.ToLower(said), "worker") || !strings.Contains(said, "running") || strings.Contains(said, "can't") || !errors.Is(err, moderation.ErrNoWorker) {
			t.Errorf("%s: said %q, %v", text, said, err)
		}
	}
}

func TestNoKeys(t *testing.T) {
	t.Parallel()
	if said, _, err := run(t, newWorld(), ownerOfA, "$budget", "10"); err != nil || !strings.Contains(said, "no worker has started") {
		t.Errorf("said %q, %v", said, err)
	}
}

// crew is a fleet of one gateway and two workers.
func crew(now time.Time) []control.Applied {
	return []control.Applied{
		{Instance: "gateway-1", Service: control.Gateway, Running: 6, RunningTotal: 7, Held: 4, Started: now.Add(-76 * time.Hour)},
		{Instance: "worker-1", Service: control.Worker, Running: 2, RunningTotal: 5, Started: now.Add(-2 * time.Hour)},
		{Instance: "worker-2", Service: control.Worker, Running: 1, RunningTotal: 1, Held: 1, Started: now.Add(-90 * time.Second)},
	}
}

func TestStatusAtAGlance(t *testing.T) {
	t.Parallel()
	inSynctest(t, func(t *testing.T, now time.Time) {
		w := newWorld()
		w.applied, w.silent = crew(now), []string{"worker-3"}
		w.waiting = map[control.Scope]int{serverA: 5, control.Fleet: 20}
		w.report = sample(now)
		w.report.Keys = w.report.Keys[1:3]
		said, _, err := run(t, w, ownerOfA, "$status", "10")
		if err != nil {
			t.Fatal(err)
		}
		const want = "**Running** in this server.\n" +
			"```\n" +
			"workers   2 alive\n" +
			"gateways  1 alive\n" +
			"waiting   2\n" +
			"running   3\n" +
			"posting   6\n" +
			"uptime    gateway 3d 4h, worker 2h\n" +
			"\n" +
			"KEY    STATE    LIMIT      USED        LEFT\n" +
			"spare  cooling  300req/1h   300  100%     0\n" +
			"third  refused  300req/1h     0    0%   300\n" +
			"```\n" +
			"No answer from `worker-3`.\n" +
			"`spare` is cooling until <t:946686660:f> (<t:946686660:R>).\n" +
			"`third` is refused by Hugging Face; my operators must renew it."
		if said != want {
			t.Errorf("said\n%s\nwant\n%s", said, want)
		}
		said, _, err = run(t, w, people[4], "$status", "11")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{
			"waiting   2, 18 in all servers\n", "running   3, 6 in all servers\n", "posting   6, 7 in all servers\n", // 20 on the bus, 6 run, a gateway holds 4
			"PROCESS    KIND         UP  RUNNING  HELD\n", "worker-1   worker       2h        5     0\n", "gateway-1  gateway   3d 4h        7     4\n",
		} {
			if !strings.Contains(said, line) {
				t.Errorf("said\n%s\nwant %q in it", said, line)
			}
		}
	})
}

// TestStatusSaysWhoStopped shows the two kinds of silence.
func TestStatusSaysWhoStopped(t *testing.T) {
	t.Parallel()
	inSynctest(t, func(t *testing.T, now time.Time) {
		at := fmt.Sprintf("<t:%d:R>", now.Unix())
		w := newWorld()
		for i, step := range []struct {
			text string
			by   who
			says []string
		}{
			{"$stop", ownerOfA, []string{"**Stopped** in this server.\n", "Stopped " + at + " by <@110>."}},
			{"$stop all", people[4], []string{"**Stopped** in this server.\n", "by <@110>.", "Stopped in all servers " + at}},
			{"$start", ownerOfA, []string{"**Stopped** in all servers by my operators.\n"}},
			{"$start all", people[4], []string{"**Running** in this server.\n"}},
		} {
			if _, _, err := run(t, w, step.by, step.text, fmtID(10+2*i)); err != nil {
				t.Fatal(err)
			}
			said, _, err := run(t, w, ownerOfA, "$status", fmtID(11+2*i))
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range step.says {
				if !strings.Contains(said, part) {
					t.Errorf("after %s: said %q, want %q in it", step.text, said, part)
				}
			}
		}
	})
}

// TestReportsFitOneMessage shows that many keys and processes with hostile names are cut honestly, in Discord's count,
// with the code block whole.
func TestReportsFitOneMessage(t *testing.T) {
	t.Parallel()
	inSynctest(t, func(t *testing.T, now time.Time) {
		for _, n := range []int{1, 5, 50, 500} {
			w := newWorld()
			w.report.At = now
			for i := range n {
				k := sample(now).Keys[0]
				k.Key = fmt.Sprintf("🦎```\n@everyone %d %s", i, strings.Repeat("𝕏", 50))
				w.report.Keys = append(w.report.Keys, k)
				w.applied = append(w.applied, control.Applied{Instance: fmt.Sprintf("`worker`\n%d%s", i, strings.Repeat("ש", 60)), Service: control.Worker, Revision: 9})
				w.silent = append(w.silent, fmt.Sprintf("silent\n`%d%s", i, strings.Repeat("x", 90)))
			}
			for j, text := range []string{"$budget", "$status", "$stop", "$mute <@101> " + strings.Repeat("`w", 500)} {
				said, _, err := run(t, w, people[4], text, fmtID(10+j))
				if err != nil {
					t.Fatal(err)
				}
				if units := len(utf16.Encode([]rune(said))); units > 2000 {
					t.Errorf("%s with %d: %d units", text, n, units)
				}
				if j < 2 {
					if strings.Count(said, "```") != 2 {
						t.Errorf("%s with %d: the code block is broken:\n%s", text, n, said)
					}
					if cut := strings.Contains(said, "more that would not fit here"); cut != (n > 5) {
						t.Errorf("%s with %d: says that it was cut: %v\n%s", text, n, cut, said)
					}
				}
			}
			for _, line := range w.audits {
				if strings.ContainsAny(line, "\n\r") || strings.Count(line, "`")%2 != 0 || len(utf16.Encode([]rune(line))) > 2000 {
					t.Errorf("audit line %q", line)
				}
			}
		}
	})
}

// TestAuditLineIsInert shows that names do nothing in the audit channel.
func TestAuditLineIsInert(t *testing.T) {
	t.Parallel()
	a := moderation.Audit{By: "1", ByName: "`@everyone`\n<@&7>", Guild: "2", Channel: "3", What: "stop", Ground: control.Owner, Effect: "stopped."}
	const want = "`stop` by `'@everyone' <@&7>` (`1`, owner) in server `2`, channel <#3>: stopped."
	if got := a.Line(); got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}
