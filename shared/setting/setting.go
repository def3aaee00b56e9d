// Package setting reads the environment into a struct and says everything that is wrong with it at once, one line for
// each wrong setting: the variable, the bad value (never a secret) and what is expected.
//
// Fields carry env/v11 tags, and an `expect` tag with what a person should write. Fields of type secret.String may be
// given as X_FILE, a path, instead of X.
package setting

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"salamander.dev/shared/secret"
)

// ExitCode is what a program with a wrong setting exits with.
const ExitCode = 2

// Problem is one wrong setting.
type Problem struct {
	Variable string
	// Value is the bad value; empty for secrets and for what is missing.
	Value    string
	Expected string
}

// String is the line that the operator reads.
func (p Problem) String() string {
	if p.Value == "" {
		return fmt.Sprintf("%s: expected %s", p.Variable, p.Expected)
	}
	return fmt.Sprintf("%s=%q: expected %s", p.Variable, clip(p.Value), p.Expected)
}

// clip keeps a line readable, and shows a control character as a space.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 120 {
		return string(r[:120]) + "…"
	}
	return s
}

// Error is every problem of one start.
type Error struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Problems collects what is wrong. The zero value is ready.
type Problems struct{ all []Problem }

// Add notes a wrong setting; leave value empty for a secret.
func (p *Problems) Add(variable, value, expected string) {
	p.all = append(p.all, Problem{variable, value, expected})
}

// Merge takes the problems of an error of Load over; any other error becomes a problem of its own.
func (p *Problems) Merge(err error) {
	var e *Error
	switch {
	case err == nil:
	case errors.As(err, &e):
		p.all = append(p.all, e.Problems...)
	default:
		p.Add("environment", "", err.Error())
	}
}

// Err returns all problems as an *Error, nil when there are none. A variable is named once.
func (p *Problems) Err() error {
	if len(p.all) == 0 {
		return nil
	}
	seen := map[string]bool{}
	e := &Error{}
	for _, x := range p.all {
		if !seen[x.Variable] {
			seen[x.Variable] = true
			e.Problems = append(e.Problems, x)
		}
	}
	return e
}

// Environ returns the process's environment as a map.
func Environ() map[string]string { return env.ToMap(os.Environ()) }

// Load reads environ (usually [Environ]) into the struct that cfg points to. Its error is an *Error with a Problem for
// every setting that is missing or can't be read; what could be read is in cfg all the same. A variable that is set to
// nothing counts as not set: compose files pass on what nobody gave.
func Load(cfg any, environ map[string]string) error {
	var p Problems
	fields := map[string]field{}
	collect(reflect.TypeOf(cfg).Elem(), fields)
	vars := map[string]string{}
	for k, v := range environ {
		if v = strings.TrimSpace(v); v != "" {
			vars[k] = v
		}
	}
	for _, f := range fields {
		if f.secret {
			readFile(vars, f, &p)
		}
		if v, given := vars[f.variable]; given && f.list {
			vars[f.variable] = strings.Join(List(v), ",")
		}
	}
	unread := slices.Clone(p.all)
	err := env.ParseWithOptions(cfg, env.Options{Environment: vars})
	var all env.AggregateError
	if errors.As(err, &all) {
		for _, e := range all.Errors {
			note(&p, e, fields, vars)
		}
	} else if err != nil {
		note(&p, err, fields, vars)
	}
	p.all = slices.DeleteFunc(p.all, func(x Problem) bool { // it is missing since its file can't be read, which is said
		return slices.ContainsFunc(unread, func(f Problem) bool { return f.Variable == x.Variable+"_FILE" })
	})
	slices.SortFunc(p.all, func(a, b Problem) int { return strings.Compare(a.Variable, b.Variable) })
	return p.Err()
}

// field is what is known of a setting from its struct field.
type field struct {
	name, variable, expect string
	secret, list           bool
}

// List splits a comma separated value into what is not blank, without the white space around.
func List(value string) []string {
	var out []string
	for v := range strings.SplitSeq(value, ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

func collect(t reflect.Type, into map[string]field) {
	for f := range t.Fields() {
		if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[secret.String]() && f.Tag.Get("env") == "" {
			collect(f.Type, into)
			continue
		}
		variable, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		if variable == "" {
			continue
		}
		expect := f.Tag.Get("expect")
		if expect == "" {
			expect = expectation(f.Type)
		}
		into[f.Name] = field{
			f.Name, variable, expect, f.Type == reflect.TypeFor[secret.String](), f.Type == reflect.TypeFor[[]string](),
		}
	}
}

func expectation(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 25s, 10m or 1h"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "a whole number"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return "a text"
}

// readFile puts the content of X_FILE in the place of X.
func readFile(vars map[string]string, f field, p *Problems) {
	path := vars[f.variable+"_FILE"]
	if path == "" {
		return
	}
	if vars[f.variable] != "" {
		p.Add(f.variable+"_FILE", path, "nothing, since "+f.variable+" is set too: set one of them")
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		p.Add(f.variable+"_FILE", path, "the path of a file that this user can read ("+cause(err)+")")
		return
	}
	vars[f.variable] = strings.TrimSpace(string(b))
	if vars[f.variable] == "" {
		p.Add(f.variable+"_FILE", path, "a file that is not empty")
	}
}

func cause(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// note turns an error of env/v11 into a Problem without its value when that is a secret.
func note(p *Problems, err error, fields map[string]field, vars map[string]string) {
	var parse env.ParseError
	var notSet env.VarIsNotSetError
	var empty env.EmptyVarError
	switch {
	case errors.As(err, &parse):
		f := fields[parse.Name]
		value := vars[f.variable]
		if f.secret {
			value = ""
		}
		p.Add(f.variable, value, f.expect)
	case errors.As(err, &notSet):
		p.Add(notSet.Key, "", expectFor(fields, notSet.Key)+" (it is required)")
	case errors.As(err, &empty):
		p.Add(empty.Key, "", expectFor(fields, empty.Key)+" (it is required)")
	default:
		p.Add("environment", "", err.Error())
	}
}

func expectFor(fields map[string]field, variable string) string {
	for _, f := range fields {
		if f.variable == variable {
			return f.expect
		}
	}
	return "a value"
}

// BaseURL checks the address of a service that is sent a token: https, or plain http to the loopback and to the hosts
// that were allowed by name. It returns what is expected instead, "" when raw is right.
func BaseURL(raw string, allowHTTP []string) (expected string) {
	const form = "a URL such as https://example.com"
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return form
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return form + " without user, query or fragment"
	}
	switch u.Scheme {
	case "https":
		return ""
	case "http":
		host := u.Hostname()
		ip := net.ParseIP(host)
		if host == "localhost" || (ip != nil && ip.IsLoopback()) || slices.Contains(allowHTTP, host) || slices.Contains(allowHTTP, u.Host) {
			return ""
		}
		return "https; plain http would show the token to everybody on the way (name the host in ALLOW_HTTP_HOSTS if that is meant)"
	}
	return form
}
