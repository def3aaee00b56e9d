package discordsim

// Intent is Discord's bit set of gateway events (docs: events/gateway, "Gateway Intents").
type Intent int

// The intents that the simulator acts on.
const (
	IntentGuilds         Intent = 1 << 0
	IntentGuildMembers   Intent = 1 << 1 // privileged
	IntentGuildPresences Intent = 1 << 8 // privileged
	IntentGuildMessages  Intent = 1 << 9
	IntentGuildTyping    Intent = 1 << 11
	IntentDirectMessages Intent = 1 << 12
	IntentDirectTyping   Intent = 1 << 14
	IntentMessageContent Intent = 1 << 15 // privileged

	privilegedIntents = IntentGuildMembers | IntentGuildPresences | IntentMessageContent

	// knownIntents are bits 0 to 16, 20, 21, 24 and 25; others are close code 4013.
	knownIntents Intent = 1<<17 - 1 | 1<<20 | 1<<21 | 1<<24 | 1<<25
)

// Deny switches privileged intents off in the portal (and all others on), from the
// next IDENTIFY on; REST history loses its content at once with IntentMessageContent.
func (s *Server) Deny(intents Intent) {
	s.lock()
	defer s.unlock()
	s.denied = intents & privilegedIntents
}

// contentOverREST: over HTTP the application's approval counts, not what IDENTIFY asked.
func (s *Server) contentOverREST() bool { return s.denied&IntentMessageContent == 0 }
