// Package moderation is the reins: it reads commands from what people type or pick, says who may, and carries them out.
//
// It promises that a command never reaches the model, that $ignore is answered by nothing, that nobody reaches past
// the server in which they typed unless they are an operator, and that every command that had an effect is answered
// once and leaves an [Audit]. It knows neither Discord nor NATS: the interfaces beside [Service] are its hands.
package moderation

import (
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// Name is a command's name, lower case.
type Name string

// The commands of CONTRACT 5.
const (
	Help   Name = "help"
	Ignore Name = "ignore"
	Forget Name = "forget"
	Stop   Name = "stop"
	Start  Name = "start"
	Reboot Name = "reboot"
	Status Name = "status"
	Budget Name = "budget"
	Mute   Name = "mute"
	Unmute Name = "unmute"
	// Unknown is a word after the prefix that is no command. It is nobody's question either.
	Unknown Name = ""
)

// Bounds of what a command may carry.
const (
	// MaxMute is the longest mute that has an end; without a duration a mute holds until $unmute.
	MaxMute = 365 * 24 * time.Hour
	// MaxReasonRunes bounds a reason; more is cut.
	MaxReasonRunes = 200
)

// Command is what somebody ordered. The only text of the user that it carries is Reason, of a mute.
type Command struct {
	Name Name
	// Near is the known command that an Unknown one is close to, else empty.
	Near Name
	// All means every server, not this one; of stop, start and reboot.
	All bool
	// Target is the user of mute and unmute.
	Target chat.UserID
	// For is how long a mute holds; zero is until $unmute.
	For time.Duration
	// Reason is of one line and at most MaxReasonRunes.
	Reason string
	// Problem is one sentence for the asker about arguments that can't be used; a command with it has no effect.
	Problem string
	// Mark is what the asker writes before a name: the prefix, or "/".
	Mark string
}

// rank is who may use a command.
type rank int

const (
	everyone rank = iota
	moderators
)

// entry is one line of the catalogue: it drives grammar, help and slash commands alike.
type entry struct {
	name Name
	who  rank
	// verb is the control record's, empty for what the gateway answers alone.
	verb control.Verb
	// all says that operators may use it for the whole fleet.
	all bool
	// direct says that it works in direct messages.
	direct bool
	// private says that nobody but the asker needs to see the answer.
	private bool
	// takes shows the arguments in help.
	takes string
	// does is the description, at most 100 characters (Discord, Application Commands).
	does string
}

// catalogue holds every command in the order in which help shows them.
var catalogue = []entry{
	{name: Help, direct: true, private: true, does: "shows the commands that you may use"},
	{name: Ignore, direct: true, takes: " …", does: "nothing: I don't react to the message at all"},
	{name: Forget, verb: control.Forget, direct: true, private: true, does: "deletes what I remember of you here"},
	{name: Stop, who: moderators, verb: control.Stop, all: true, does: "silences me in this server at once"},
	{name: Start, who: moderators, verb: control.Start, all: true, does: "lets me talk again"},
	{name: Reboot, who: moderators, verb: control.Reboot, all: true, does: "drops what waits, clears my memory of this server, lets me talk again"},
	{name: Status, who: moderators, verb: control.Status, private: true, does: "shows whether I run, what waits and how much budget is left"},
	{name: Budget, who: moderators, verb: control.Budget, private: true, does: "shows each key's limits: used, left, when they reset, how long they last"},
	{name: Mute, who: moderators, verb: control.Mute, takes: " @user [duration] [reason]", does: "makes me ignore a user in this server"},
	{name: Unmute, who: moderators, verb: control.Unmute, takes: " @user", does: "lets a muted user talk to me again"},
}

// lookup finds a command by its lower-case name.
func lookup(n Name) (entry, bool) {
	for _, e := range catalogue {
		if e.name == n && n != Unknown {
			return e, true
		}
	}
	return entry{}, false
}

// Ordered says that a command changes something, so that its author's next one must not overtake it. A fleet-wide reboot
// takes minutes and is ordered by its id alone.
func (c Command) Ordered() bool {
	e, _ := lookup(c.Name)
	switch e.verb {
	case "", control.Status, control.Budget:
		return false
	case control.Reboot:
		return !c.All
	}
	return true
}

// words shows the command as the asker would write it, in code style.
func (c Command) words(n Name) string { return code(c.Mark + string(n)) }
