// Package config reads the worker's settings (CONTRACT 2) and says everything that is wrong with them at once.
package config

import (
	"strconv"
	"time"

	"salamander.dev/shared/secret"
	"salamander.dev/shared/setting"
	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/core/memory"
	"salamander.dev/worker/internal/core/persona"
)

// Config is every setting of a worker.
type Config struct {
	setting.Common

	// Ordered `name=token` pairs, comma or newline separated; the first is the primary.
	HFAPIKeys secret.String `env:"HF_API_KEYS,required" expect:"name=token pairs, comma or newline separated"`
	// Where the model is called.
	HFBaseURL string `env:"HF_BASE_URL" envDefault:"https://router.huggingface.co/v1"`
	// Model id, also `model:provider`; required for `chat`.
	HFModel string `env:"HF_MODEL"`
	// `chat`: POST `<base>/chat/completions`; `text-generation`: POST `<base>/models/<model>`, or `<base>` itself
	// without `HF_MODEL`.
	HFTask string `env:"HF_TASK" envDefault:"chat"`
	// The most tokens of one answer; lowered (not below 32) where less budget is left.
	HFMaxTokens int `env:"HF_MAX_TOKENS" envDefault:"256" expect:"a whole number of 1 to 32768"`
	// Sampling temperature.
	HFTemperature float64 `env:"HF_TEMPERATURE" envDefault:"0.8" expect:"a number of 0 to 2"`
	// The longest that one call may take.
	HFTimeout time.Duration `env:"HF_TIMEOUT" envDefault:"60s" expect:"a duration over 0 and up to 10m, such as 60s"`
	// Dollars per million tokens, `<in>/<out>`, or `auto`: read from `GET <base>/models`; needed for limits in
	// `usd`.
	HFPrice string `env:"HF_PRICE"`
	// What ONE key may use: comma separated `<n>(req|tok|usd)/<window>`; a window is a duration of 1s or more
	// aligned to the epoch in UTC, `day` or `month`; `none`: no limit. `BUDGET_LIMITS_<NAME>`: the same for one key,
	// its name in upper case.
	BudgetLimits string `env:"BUDGET_LIMITS" envDefault:"300req/1h"`

	// Model calls in flight in one worker.
	Concurrency int `env:"WORKER_CONCURRENCY" envDefault:"8" expect:"a whole number of 1 to 1024"`
	// A question that can't be answered by then gets an apology instead.
	AnswerWithin time.Duration `env:"ANSWER_WITHIN" envDefault:"15m" expect:"a duration over 0 and up to 24h, such as 15m"`
	// YAML with `name`, `system`, `greeting`, `examples` (user and bot pairs) and `fallback`; empty: the built-in
	// salamander.
	PersonaFile string `env:"PERSONA_FILE" expect:"the path of a YAML file"`
	// Turns that are remembered between a user and the bot in a channel; `0`: none.
	MemoryTurns int `env:"MEMORY_TURNS" envDefault:"8" expect:"a whole number of 0 to 100"`
	// How long a conversation is remembered after its last turn.
	MemoryTTL time.Duration `env:"MEMORY_TTL" envDefault:"30m" expect:"a duration over 0 and up to 24h, such as 30m"`
	// The most tokens of remembered turns in a prompt.
	MemoryTokens int `env:"MEMORY_TOKENS" envDefault:"1000" expect:"a whole number of 0 to 100000"`

	// What the texts above were read as.
	Keys    []Key           `env:"-"`
	Price   Price           `env:"-"`
	Persona persona.Persona `env:"-"`
}

// Key is one Hugging Face key, in the order of HF_API_KEYS.
type Key struct {
	Name   string
	Token  secret.String
	Limits budget.Limits
	// written are the limits as the settings spell them.
	written map[budget.Limit]string
}

// LimitText is a limit as the settings spell it, for labels: people look for what they wrote.
func (c *Config) LimitText(key string, l budget.Limit) string {
	for _, k := range c.Keys {
		if text, ok := k.written[l]; ok && k.Name == key {
			return text
		}
	}
	return l.String()
}

