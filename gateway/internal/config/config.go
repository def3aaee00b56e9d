// Package config reads the gateway's settings from the environment (CONTRACT 2) and says everything that is wrong with
// them at once.
package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"salamander.dev/gateway/internal/core/inbound"
	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/chat"
	"salamander.dev/shared/secret"
	"salamander.dev/shared/setting"
)

// Config is every setting of the gateway, checked.
type Config struct {
	setting.Common

	Token   secret.String
	BaseURL string

	ChatChannels   []chat.ChannelID
	Style          outbound.Style
	Prefix         string
	ModeratorRoles []string
	Operators      []chat.UserID
	AuditChannel   chat.ChannelID
	Rate           inbound.Rate
	CatchUp        time.Duration
	// ShardCount is 0 and ShardIDs is empty where Discord is to choose.
	ShardCount int
	ShardIDs   []int
}

// raw are the settings as they are written.
type raw struct {
	setting.Common

	// The bot's token, without `Bot `.
	Token secret.String `env:"DISCORD_TOKEN,required,notEmpty" expect:"the bot's token, without 'Bot '"`
	// REST lies under `<base>/api/v9`; the WebSocket address is the one that REST answers.
	BaseURL string `env:"DISCORD_BASE_URL" envDefault:"https://discord.com"`

	// Channels in which every message is meant for the bot.
	ChatChannels string `env:"CHAT_CHANNEL_IDS"`
	// `reply`: a reply to the user's message; `thread`: a thread opened on it.
	Style string `env:"REPLY_STYLE" envDefault:"reply"`
	// What a typed command begins with.
	Prefix string `env:"COMMAND_PREFIX" envDefault:"$"`
	// Roles that may command, beside members with Manage Server.
	ModeratorRoles string `env:"MODERATOR_ROLE_IDS"`
	// Users who may command the whole fleet.
	Operators string `env:"OPERATOR_USER_IDS"`
	// A channel that gets one line for every control command.
	AuditChannel string `env:"AUDIT_CHANNEL_ID"`
	// Questions per user and window; windows are aligned, and a user counts over all servers.
	Rate string `env:"USER_RATE" envDefault:"6/1m"`
	// After downtime, answer missed messages not older than this; `0` is off.
	CatchUp time.Duration `env:"CATCH_UP" envDefault:"10m" expect:"a duration of 0 to 24h, such as 10m"`
	// Shards of the bot; empty or `auto`: as many as Discord recommends.
	ShardCount string `env:"SHARD_COUNT"`
	// The shards of this gateway; empty or `auto`: divided among the gateways that live.
	ShardIDs string `env:"SHARD_IDS"`
}

// Load reads environ. Its error is a *setting.Error.
func Load(environ map[string]string) (Config, error) {
	var r raw
	var p setting.Problems
	p.Merge(setting.Load(&r, environ))
	r.Common.Check(&p)
	c := Config{Common: r.Common, Token: r.Token, BaseURL: strings.TrimRight(r.BaseURL, "/"), CatchUp: r.CatchUp}
	discord(&p, &c, r)
	c.ChatChannels = ids[chat.ChannelID](&p, "CHAT_CHANNEL_IDS", r.ChatChannels)
	c.ModeratorRoles = ids[string](&p, "MODERATOR_ROLE_IDS", r.ModeratorRoles)
	c.Operators = ids[chat.UserID](&p, "OPERATOR_USER_IDS", r.Operators)
	switch audit := ids[chat.ChannelID](&p, "AUDIT_CHANNEL_ID", r.AuditChannel); {
	case len(audit) > 1:
		p.Add("AUDIT_CHANNEL_ID", r.AuditChannel, "one channel id")
	case len(audit) == 1:
		c.AuditChannel = audit[0]
	}
	c.Prefix = prefix(&p, r.Prefix, environ["COMMAND_PREFIX"])
	c.Rate = rate(&p, r.Rate)
	if c.CatchUp < 0 || c.CatchUp > 24*time.Hour {
		p.Add("CATCH_UP", environ["CATCH_UP"], "a duration of 0 to 24h, such as 10m")
	}
	shards(&p, &c, r)
	return c, p.Err()
}

