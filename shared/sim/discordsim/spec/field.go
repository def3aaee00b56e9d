package spec

import (
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// unknownFields refuses object fields that none of the schemas (alternatives of one
// another) names. Objects without named properties are open, as maps by id are.
func unknownFields(schemas []*jsonschema.Schema, v any, at string) error {
	schemas = flatten(schemas)
	switch v := v.(type) {
	case []any:
		var items []*jsonschema.Schema
		for _, s := range schemas {
			if s.Items2020 != nil {
				items = append(items, s.Items2020)
			}
		}
		for i, item := range v {
			if err := unknownFields(items, item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		known := map[string][]*jsonschema.Schema{}
		for _, s := range schemas {
			for name, p := range s.Properties {
				known[name] = append(known[name], p)
			}
		}
		if len(known) == 0 {
			return nil
		}
		for name, value := range v {
			if known[name] == nil {
				return fmt.Errorf("%s.%s: %w", at, name, ErrUnknownField)
			}
			if err := unknownFields(known[name], value, at+"."+name); err != nil {
				return err
			}
		}
	}
	return nil
}

// flatten adds what schemas refer to and are composed of.
func flatten(in []*jsonschema.Schema) []*jsonschema.Schema {
	var out []*jsonschema.Schema
	for _, s := range in {
		out = append(out, s)
		if s.Ref != nil {
			out = append(out, flatten([]*jsonschema.Schema{s.Ref})...)
		}
		for _, parts := range [][]*jsonschema.Schema{s.OneOf, s.AnyOf, s.AllOf} {
			out = append(out, flatten(parts)...)
		}
	}
	return out
}
