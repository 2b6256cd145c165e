package bundle

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Metadata is the first part of a bundle. Without a configuration file wrangler sends the main module alone: the settings of the
// project then hold.
type Metadata struct {
	MainModule         string
	CompatibilityDate  string // "": not said
	CompatibilityFlags []string
	Bindings           []Binding
}

// Binding is something that the code finds in its env by name.
type Binding struct {
	Name, Type string
	Value      json.RawMessage // as JSON; nil: of a type that is not provided here
}

// Missing lists the bindings that are not provided here, as "NAME (type)".
func (m Metadata) Missing() []string {
	var names []string
	for _, b := range m.Bindings {
		if b.Value == nil {
			names = append(names, fmt.Sprintf("%.80s (%.40s)", b.Name, b.Type))
		}
	}
	return names
}

func readMetadata(r io.Reader) (m Metadata, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
	if err != nil {
		return m, err
	}
	if len(raw) > maxMetadata {
		return m, bad("its metadata is over %d bytes", maxMetadata)
	}
	var meta struct {
		MainModule *string         `json:"main_module"`
		Date       string          `json:"compatibility_date"`
		Flags      []string        `json:"compatibility_flags"`
		Bindings   []bindingObject `json:"bindings"`
	}
	if err := json.Unmarshal(raw, &meta); err != nil {
		return m, bad("its metadata is not the JSON that it should be: %v", err)
	}
	if meta.MainModule == nil || *meta.MainModule == "" {
		return m, bad("its metadata names no main_module")
	}
	m = Metadata{MainModule: *meta.MainModule, CompatibilityDate: meta.Date, CompatibilityFlags: meta.Flags}
	for _, b := range meta.Bindings {
		if b.Name == "" || b.Type == "assets" { // the code has the files in any case
			continue
		}
		m.Bindings = append(m.Bindings, Binding{b.Name, b.Type, b.value()})
	}
	return m, nil
}

type bindingObject struct {
	Name string          `json:"name"`
	Type string          `json:"type"`
	Text json.RawMessage `json:"text"`
	JSON json.RawMessage `json:"json"`
}

func (b *bindingObject) value() json.RawMessage {
	var text string
	switch b.Type {
	case "plain_text", "secret_text":
		if json.Unmarshal(b.Text, &text) == nil {
			return slices.Clone(b.Text)
		}
	case "json":
		if len(b.JSON) > 0 {
			return slices.Clone(b.JSON)
		}
	}
	return nil
}