// Discord are the settings that lead to the bot itself.
type Discord struct {
	Token   secret.String
	BaseURL string
	Style   outbound.Style
}

// LoadDiscord reads and checks only what `gateway invite` needs.
func LoadDiscord(environ map[string]string) (Discord, error) {
	environ = setting.Only(environ, "DISCORD_TOKEN", "DISCORD_TOKEN_FILE", "DISCORD_BASE_URL", "REPLY_STYLE", "ALLOW_HTTP_HOSTS")
	var r raw
	var p setting.Problems
	p.Merge(setting.Load(&r, environ))
	c := Config{Token: r.Token, BaseURL: strings.TrimRight(r.BaseURL, "/")}
	discord(&p, &c, r)
	return Discord{c.Token, c.BaseURL, c.Style}, p.Err()
}

// discord checks the token, the address and the style.
func discord(p *setting.Problems, c *Config, r raw) {
	const token = "the bot's token, without 'Bot ' and without white space"
	if t := r.Token.Reveal(); strings.HasPrefix(t, "Bot ") || strings.ContainsFunc(t, unicode.IsSpace) {
		p.Add("DISCORD_TOKEN", "", token)
	}
	if expected := setting.BaseURL(r.BaseURL, r.AllowHTTPHosts); expected != "" {
		p.Add("DISCORD_BASE_URL", setting.WithoutUser(r.BaseURL), expected)
	}
	c.Style = outbound.Style(r.Style)
	if c.Style != outbound.StyleReply && c.Style != outbound.StyleThread {
		p.Add("REPLY_STYLE", r.Style, "reply or thread")
	}
}

// ids reads a list of Discord ids.
func ids[T ~string](p *setting.Problems, variable, value string) []T {
	var out []T
	for _, v := range setting.List(value) {
		if n, err := chat.ParseSnowflake(v); err != nil || n.String() != v {
			p.Add(variable, value, "Discord ids (numbers such as 123456789012345678), comma separated; switch on Developer Mode to copy them")
			return nil
		}
		out = append(out, T(v))
	}
	return out
}

// maxPrefixRunes keeps a prefix something that people type.
const maxPrefixRunes = 10

// prefix checks a prefix, also as it was typed: one with a space behind would never be found without it.
func prefix(p *setting.Problems, value, typed string) string {
	if value == "" || len([]rune(value)) > maxPrefixRunes || strings.ContainsFunc(value, unicode.IsControl) ||
		strings.ContainsFunc(value, unicode.IsSpace) || (typed != value && strings.TrimSpace(typed) != "") {
		p.Add("COMMAND_PREFIX", cmp.Or(typed, value), "one to ten characters without white space, such as $")
	}
	return value
}

// rate reads "6/1m".
func rate(p *setting.Problems, value string) inbound.Rate {
	n, window, ok := strings.Cut(value, "/")
	count, err := strconv.Atoi(strings.TrimSpace(n))
	length, werr := time.ParseDuration(strings.TrimSpace(window))
	if !ok || err != nil || werr != nil || count < 1 || length < time.Second || length > 24*time.Hour {
		p.Add("USER_RATE", value, "questions per window such as 6/1m: 1 or more, in 1s to 24h")
		return inbound.Rate{}
	}
	return inbound.Rate{Questions: count, Window: length}
}

// shards reads SHARD_COUNT and SHARD_IDS; empty or auto leaves the choice to Discord.
func shards(p *setting.Problems, c *Config, r raw) {
	if v := r.ShardCount; v != "" && v != "auto" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 10_000 {
			p.Add("SHARD_COUNT", v, "a number from 1, or auto")
		} else {
			c.ShardCount = n
		}
	}
	if r.ShardIDs == "" || r.ShardIDs == "auto" {
		return
	}
	for _, v := range setting.List(r.ShardIDs) {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || c.ShardCount == 0 || n >= c.ShardCount || // a wrong count makes every id wrong
			slices.Contains(c.ShardIDs, n) {
			p.Add("SHARD_IDS", r.ShardIDs, "different numbers from 0 to SHARD_COUNT-1, comma separated (with SHARD_COUNT set), or auto")
			return
		}
		c.ShardIDs = append(c.ShardIDs, n)
	}
}
