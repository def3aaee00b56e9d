// Package control is the vocabulary of moderation: who ordered what, on what ground, for which server, and the state
// that every process obeys.
//
// State, not commands: the gateway writes the desired state and then asks every process to reach it. Every record
// carries its origin, so that a worker can refuse one that is malformed, whose scope is not the origin server, or that
// is meant for the fleet without the operator's ground (Validate). That only the gateway can write records is ensured
// by NATS permissions, not here.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"salamander.dev/shared/chat"
)

// Verb is what is ordered.
type Verb string

// The control commands.
const (
	Stop   Verb = "stop"
	Start  Verb = "start"
	Reboot Verb = "reboot"
	Mute   Verb = "mute"
	Unmute Verb = "unmute"
	Forget Verb = "forget"
	Status Verb = "status"
	Budget Verb = "budget"
	// Leave is the gateway's own: the bot was removed from a server, whose data goes.
	Leave Verb = "leave"
)

// Ground is why somebody may order it.
type Ground string

// The grounds, from CONTRACT 5.
const (
	Owner      Ground = "owner"
	Permission Ground = "permission"
	Role       Ground = "role"
	Operator   Ground = "operator"
	// Self is everybody's right over their own data ($forget), and the gateway's own for Leave.
	Self Ground = "self"
)

// Scope is a server's id, or [Fleet].
type Scope string

// Fleet is the scope of everything that runs.
const Fleet Scope = "fleet"

