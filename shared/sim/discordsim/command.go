package discordsim

import (
	"net/http"
	"reflect"
	"regexp"
	"strings"
)

var commandRoutes = []route{
	{pattern: "GET /applications/{app}/commands", run: listCommands},
	{pattern: "PUT /applications/{app}/commands", run: overwriteCommands},
	{pattern: "POST /applications/{app}/commands", run: createCommand},
	{pattern: "DELETE /applications/{app}/commands/{command}", run: deleteCommand},
	{pattern: "GET /applications/{app}/guilds/{guild}/commands", run: listCommands},
	{pattern: "PUT /applications/{app}/guilds/{guild}/commands", run: overwriteCommands},
	{pattern: "POST /applications/{app}/guilds/{guild}/commands", run: createCommand},
	{pattern: "DELETE /applications/{app}/guilds/{guild}/commands/{command}", run: deleteCommand},
}

// Command is an application command as Discord stores it.
type Command struct {
	ID                       ID              `json:"id"`
	ApplicationID            ID              `json:"application_id"`
	GuildID                  ID              `json:"guild_id,omitempty"`
	Version                  ID              `json:"version"`
	Type                     int             `json:"type"` // 1 chat input, 2 user, 3 message
	Name                     string          `json:"name"`
	Description              string          `json:"description"`
	Options                  []CommandOption `json:"options,omitempty"`
	DefaultMemberPermissions *Permission     `json:"default_member_permissions"`
	DMPermission             *bool           `json:"dm_permission,omitempty"`
	Contexts                 []int           `json:"contexts"`
	IntegrationTypes         []int           `json:"integration_types,omitempty"`
	NSFW                     bool            `json:"nsfw"`
}

