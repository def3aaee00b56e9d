package moderation

import "strings"

// The names of slash options, from CONTRACT 5.
const (
	optionUser     = "user"
	optionDuration = "duration"
	optionReason   = "reason"
	optionAll      = "all"
)

// OptionType is what Discord lets the user pick or type.
type OptionType string

// The option types that the commands use.
const (
	UserOption   OptionType = "user"
	StringOption OptionType = "string"
	BoolOption   OptionType = "bool"
)

// Option is one typed option of a slash command.
type Option struct {
	Name        string
	Description string
	Type        OptionType
	Required    bool
	// MaxLength bounds text in characters; 0 leaves it to Discord.
	MaxLength int
}

// Spec describes one slash command. default_member_permissions stays null for all of them: Discord would hide them from
// MODERATOR_ROLE_IDS and operators, so the gateway checks and refuses.
type Spec struct {
	Name        string
	Description string
	// Direct says that the command works in direct messages.
	Direct  bool
	Options []Option
}

// SlashCommands describes what to register. $ignore has no slash form: to send nothing is the same. Descriptions have at most
// 100 characters (Discord, Application Commands).
func SlashCommands() []Spec {
	var specs []Spec
	for _, e := range catalogue {
		if e.name == Ignore {
			continue
		}
		s := Spec{Name: string(e.name), Description: upperFirst(e.does), Direct: e.direct}
		if e.name == Mute || e.name == Unmute {
			s.Options = append(s.Options, Option{Name: optionUser, Description: "Whom", Type: UserOption, Required: true})
		}
		if e.name == Mute {
			s.Options = append(s.Options,
				Option{Name: optionDuration, Description: "How long: 90s, 10m, 2h, 7d; without it until /unmute", Type: StringOption, MaxLength: 20},
				Option{Name: optionReason, Description: "Why; shown in the answer and to my operators", Type: StringOption, MaxLength: MaxReasonRunes})
		}
		if e.all {
			s.Options = append(s.Options, Option{Name: optionAll, Description: "In all servers; for my operators", Type: BoolOption})
		}
		specs = append(specs, s)
	}
	return specs
}

// upperFirst makes a sentence of an ASCII description.
func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
