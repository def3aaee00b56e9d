package main

import "strings"

// passed are the services' settings that the environment of a real side may hold, by prefix; X_FILE forms included.
var (
	passedToBoth    = []string{"LOG_CONTENT", "LOG_LEVEL", "DRAIN_TIMEOUT", "ALLOW_HTTP_HOSTS", "OTEL_", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "SSL_CERT_"}
	passedToGateway = []string{"DISCORD_", "CHAT_CHANNEL_IDS", "REPLY_STYLE", "COMMAND_PREFIX", "MODERATOR_ROLE_IDS", "OPERATOR_USER_IDS", "AUDIT_CHANNEL_ID", "USER_RATE", "CATCH_UP", "SHARD_"}
	passedToWorker  = []string{"HF_", "BUDGET_LIMITS"}
	passedAlways    = []string{"WORKER_CONCURRENCY", "ANSWER_WITHIN", "PERSONA_FILE", "MEMORY_"}
)

// pick returns the settings that begin with one of the prefixes and are not empty.
func pick(environ map[string]string, prefixes ...[]string) map[string]string {
	out := map[string]string{}
	for k, v := range environ {
		for _, list := range prefixes {
			for _, p := range list {
				if v != "" && strings.HasPrefix(k, p) {
					out[k] = v
				}
			}
		}
	}
	return out
}

// set says whether a variable or its _FILE form is there.
func set(environ map[string]string, name string) bool {
	return environ[name] != "" || environ[name+"_FILE"] != ""
}
