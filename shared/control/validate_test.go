package control_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// with changes a good order into a forged or odd one.
func with(o control.Order, change func(*control.Order)) control.Order { change(&o); return o }

var verbs = []control.Verb{
	control.Stop, control.Start, control.Reboot, control.Mute, control.Unmute, control.Forget, control.Status, control.Budget, control.Leave,
}

// good is an order of a verb that may have its effect.
func good(v control.Verb) control.Order {
	switch o := order(v); v {
	case control.Mute:
		return muteOrder()
	case control.Unmute:
		o.Target = "101"
		return o
	case control.Forget, control.Leave:
		o.Ground = control.Self
		return o
	default:
		return o
	}
}

// TestValidateGrounds tries every verb on every ground, for its own server, for another server, for the fleet, and from
// a direct message.
func TestValidateGrounds(t *testing.T) {
	t.Parallel()
	for _, v := range verbs {
		for _, g := range []control.Ground{control.Owner, control.Permission, control.Role, control.Operator, control.Self, "", "admin"} {
			o := good(v)
			o.Ground = g
			personal := v == control.Forget || v == control.Leave
			moderator := g == control.Owner || g == control.Permission || g == control.Role || g == control.Operator
			aboutUser := v == control.Mute || v == control.Unmute
			want := map[string]bool{
				"own server":     moderator && !personal || personal && g == control.Self,
				"another server": false,
				"fleet":          g == control.Operator && !personal && !aboutUser,
				"direct message": v == control.Forget && g == control.Self,
				"fleet from dm":  false,
			}
			got := map[string]control.Order{
				"own server":     o,
				"another server": with(o, func(o *control.Order) { o.Scope = "201" }),
				"fleet":          with(o, func(o *control.Order) { o.Scope = control.Fleet }),
				"direct message": with(o, func(o *control.Order) { o.Scope, o.Origin = control.Scope(chat.DM), chat.DM }),
				"fleet from dm":  with(o, func(o *control.Order) { o.Scope, o.Origin = control.Fleet, chat.DM }),
			}
			for where, o := range got {
				err := o.Validate()
				if (err == nil) != want[where] {
					t.Errorf("%s on ground %q, %s: %v, want allowed=%v", v, g, where, err, want[where])
				}
				if err != nil && !errors.Is(err, control.ErrRefused) {
					t.Errorf("%s on ground %q, %s: %v is not ErrRefused", v, g, where, err)
				}
			}
		}
	}
}

func TestValidateRefusesForgedRecords(t *testing.T) {
	t.Parallel()
	stop, mute := good(control.Stop), good(control.Mute)
	for name, o := range map[string]control.Order{
		"nothing":              {},
		"no command":           with(stop, func(o *control.Order) { o.Command = 0 }),
		"no time":              with(stop, func(o *control.Order) { o.At = time.Time{} }),
		"no verb":              with(stop, func(o *control.Order) { o.Verb = "" }),
		"odd verb":             with(stop, func(o *control.Order) { o.Verb = "STOP" }),
		"no author":            with(stop, func(o *control.Order) { o.By = "" }),
		"author is a mention":  with(stop, func(o *control.Order) { o.By = "<@100>" }),
		"no origin":            with(stop, func(o *control.Order) { o.Origin = "" }),
		"no scope":             with(stop, func(o *control.Order) { o.Scope = "" }),
		"empty server":         with(stop, func(o *control.Order) { o.Scope, o.Origin = "", "" }),
		"every server":         with(stop, func(o *control.Order) { o.Scope, o.Origin = ">", ">" }),
		"server is the fleet":  with(stop, func(o *control.Order) { o.Scope, o.Origin = control.Fleet, chat.GuildID(control.Fleet) }),
		"operator's fleet":     with(stop, func(o *control.Order) { o.Scope, o.Origin, o.Ground = control.Fleet, "fleet", control.Operator }),
		"fleet with a target":  with(stop, func(o *control.Order) { o.Scope, o.Ground, o.Target = control.Fleet, control.Operator, "101" }),
		"channel is a pattern": with(stop, func(o *control.Order) { o.Channel = "300.>" }),
		"stop has a target":    with(stop, func(o *control.Order) { o.Target = "101" }),
		"stop has an end":      with(stop, func(o *control.Order) { o.Until = at.Add(time.Hour) }),
		"target is a role":     with(mute, func(o *control.Order) { o.Target = "<@&101>" }),
		"target is a mention":  with(mute, func(o *control.Order) { o.Target = "<@101>" }),
		"target is everyone":   with(mute, func(o *control.Order) { o.Target = "@everyone" }),
		"target is a pattern":  with(mute, func(o *control.Order) { o.Target = "*" }),
		"target is two tokens": with(mute, func(o *control.Order) { o.Target = "101.102" }),
		"target is zero":       with(mute, func(o *control.Order) { o.Target = "0" }),
		"target has a zero":    with(mute, func(o *control.Order) { o.Target = "0101" }),
		"target is wide":       with(mute, func(o *control.Order) { o.Target = "１０１" }),
		"no target":            with(mute, func(o *control.Order) { o.Target = "" }),
		"over before it began": with(mute, func(o *control.Order) { o.Until = at }),
		"long reason":          with(mute, func(o *control.Order) { o.Reason = strings.Repeat("x", control.MaxReasonBytes+1) }),
		"reason of two lines":  with(mute, func(o *control.Order) { o.Reason = "a\nb" }),
		"unmute with an end":   with(mute, func(o *control.Order) { o.Verb = control.Unmute }),
		"another's forgetting": with(good(control.Forget), func(o *control.Order) { o.Target = "101" }),
		"leave a dm":           with(good(control.Leave), func(o *control.Order) { o.Scope, o.Origin = "dm", chat.DM }),
	} {
		if err := o.Validate(); !errors.Is(err, control.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", name, err)
		}
	}
}