// CommandOption is a parameter; Type 3 is text, 4 integer, 5 boolean, 6 user, 7
// channel, 8 role, 10 number (docs: application commands, "Option Type").
type CommandOption struct {
	Type        int             `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Required    bool            `json:"required,omitempty"`
	Choices     []CommandChoice `json:"choices,omitempty"`
	Options     []CommandOption `json:"options,omitempty"`
	MinValue    *float64        `json:"min_value,omitempty"`
	MaxValue    *float64        `json:"max_value,omitempty"`
	MinLength   *int            `json:"min_length,omitempty"`
	MaxLength   *int            `json:"max_length,omitempty"`
}

// CommandChoice is one of the values that a user may pick.
type CommandChoice struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// commandSet are the commands of one scope, in the order of registration.
type commandSet struct {
	list   []Command
	writes int // requests that registered something
}

// Commands are the registered commands: global ones if guild is zero.
func (s *Server) Commands(guild ID) []Command {
	s.lock()
	defer s.mu.Unlock()
	if set := s.commandsOf(guild); set != nil {
		return append([]Command(nil), set.list...)
	}
	return nil
}

// CommandWrites counts requests that registered commands in a scope.
func (s *Server) CommandWrites(guild ID) int {
	s.lock()
	defer s.mu.Unlock()
	if set := s.commandsOf(guild); set != nil {
		return set.writes
	}
	return 0
}

func (s *Server) commandsOf(guild ID) *commandSet {
	if guild == 0 {
		return &s.globals
	}
	if g := s.guilds[guild]; g != nil {
		return &g.commands
	}
	return nil
}

func (set *commandSet) find(name string) *Command {
	for i := range set.list {
		if set.list[i].Name == name {
			return &set.list[i]
		}
	}
	return nil
}

// scope resolves application and guild of the path.
func (s *Server) scope(c *call) (*commandSet, ID, *apiError) {
	app, e := c.id("app")
	if e != nil {
		return nil, 0, e
	}
	if app != s.app {
		return nil, 0, errUnknownApplication
	}
	if c.r.PathValue("guild") == "" {
		return &s.globals, 0, nil
	}
	guild, e := c.id("guild")
	if e != nil {
		return nil, 0, e
	}
	g := s.guilds[guild]
	switch {
	case g == nil:
		return nil, 0, errUnknownGuild
	case !g.botIn:
		return nil, 0, errMissingAccess
	}
	return &g.commands, guild, nil
}

func listCommands(s *Server, c *call) (int, any) {
	set, _, e := s.scope(c)
	if e != nil {
		return 0, e
	}
	return http.StatusOK, orEmpty(append([]Command(nil), set.list...))
}

func overwriteCommands(s *Server, c *call) (int, any) {
	set, guild, e := s.scope(c)
	if e != nil {
		return 0, e
	}
	var wanted []Command
	if e := c.decode(&wanted); e != nil {
		return 0, e
	}
	seen := map[string]bool{}
	for i := range wanted {
		if e := wanted[i].check(); e != nil {
			return 0, e
		}
		key := wanted[i].Name
		if seen[key] {
			return 0, invalid("name", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
		}
		seen[key] = true
	}
	if len(wanted) > 100 {
		return 0, refuse(http.StatusBadRequest, 30032, "Maximum number of application commands reached (100)")
	}
	list := make([]Command, 0, len(wanted))
	for _, w := range wanted {
		list = append(list, s.register(set, guild, w))
	}
	set.list, set.writes = list, set.writes+1
	return http.StatusOK, orEmpty(append([]Command(nil), list...))
}

func createCommand(s *Server, c *call) (int, any) {
	set, guild, e := s.scope(c)
	if e != nil {
		return 0, e
	}
	var w Command
	if e := c.decode(&w); e != nil {
		return 0, e
	}
	if e := w.check(); e != nil {
		return 0, e
	}
	old := set.find(w.Name)
	made := s.register(set, guild, w)
	set.writes++
	if old != nil {
		*old = made
		return http.StatusOK, made
	}
	set.list = append(set.list, made)
	return http.StatusCreated, made
}

func deleteCommand(s *Server, c *call) (int, any) {
	set, _, e := s.scope(c)
	if e != nil {
		return 0, e
	}
	id, e := c.id("command")
	if e != nil {
		return 0, e
	}
	for i, cmd := range set.list {
		if cmd.ID == id {
			set.list = append(set.list[:i:i], set.list[i+1:]...)
			return http.StatusNoContent, nil
		}
	}
	return 0, errUnknownCommand
}

// register gives a command its id: the old one if the name is known; a new version
// only if something changed.
func (s *Server) register(set *commandSet, guild ID, w Command) Command {
	w.ApplicationID, w.GuildID, w.Type = s.app, guild, orDefault(w.Type, 1)
	if old := set.find(w.Name); old != nil {
		w.ID, w.Version = old.ID, old.Version
		if reflect.DeepEqual(w, *old) {
			return w
		}
	} else {
		w.ID = s.ids.next(s.now())
	}
	w.Version = s.ids.next(s.now())
	return w
}

var commandName = regexp.MustCompile(`^[-_'\p{L}\p{N}\p{Devanagari}\p{Thai}]{1,32}$`)

func (w *Command) check() *apiError {
	if w.Type > 1 {
		return nil // user and message commands: any name, no description
	}
	return checkCommand(w.Name, w.Description, w.Options, 0)
}

func checkCommand(name, description string, options []CommandOption, depth int) *apiError {
	if !commandName.MatchString(name) || strings.ToLower(name) != name {
		return invalid("name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
	}
	if n := utf16Len(description); n < 1 || n > 100 {
		return invalid("description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
	}
	if len(options) > 25 || depth > 2 {
		return invalid("options", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
	}
	optional := false
	for _, o := range options {
		if e := checkCommand(o.Name, o.Description, o.Options, depth+1); e != nil {
			return e
		}
		if o.Type < 1 || o.Type > 11 {
			return invalid("options", "BASE_TYPE_CHOICES", "Unknown option type")
		}
		if o.Required && optional {
			return invalid("options", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", "Required options must be placed before non-required options")
		}
		optional = optional || !o.Required
		if len(o.Choices) > 25 {
			return tooLong("choices", 25)
		}
	}
	return nil
}
