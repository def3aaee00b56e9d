package control_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

func numbered(v control.Verb, scope control.Scope, n chat.Snowflake) control.Order {
	o := good(v)
	o.Command, o.Scope = n, scope
	if scope == control.Fleet {
		o.Ground = control.Operator
	}
	return o
}

func TestNext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before  control.Desired
		order   control.Order
		want    control.Desired // Order aside
		changed bool
	}{
		"the first stop": {control.Desired{}, numbered(control.Stop, "200", 5), control.Desired{State: control.Stopped, DropBefore: 5}, true},
		"a start drops what was said during the stop": {
			control.Desired{State: control.Stopped, DropBefore: 5, ForgetBefore: 3}, numbered(control.Start, "200", 6),
			control.Desired{State: control.Running, DropBefore: 6, ForgetBefore: 3}, true,
		},
		"a start of what runs drops nothing": {
			control.Desired{State: control.Running, DropBefore: 5}, numbered(control.Start, "200", 6),
			control.Desired{State: control.Running, DropBefore: 5}, true,
		},
		"a reboot": {control.Desired{State: control.Stopped, DropBefore: 5}, numbered(control.Reboot, "200", 6), control.Desired{State: control.Running, DropBefore: 6, ForgetBefore: 6}, true},
		"a fleet's reboot drops nothing and lifts nothing": {
			control.Desired{State: control.Stopped, DropBefore: 5}, numbered(control.Reboot, control.Fleet, 6),
			control.Desired{State: control.Stopped, DropBefore: 5, Epoch: 6}, true,
		},
		"a fleet's first reboot":  {control.Desired{}, numbered(control.Reboot, control.Fleet, 6), control.Desired{State: control.Running, Epoch: 6}, true},
		"stopping the stopped":    {control.Desired{State: control.Stopped, DropBefore: 5}, numbered(control.Stop, "200", 6), control.Desired{State: control.Stopped, DropBefore: 6}, true},
		"the same command again":  {control.Desired{State: control.Running, Order: numbered(control.Start, "200", 6)}, numbered(control.Stop, "200", 6), control.Desired{State: control.Running}, false},
		"an older command":        {control.Desired{State: control.Running, Order: numbered(control.Start, "200", 7)}, numbered(control.Stop, "200", 6), control.Desired{State: control.Running}, false},
		"a mute makes no state":   {control.Desired{State: control.Running}, numbered(control.Mute, "200", 6), control.Desired{State: control.Running}, false},
		"a status makes no state": {control.Desired{}, numbered(control.Status, "200", 6), control.Desired{}, false},
	} {
		got, changed := c.before.Next(c.order)
		if changed != c.changed {
			t.Errorf("%s: changed %v, want %v", name, changed, c.changed)
		}
		c.want.Order = c.before.Order
		if changed {
			c.want.Order = c.order
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestNextOnlyGrows shows that however commands arrive, late or twice, what was dropped or forgotten stays so, and the
// newest command that was carried out is the one that holds.
func TestNextOnlyGrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scope := rapid.SampledFrom([]control.Scope{"200", control.Fleet}).Draw(t, "scope")
		var d control.Desired
		for range rapid.IntRange(1, 30).Draw(t, "orders") {
			o := numbered(
				rapid.SampledFrom([]control.Verb{control.Stop, control.Start, control.Reboot}).Draw(t, "verb"), scope,
				chat.Snowflake(rapid.Uint64Range(1, 40).Draw(t, "command")),
			)
			n, changed := d.Next(o)
			if n.DropBefore < d.DropBefore || n.ForgetBefore < d.ForgetBefore || n.Epoch < d.Epoch || n.Order.Command < d.Order.Command {
				t.Fatalf("%s %d took something back: %+v after %+v", o.Verb, o.Command, n, d)
			}
			if newer := o.Command > d.Order.Command; changed != newer {
				t.Fatalf("%s %d after %d: changed %v", o.Verb, o.Command, d.Order.Command, changed)
			}
			if again, twice := n.Next(o); twice || again != n {
				t.Fatalf("%s %d had an effect twice", o.Verb, o.Command)
			}
			d = n
		}
	})
}

func TestMuteEnds(t *testing.T) {
	t.Parallel()
	m := control.Muted{Order: muteOrder()}
	end := m.Order.Until
	for when, want := range map[time.Time]bool{at: true, end.Add(-time.Nanosecond): true, end: false, end.Add(time.Hour): false} {
		if m.Active(when) != want {
			t.Errorf("at %v: active %v, want %v", when, !want, want)
		}
	}
	m.Order.Until = time.Time{}
	if !m.Active(end.AddDate(100, 0, 0)) {
		t.Error("a mute without an end ended")
	}
	m.Order.Verb = control.Unmute
	if m.Active(at) {
		t.Error("an unmuted user is muted")
	}
}
