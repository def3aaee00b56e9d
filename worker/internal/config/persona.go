package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"salamander.dev/shared/setting"
	"salamander.dev/worker/internal/core/persona"
)

// maxPersonaBytes bounds what is read of PERSONA_FILE; a persona may have half of it.
const maxPersonaBytes = 64 << 10

// persona reads PERSONA_FILE, or takes the one that is built in.
func (c *Config) persona(p *setting.Problems) {
	if c.PersonaFile == "" {
		c.Persona = persona.Salamander()
		return
	}
	var err error
	if c.Persona, err = ReadPersona(c.PersonaFile); err != nil {
		p.Add("PERSONA_FILE", c.PersonaFile, err.Error())
	}
}

// ReadPersona reads a persona from a YAML file. What a file leaves out of greeting and examples is empty; without a
// fallback it says the built-in one. The error says what is expected.
func ReadPersona(path string) (persona.Persona, error) {
	f, err := os.Open(path)
	if err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			err = e.Err
		}
		return persona.Persona{}, fmt.Errorf("the path of a YAML file that this user can read (%w)", err)
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(io.LimitReader(f, maxPersonaBytes+1))
	if err != nil {
		return persona.Persona{}, fmt.Errorf("a file that can be read (%w)", err)
	}
	if len(body) > maxPersonaBytes {
		return persona.Persona{}, fmt.Errorf("a file of at most %d bytes", maxPersonaBytes)
	}
	return ParsePersona(body)
}

// ParsePersona reads a persona from YAML; fields that it does not know are an error, for they are mistyped ones.
func ParsePersona(body []byte) (persona.Persona, error) {
	p := persona.Persona{Fallback: persona.Salamander().Fallback}
	if err := yaml.NewDecoder(bytes.NewReader(body), yaml.Strict()).Decode(&p); err != nil {
		if errors.Is(err, io.EOF) {
			return p, errors.New("a file with at least name and system")
		}
		return p, errors.New("YAML with name, system, greeting, examples (pairs of user and bot) and fallback; " + yamlError(err))
	}
	p = p.Trim()
	problems := p.Problems()
	if len(problems) == 0 {
		return p, nil
	}
	lines := make([]string, len(problems))
	for i, x := range problems {
		lines[i] = x.String()
	}
	return p, errors.New("a complete persona; " + strings.Join(lines, "; "))
}

// yamlError is the parser's complaint on one line, without the quoted source.
func yamlError(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}