func TestDecodeRefusesForgedStates(t *testing.T) {
	t.Parallel()
	stopped := control.Desired{State: control.Stopped, Order: good(control.Stop)}
	muted := control.Muted{Order: good(control.Mute)}
	encode := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	desired := func(change func(*control.Desired)) []byte { d := stopped; change(&d); return encode(d) }
	mute := func(change func(*control.Order)) []byte {
		return encode(control.Muted{Order: with(muted.Order, change)})
	}
	refused := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, control.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"empty":            nil,
		"no json":          []byte("stopped"),
		"no state":         desired(func(d *control.Desired) { d.State = "" }),
		"odd state":        desired(func(d *control.Desired) { d.State = "paused" }),
		"another's":        desired(func(d *control.Desired) { d.Order.Scope, d.Order.Origin = "201", "201" }),
		"out of scope":     desired(func(d *control.Desired) { d.Order.Origin = "201" }),
		"no ground":        desired(func(d *control.Desired) { d.Order.Ground = control.Self }),
		"by a mute":        desired(func(d *control.Desired) { d.Order = muted.Order }),
		"with an epoch":    desired(func(d *control.Desired) { d.Epoch = 9 }),
		"by a forgetting":  desired(func(d *control.Desired) { d.Order = good(control.Forget) }),
		"negative command": []byte(`{"state":"stopped","order":{"command":"-1"}}`),
	} {
		d, err := control.DecodeDesired("200", b)
		refused(name, err)
		if d != (control.Desired{}) {
			t.Errorf("%s: a refused state came out as %+v", name, d)
		}
	}
	_, err := control.DecodeDesired(control.Fleet, desired(func(d *control.Desired) { d.Order.Scope = control.Fleet }))
	refused("fleet by a moderator", err)
	for name, b := range map[string][]byte{
		"empty":          nil,
		"another server": mute(func(o *control.Order) { o.Scope, o.Origin = "201", "201" }),
		"another user":   mute(func(o *control.Order) { o.Target = "102" }),
		"no ground":      mute(func(o *control.Order) { o.Ground = "" }),
		"fleet-wide":     mute(func(o *control.Order) { o.Scope, o.Ground = control.Fleet, control.Operator }),
		"by a stop":      encode(control.Muted{Order: stopped.Order}),
	} {
		m, err := control.DecodeMuted("200", "101", b)
		refused("mute: "+name, err)
		if m != (control.Muted{}) {
			t.Errorf("mute: %s: a refused mute came out as %+v", name, m)
		}
	}
}