// Price is HF_PRICE.
type Price struct {
	// Auto reads it from GET <base>/models at the start.
	Auto bool
	// Fixed is what was given; zero when there is none.
	Fixed budget.Price
}

// The two tasks.
const (
	Chat           = "chat"
	TextGeneration = "text-generation"
)

// Load reads all settings of a worker. Its error is a *setting.Error.
func Load(environ map[string]string) (Config, error) {
	var c Config
	var p setting.Problems
	p.Merge(setting.Load(&c, environ))
	c.Check(&p)
	c.checkModel(&p)
	c.checkNumbers(environ, &p)
	c.Keys = parseKeys(c.HFAPIKeys, &p)
	c.limits(environ, &p)
	c.price(&p)
	c.persona(&p)
	return c, p.Err()
}

// LoadKeys reads the keys and their limits alone, for subcommands that need no more.
func LoadKeys(environ map[string]string) ([]Key, error) {
	var s struct {
		HFAPIKeys    secret.String `env:"HF_API_KEYS,required" expect:"name=token pairs, comma or newline separated"`
		BudgetLimits string        `env:"BUDGET_LIMITS" envDefault:"300req/1h"`
	}
	var p setting.Problems
	p.Merge(setting.Load(&s, environ))
	c := Config{BudgetLimits: s.BudgetLimits, Keys: parseKeys(s.HFAPIKeys, &p)}
	c.limits(environ, &p)
	return c.Keys, p.Err()
}

func (c *Config) checkModel(p *setting.Problems) {
	if expected := setting.BaseURL(c.HFBaseURL, c.AllowHTTPHosts); expected != "" {
		p.Add("HF_BASE_URL", setting.WithoutUser(c.HFBaseURL), expected)
	}
	switch c.HFTask {
	case Chat:
		if c.HFModel == "" {
			p.Add("HF_MODEL", "", "a model id such as openai/gpt-oss-120b (HF_TASK=chat needs it)")
		}
	case TextGeneration:
	default:
		p.Add("HF_TASK", c.HFTask, "chat or text-generation")
	}
}

func (c *Config) checkNumbers(environ map[string]string, p *setting.Problems) {
	between := func(variable string, v, least, most int) {
		if v < least || v > most {
			p.Add(variable, environ[variable], "a whole number of "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
		}
	}
	lasts := func(variable string, v, most time.Duration, expected string) {
		if v <= 0 || v > most {
			p.Add(variable, environ[variable], expected)
		}
	}
	between("HF_MAX_TOKENS", c.HFMaxTokens, 1, 32768)
	between("WORKER_CONCURRENCY", c.Concurrency, 1, 1024)
	between("MEMORY_TURNS", c.MemoryTurns, 0, 100)
	between("MEMORY_TOKENS", c.MemoryTokens, 0, 100_000)
	if !(c.HFTemperature >= 0 && c.HFTemperature <= 2) {
		p.Add("HF_TEMPERATURE", environ["HF_TEMPERATURE"], "a number of 0 to 2")
	}
	lasts("HF_TIMEOUT", c.HFTimeout, 10*time.Minute, "a duration over 0 and up to 10m, such as 60s")
	lasts("ANSWER_WITHIN", c.AnswerWithin, 24*time.Hour, "a duration over 0 and up to 24h, such as 15m")
	lasts("MEMORY_TTL", c.MemoryTTL, 24*time.Hour, "a duration over 0 and up to 24h, such as 30m")
}

// Memory returns the bounds of conversations.
func (c *Config) Memory() memory.Limits {
	return memory.Limits{Turns: c.MemoryTurns, TTL: c.MemoryTTL, Tokens: c.MemoryTokens}
}

// LimitTexts are the limits by key name, as other workers read them.
func (c *Config) LimitTexts() map[string]string {
	texts := make(map[string]string, len(c.Keys))
	for _, k := range c.Keys {
		texts[k.Name] = k.Limits.String()
	}
	return texts
}
