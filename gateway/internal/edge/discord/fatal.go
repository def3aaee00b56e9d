package discord

import "fmt"

const portal = "https://discord.com/developers/applications"

const adviceToken = "Discord refuses the bot token: copy it again from " + portal + " > your application > Bot > Reset Token, and put it into DISCORD_TOKEN."

// FatalError says that Discord will never let the bot in as it is set up. Its text is one sentence for a person, with
// what to do. CloseCode is the gateway's close code, or 0 when REST refused (a wrong token is seen there first).
type FatalError struct {
	CloseCode int
	Sentence  string
}

// Error implements error.
func (e *FatalError) Error() string { return e.Sentence }

// fatalFor returns the error of a close code after which reconnecting is useless, else nil (Discord, Opcodes and
// Status Codes, "Gateway Close Event Codes", column Reconnect).
func fatalFor(code int, content Content) *FatalError {
	var text string
	switch code {
	case 4004:
		text = adviceToken
	case 4010:
		text = "Discord refuses the shard number: SHARD_IDS must be numbers from 0 to SHARD_COUNT-1; leave both empty to let Discord choose."
	case 4011:
		text = "The bot is in too many servers for so few shards: raise SHARD_COUNT, or leave it empty to let Discord choose."
	case 4012:
		text = "Discord no longer speaks the gateway version of this program: upgrade Salamander."
	case 4013:
		text = "Discord refuses the intents that this program asks for: upgrade Salamander."
	case 4014:
		text = "Discord refuses an intent that the bot asks for: switch on Message Content Intent at " + portal +
			" > your application > Bot > Privileged Gateway Intents"
		if content == ContentNeeded {
			text += ", or unset CHAT_CHANNEL_IDS, which needs it"
		}
		text += "."
	default:
		return nil
	}
	return &FatalError{CloseCode: code, Sentence: fmt.Sprintf("%s (close code %d)", text, code)}
}
