package discord

import (
	"context"
	"reflect"
)

// OptionType is the type of a slash command's option, in Discord's numbers.
type OptionType int

// The option types that commands use.
const (
	OptionString  OptionType = 3
	OptionBoolean OptionType = 5
	OptionUser    OptionType = 6
)

// Option is a slash command's option.
type Option struct {
	Name, Description string
	Type              OptionType
	Required          bool
}

// Command is a slash command. InDM says that it is offered in direct messages too.
type Command struct {
	Name, Description string
	InDM              bool
	Options           []Option
}

// wireCommand is a command as far as we set it. Discord adds more to what it returns, which is not compared.
type wireCommand struct {
	Type        int    `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	// DefaultMemberPermissions stays null: Discord would hide the command from roles and operators that may use it by
	// our settings; the gateway checks and refuses.
	DefaultMemberPermissions *string   `json:"default_member_permissions"`
	Contexts                 []int     `json:"contexts"` // 0 servers, 1 direct messages with the bot
	Options                  []wireOpt `json:"options"`
}

type wireOpt struct {
	Type        int    `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Required    bool   `json:"required"`
}

func (c Command) wire() wireCommand {
	w := wireCommand{Type: commandChat, Name: c.Name, Description: c.Description, Contexts: []int{0}, Options: []wireOpt{}}
	if c.InDM {
		w.Contexts = append(w.Contexts, 1)
	}
	for _, o := range c.Options {
		w.Options = append(w.Options, wireOpt{int(o.Type), o.Name, o.Description, o.Required})
	}
	return w
}

// RegisterCommands makes the application's global slash commands exactly these. It writes only when they differ from
// what Discord has; changed says whether it did.
func (c *Client) RegisterCommands(ctx context.Context, commands []Command) (changed bool, err error) {
	app, err := c.application(ctx)
	if err != nil {
		return false, err
	}
	path := "applications/" + app + "/commands"
	var have []wireCommand
	if err := c.do(ctx, call{route: routeCommands, path: path, major: app}, &have); err != nil {
		return false, err
	}
	want := make([]wireCommand, 0, len(commands))
	for _, cmd := range commands {
		want = append(want, cmd.wire())
	}
	if sameCommands(have, want) {
		return false, nil
	}
	return true, c.do(ctx, call{route: routePutCommands, path: path, major: app, body: want}, nil)
}

// sameCommands compares regardless of the commands' order; that of options matters.
func sameCommands(have, want []wireCommand) bool {
	if len(have) != len(want) {
		return false
	}
	byName := make(map[string]wireCommand, len(have))
	for _, h := range have {
		if h.Options == nil {
			h.Options = []wireOpt{}
		}
		byName[h.Name] = h
	}
	for _, w := range want {
		h, ok := byName[w.Name]
		if !ok || !reflect.DeepEqual(h, w) {
			return false
		}
	}
	return true
}

// knowApplication notes the application's id, which READY and interactions tell.
func (c *Client) knowApplication(app string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.app = orDefault(app, c.app)
}

// application returns the application's id. Where nobody told it, it is taken to be the bot's own id, as it is for all
// bots made since 2016.
func (c *Client) application(ctx context.Context) (string, error) {
	c.mu.Lock()
	app := c.app
	c.mu.Unlock()
	if app = orDefault(app, c.cache.botID().String()); app != "" {
		return app, nil
	}
	me, err := c.Me(ctx)
	if err != nil {
		return "", err
	}
	return string(me.ID), nil
}
