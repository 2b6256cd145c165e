package functions

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"

	"berth/assets/bundle"
	"berth/assets/manifest"
	"berth/store"
)

// DefaultCompatibilityDate holds for code for which neither its bundle nor its project names one.
const DefaultCompatibilityDate = "2025-01-01"

// Source gives the code of deployments.
type Source interface {
	// Code fails with store.ErrNotFound (wrapped) if there is no such deployment, or it has none.
	Code(ctx context.Context, no store.DeploymentNo) (*Code, error)
}

// Code is what workerd loads.
type Code struct {
	CompatibilityDate  string                     `json:"compatibilityDate"`
	CompatibilityFlags []string                   `json:"compatibilityFlags"`
	MainModule         string                     `json:"mainModule"`
	Env                map[string]json.RawMessage `json:"env"`
	Modules            []Module                   `json:"modules"`
}

// Module is a part of it.
type Module struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"` // as workerd's loader calls it: js, cjs, wasm, text, data
	Size  int    `json:"size"`
	bytes []byte
}

// writeTo writes a line of JSON, and after it the bytes of the modules.
func (c *Code) writeTo(w io.Writer) error {
	head, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	for _, m := range c.Modules {
		if _, err := w.Write(m.bytes); err != nil {
			return err
		}
	}
	return nil
}

// Store is what Stored needs of the store. Both methods return store.ErrNotFound (wrapped) when there is no such record.
type Store interface {
	Deployment(no store.DeploymentNo) (store.Deployment, error)
	Project(no store.ProjectNo) (store.Project, error)
}

// Blobs gives all bytes of a blob of a known size, checked to be those of its name.
type Blobs interface {
	ReadVerified(g manifest.Digest, size int64) ([]byte, error)
}

// Settings are what a project sets for its functions in one environment. What a bundle says goes before.
type Settings struct {
	CompatibilityDate  string // "": not set
	CompatibilityFlags []string
	Vars               map[string]string
}

// Stored is the Source of a server.
type Stored struct {
	Store    Store
	Blobs    Blobs
	Settings func(p store.Project, e store.Environment) (Settings, error)
}

// Code reads a deployment's bundle and the settings of its project, as they are now.
func (s *Stored) Code(_ context.Context, no store.DeploymentNo) (*Code, error) {
	d, err := s.Store.Deployment(no)
	if err != nil {
		return nil, fmt.Errorf("functions of deployment %d: %w", no, err)
	}
	if d.WorkerBundle == (store.FileRef{}) {
		return nil, fmt.Errorf("functions of deployment %d: it has none: %w", no, store.ErrNotFound)
	}
	p, err := s.Store.Project(d.Project)
	if err != nil {
		return nil, fmt.Errorf("functions of deployment %d: %w", no, err)
	}
	settings, err := s.Settings(p, d.Environment)
	if err != nil {
		return nil, fmt.Errorf("functions of deployment %d: settings: %w", no, err)
	}
	raw, err := s.Blobs.ReadVerified(d.WorkerBundle.Digest, d.WorkerBundle.Size)
	if err != nil {
		return nil, fmt.Errorf("functions of deployment %d: read their bundle: %w", no, err)
	}
	code, err := unpack(raw, settings)
	if err != nil {
		return nil, fmt.Errorf("functions of deployment %d: their bundle: %w", no, err)
	}
	return code, nil
}

// unpack turns a bundle into what workerd loads.
func unpack(raw []byte, s Settings) (*Code, error) {
	c := &Code{Env: make(map[string]json.RawMessage)}
	info, err := bundle.Read(bytes.NewReader(raw), func(name string, kind bundle.Kind, r io.Reader) error {
		if kind == bundle.SourceMap {
			return nil
		}
		body, err := io.ReadAll(r)
		c.Modules = append(c.Modules, Module{Name: name, Kind: kindName(kind), Size: len(body), bytes: body})
		return err
	})
	if err != nil {
		return nil, err
	}
	c.MainModule = info.MainModule
	c.CompatibilityDate = cmp.Or(info.CompatibilityDate, s.CompatibilityDate, DefaultCompatibilityDate)
	if c.CompatibilityFlags = info.CompatibilityFlags; c.CompatibilityFlags == nil {
		c.CompatibilityFlags = append([]string{}, s.CompatibilityFlags...) // the loader wants a list
	}
	for name, value := range maps.All(s.Vars) {
		if c.Env[name], err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	for _, b := range info.Bindings {
		if b.Value != nil {
			c.Env[b.Name] = b.Value
		}
	}
	return c, nil
}

func kindName(k bundle.Kind) string {
	switch k {
	case bundle.JS:
		return "js"
	case bundle.CommonJS:
		return "cjs"
	case bundle.Wasm:
		return "wasm"
	case bundle.Text:
		return "text"
	}
	return "data"
}
