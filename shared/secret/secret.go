// Package secret keeps tokens out of logs, errors and JSON: a value shows itself only where it is asked by name.
package secret

import "fmt"

// redacted is what every way of printing shows.
const redacted = "[redacted]"

// String holds a secret text. Its zero value is the empty secret. Printing it in any way shows "[redacted]". The text
// lies behind a pointer, since fmt calls no methods on unexported fields: it prints an address there.
type String struct{ value *string }

// New wraps a secret text.
func New(value string) String { return String{value: &value} }

// Reveal returns the text; call it only where the secret goes over the wire.
func (s String) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty says whether there is no secret.
func (s String) Empty() bool { return s.Reveal() == "" }

// String implements fmt.Stringer.
func (s String) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (s String) GoString() string { return redacted }

// Format implements fmt.Formatter, so that no verb reaches the field.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements encoding.TextMarshaler, and so JSON.
func (s String) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText implements encoding.TextUnmarshaler, so that settings are read straight into the type.
func (s *String) UnmarshalText(b []byte) error {
	*s = New(string(b))
	return nil
}

var (
	_ fmt.Stringer   = String{}
	_ fmt.GoStringer = String{}
	_ fmt.Formatter  = String{}
)