// Order is one control command: who, where, on what ground, what.
type Order struct {
	// Command is the snowflake of the message or interaction; it makes the order idempotent and says which questions
	// are older than it.
	Command chat.Snowflake `json:"command,string"`
	Verb    Verb           `json:"verb"`
	Scope   Scope          `json:"scope"`
	// Origin is the server in which the command was typed, chat.DM for $forget in a direct message.
	Origin  chat.GuildID   `json:"origin"`
	Channel chat.ChannelID `json:"channel,omitempty"`
	By      chat.UserID    `json:"by"`
	ByName  string         `json:"by_name,omitempty"`
	Ground  Ground         `json:"ground"`
	// Target is the muted user.
	Target chat.UserID `json:"target,omitempty"`
	// Until ends a mute; zero means until $unmute.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// ErrRefused is the class of every order that has no effect; match it with errors.Is.
var ErrRefused = errors.New("control record refused")

// MaxReasonBytes bounds a reason; the gateway cuts it far earlier.
const MaxReasonBytes = 1000

// Validate says whether the order may have an effect: complete, in scope, on sufficient ground. Its errors wrap
// [ErrRefused].
func (o Order) Validate() error {
	if why := o.malformed(); why != "" {
		return fmt.Errorf("%w: malformed: %s", ErrRefused, why)
	}
	if why := o.outOfBounds(); why != "" {
		return fmt.Errorf("%w: %s", ErrRefused, why)
	}
	return nil
}

// malformed checks the record by itself. Ids become names of keys and subjects, so each must be one as Discord writes
// it: no mention, wildcard or second token.
func (o Order) malformed() string {
	switch {
	case o.Command == 0 || o.At.IsZero():
		return "command or time is missing"
	case o.Origin != chat.DM && !isID(string(o.Origin)):
		return "its origin is no server"
	case !isID(string(o.By)):
		return "its author is no user"
	case o.Channel != "" && !isID(string(o.Channel)):
		return "its channel is none"
	case len(o.Reason) > MaxReasonBytes || strings.ContainsAny(o.Reason, "\r\n"):
		return "its reason is too long or has several lines"
	}
	switch o.Verb {
	case Stop, Start, Reboot, Forget, Status, Budget, Leave:
		if o.Target != "" || !o.Until.IsZero() {
			return "this command has no target"
		}
	case Mute, Unmute:
		if !isID(string(o.Target)) {
			return "nobody to mute"
		}
		if !o.Until.IsZero() && (o.Verb == Unmute || !o.Until.After(o.At)) {
			return "it ends before it begins"
		}
	default:
		return "unknown command"
	}
	return ""
}

// outOfBounds checks scope and ground.
func (o Order) outOfBounds() string {
	switch o.Verb {
	case Forget:
		if o.Scope != Scope(o.Origin) || o.Ground != Self {
			return "people forget their own, where they are"
		}
		return ""
	case Leave:
		if o.Scope != Scope(o.Origin) || o.Ground != Self || o.Origin == chat.DM {
			return "only the gateway itself leaves a server"
		}
		return ""
	}
	if o.Origin == chat.DM {
		return "a direct message commands no server"
	}
	if o.Scope == Fleet {
		switch {
		case o.Ground != Operator:
			return "fleet-wide without the operator's ground"
		case o.Verb == Mute || o.Verb == Unmute:
			return "this command has no fleet-wide form"
		}
		return ""
	}
	if o.Scope != Scope(o.Origin) {
		return "its scope is not the server that it came from"
	}
	switch o.Ground {
	case Owner, Permission, Role, Operator:
		return ""
	}
	return "no ground to command"
}

// isID says whether s is a snowflake as Discord writes it.
func isID(s string) bool {
	n, err := chat.ParseSnowflake(s)
	return err == nil && n.String() == s
}

// State says whether the bot talks.
type State string

// The two states of a scope.
const (
	Running State = "running"
	Stopped State = "stopped"
)

// Desired is what a scope's processes obey. Its Order tells who wanted it.
type Desired struct {
	State State `json:"state"`
	// DropBefore drops every question whose mark is not after it; it only grows.
	DropBefore chat.Snowflake `json:"drop_before,string"`
	// ForgetBefore makes every remembered turn that is not after it unknown; it only grows.
	ForgetBefore chat.Snowflake `json:"forget_before,string"`
	// Epoch is the command of the last fleet-wide reboot: a worker that started before it leaves.
	Epoch chat.Snowflake `json:"epoch,string,omitempty"`
	Order Order          `json:"order"`
}

// Next returns the state after an order, and whether it differs; an order that was applied already, or that is older,
// changes nothing.
func (d Desired) Next(o Order) (Desired, bool) {
	if o.Command <= d.Order.Command {
		return d, false
	}
	n := d
	n.Order = o
	if n.State == "" {
		n.State = Running
	}
	switch o.Verb {
	case Stop:
		n.State, n.DropBefore = Stopped, max(d.DropBefore, o.Command)
	case Start:
		// What was said during the stop stays unheard, also what a gateway that was catching up judges only now.
		if d.State == Stopped {
			n.DropBefore = max(d.DropBefore, o.Command)
		}
		n.State = Running
	case Reboot:
		if o.Scope == Fleet {
			n.Epoch = o.Command
			break
		}
		n.State, n.DropBefore, n.ForgetBefore = Running, max(d.DropBefore, o.Command), max(d.ForgetBefore, o.Command)
	default:
		return d, false
	}
	return n, true
}

// Muted is one user's mute in one server; an Unmute order lifts it.
type Muted struct {
	Order Order `json:"order"`
}

// Active says whether the mute holds at a moment.
func (m Muted) Active(now time.Time) bool {
	return m.Order.Verb == Mute && (m.Order.Until.IsZero() || now.Before(m.Order.Until))
}

// DecodeDesired reads the state of a scope and refuses one whose order may not have it (ErrRefused).
func DecodeDesired(scope Scope, b []byte) (Desired, error) {
	var d Desired
	if err := json.Unmarshal(b, &d); err != nil {
		return Desired{}, fmt.Errorf("%w: malformed: %w", ErrRefused, err)
	}
	if d.State != Running && d.State != Stopped {
		return Desired{}, fmt.Errorf("%w: malformed: state %q", ErrRefused, d.State)
	}
	if d.Order.Scope != scope {
		return Desired{}, fmt.Errorf("%w: its scope is not the key that it lies under", ErrRefused)
	}
	switch v := d.Order.Verb; {
	case v != Stop && v != Start && v != Reboot:
		return Desired{}, fmt.Errorf("%w: %q makes no state", ErrRefused, v)
	case d.Epoch != 0 && scope != Fleet:
		return Desired{}, fmt.Errorf("%w: a server has no reboot epoch", ErrRefused)
	}
	if err := d.Order.Validate(); err != nil {
		return Desired{}, err
	}
	return d, nil
}

// DecodeMuted reads a mute and refuses one whose order may not have it (ErrRefused).
func DecodeMuted(guild chat.GuildID, user chat.UserID, b []byte) (Muted, error) {
	var m Muted
	if err := json.Unmarshal(b, &m); err != nil {
		return Muted{}, fmt.Errorf("%w: malformed: %w", ErrRefused, err)
	}
	if m.Order.Scope != Scope(guild) || m.Order.Target != user {
		return Muted{}, fmt.Errorf("%w: its scope or target is not the key that it lies under", ErrRefused)
	}
	if v := m.Order.Verb; v != Mute && v != Unmute {
		return Muted{}, fmt.Errorf("%w: %q mutes nobody", ErrRefused, v)
	}
	if err := m.Order.Validate(); err != nil {
		return Muted{}, err
	}
	return m, nil
}
