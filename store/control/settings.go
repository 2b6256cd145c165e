package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	"berth/store"
)

// settings is the document in store.Project.Settings.
type settings struct {
	Version      int                            `json:"v"`
	Build        map[string]json.RawMessage     `json:"build_config,omitempty"`
	Environments map[string]environmentSettings `json:"environments,omitempty"` // by environmentNames
}

const settingsVersion = 1

// environmentSettings is what a project sets for one environment.
type environmentSettings struct {
	// Fields has every setting but env_vars as it was sent: those we do not know are kept for who reads them back.
	Fields map[string]json.RawMessage `json:"fields,omitempty"`
	Vars   map[string]sealedVar       `json:"env_vars,omitempty"`
}

type sealedVar struct {
	Type   string `json:"type"`
	Sealed []byte `json:"sealed"`
}

// Types of environment variables.
const (
	varPlain  = "plain_text"
	varSecret = "secret_text"
)

func environmentName(e store.Environment) string {
	if e == store.Production {
		return "production"
	}
	return "preview"
}

func environments() []store.Environment { return []store.Environment{store.Production, store.Preview} }

// decodeSettings reads the document of a project. A project without one has none set.
func decodeSettings(raw []byte) (settings, error) {
	set := settings{Version: settingsVersion}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &set); err != nil {
			return settings{}, fmt.Errorf("decode project settings: %w", err)
		}
	}
	if set.Version != settingsVersion {
		return settings{}, fmt.Errorf("decode project settings: version %d is not known here", set.Version)
	}
	return set, nil
}

func (s *Service) encodeSettings(set settings) ([]byte, error) {
	raw, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("encode project settings: %w", err)
	}
	if len(raw) > s.opts.MaxSettingsBytes {
		return nil, refuse(http.StatusRequestEntityTooLarge, codeTooLarge,
			"the project's settings would take %d bytes as stored, more than %d, the limit of a project", len(raw), s.opts.MaxSettingsBytes)
	}
	return raw, nil
}

// EnvVar is an environment variable in the clear.
type EnvVar struct {
	Type  string // plain_text or secret_text
	Value string
}

// RunSettings are what a project sets for its Functions in one environment.
type RunSettings struct {
	CompatibilityDate  string // "": not set
	CompatibilityFlags []string
	Vars               map[string]string // variables and secrets, in the clear
}

// RunSettings returns them, for whoever runs the project's Functions.
func (s *Service) RunSettings(p store.Project, env store.Environment) (RunSettings, error) {
	vars, err := s.EnvVars(p, env)
	if err != nil {
		return RunSettings{}, err
	}
	set, err := decodeSettings(p.Settings)
	if err != nil {
		return RunSettings{}, err
	}
	run := RunSettings{Vars: make(map[string]string, len(vars))}
	for name, v := range vars {
		run.Vars[name] = v.Value
	}
	fields := set.Environments[environmentName(env)].Fields
	for name, into := range map[string]any{"compatibility_date": &run.CompatibilityDate, "compatibility_flags": &run.CompatibilityFlags} {
		if raw, ok := given(fields, name); ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return RunSettings{}, fmt.Errorf("setting %s of project %s: %w", name, p.Name, err)
			}
		}
	}
	return run, nil
}

// EnvVars opens the environment variables and secrets of a project, for whoever runs its functions.
func (s *Service) EnvVars(p store.Project, env store.Environment) (map[string]EnvVar, error) {
	set, err := decodeSettings(p.Settings)
	if err != nil {
		return nil, err
	}
	vars := make(map[string]EnvVar)
	for name, v := range set.Environments[environmentName(env)].Vars {
		value, err := s.sealer.open(place{p.UUID, env, v.Type, name}, v.Sealed)
		if err != nil {
			return nil, fmt.Errorf("environment variable %s of project %s: %w", name, p.Name, err)
		}
		vars[name] = EnvVar{v.Type, value}
	}
	return vars, nil
}

type envVarObject struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// describeEnvironment is one of a project's deployment_configs. Secrets have no value. compatibility_flags is always an
// array: null there crashes wrangler.
func (s *Service) describeEnvironment(p store.Project, env store.Environment, set environmentSettings) (map[string]any, error) {
	out := map[string]any{
		"fail_open":           true,
		"compatibility_date":  nil,
		"compatibility_flags": []string{},
	}
	for name, raw := range maps.All(set.Fields) {
		out[name] = raw
	}
	vars := make(map[string]envVarObject, len(set.Vars))
	for name, v := range set.Vars {
		shown := envVarObject{Type: v.Type}
		if v.Type == varPlain {
			value, err := s.sealer.open(place{p.UUID, env, v.Type, name}, v.Sealed)
			if err != nil {
				return nil, fmt.Errorf("environment variable %s of project %s: %w", name, p.Name, err)
			}
			shown.Value = value
		}
		vars[name] = shown
	}
	out["env_vars"] = vars
	return out, nil
}
