package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"salamander.dev/shared/secret"
	"salamander.dev/shared/setting"
	"salamander.dev/worker/internal/core/budget"
)

// keyName is what a key may be called: the name stands in subjects, metric labels and variables.
var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)

// parseKeys reads HF_API_KEYS. Its problems show names and positions, never a token; a piece without "=" may be a
// token, so nothing of it is shown.
func parseKeys(s secret.String, p *setting.Problems) []Key {
	const form = "name=token pairs, comma or newline separated"
	var keys []Key
	n := 0
	for piece := range strings.FieldsFuncSeq(s.Reveal(), func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		piece = strings.TrimSpace(piece)
		if piece == "" || strings.HasPrefix(piece, "#") {
			continue
		}
		n++
		name, token, ok := strings.Cut(piece, "=")
		name, token = strings.TrimSpace(name), strings.TrimSpace(token)
		switch {
		case !ok:
			p.Add("HF_API_KEYS", "", fmt.Sprintf("%s; pair %d has no name", form, n))
		case !keyName.MatchString(name):
			p.Add("HF_API_KEYS", "", fmt.Sprintf("%s; the name of pair %d must be 1 to 32 letters, digits, - or _", form, n))
		case token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
			p.Add("HF_API_KEYS", "", fmt.Sprintf("%s; the token of %q is empty or has a character that no token has", form, name))
		case slices.ContainsFunc(keys, func(k Key) bool { return variableName(k.Name) == variableName(name) }):
			p.Add("HF_API_KEYS", "", fmt.Sprintf("%s; the name %q is there twice", form, name))
		default:
			keys = append(keys, Key{Name: name, Token: secret.New(token)})
		}
	}
	if n == 0 && !s.Empty() {
		p.Add("HF_API_KEYS", "", form)
	}
	return keys
}

// limitsPrefix begins the variables that set the limits of one key.
const limitsPrefix = "BUDGET_LIMITS_"

// variableName is a key's name as it stands in a variable: upper case, and "-" as "_", which shells want.
func variableName(key string) string {
	return strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// limits gives every key its limits.
func (c *Config) limits(environ map[string]string, p *setting.Problems) {
	all, err := budget.ParseLimits(c.BudgetLimits)
	if err != nil {
		p.Add("BUDGET_LIMITS", c.BudgetLimits, "comma separated <n>(req|tok|usd)/<window>, or none: "+err.Error())
	}
	own, texts := map[string]budget.Limits{}, map[string]string{}
	for _, variable := range variables(environ, limitsPrefix) {
		text := strings.TrimSpace(environ[variable])
		name := strings.ReplaceAll(strings.TrimPrefix(variable, limitsPrefix), "-", "_")
		if len(c.Keys) > 0 && !slices.ContainsFunc(c.Keys, func(k Key) bool { return variableName(k.Name) == name }) {
			p.Add(variable, text, "the name of a key of HF_API_KEYS after BUDGET_LIMITS_, in upper case")
			continue
		}
		limits, err := budget.ParseLimits(text)
		if err != nil {
			p.Add(variable, text, "comma separated <n>(req|tok|usd)/<window>, or none: "+err.Error())
			continue
		}
		own[name], texts[name] = limits, text
	}
	for i := range c.Keys {
		name := variableName(c.Keys[i].Name)
		c.Keys[i].Limits, c.Keys[i].written = all, written(c.BudgetLimits)
		if l, ok := own[name]; ok {
			c.Keys[i].Limits, c.Keys[i].written = l, written(texts[name])
		}
	}
}

// written says how each limit of a text is spelled there.
func written(text string) map[budget.Limit]string {
	all := map[budget.Limit]string{}
	for _, piece := range setting.List(text) {
		if l, err := budget.ParseLimits(piece); err == nil && len(l) == 1 {
			all[l[0]] = strings.Join(strings.Fields(piece), "")
		}
	}
	return all
}

// variables returns the names that begin with prefix, sorted. One that is set to nothing counts as not set.
func variables(environ map[string]string, prefix string) []string {
	var names []string
	for k, v := range environ {
		if strings.HasPrefix(k, prefix) && len(k) > len(prefix) && strings.TrimSpace(v) != "" {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// price reads HF_PRICE and says when a limit needs one.
func (c *Config) price(p *setting.Problems) {
	const form = "<in>/<out> in dollars per million tokens, such as 0.5/1.5, or auto"
	switch c.HFPrice {
	case "":
		for _, k := range c.Keys {
			if k.Limits.Needs(budget.Dollars) {
				p.Add("HF_PRICE", "", form+" (a limit in usd needs it)")
				return
			}
		}
	case "auto":
		c.Price.Auto = true
		if c.HFModel == "" {
			p.Add("HF_PRICE", c.HFPrice, "<in>/<out>, since auto needs HF_MODEL")
		}
	default:
		price, err := budget.ParsePrice(c.HFPrice)
		if err != nil {
			p.Add("HF_PRICE", c.HFPrice, form)
		}
		c.Price.Fixed = price
	}
}
