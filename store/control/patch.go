package control

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"berth/store"
)

// projectInput is the body that creates or patches a project. What it leaves out stays.
type projectInput struct {
	Name             *string                               `json:"name"`
	ProductionBranch *string                               `json:"production_branch"`
	Build            map[string]json.RawMessage            `json:"build_config"`
	Configs          map[string]map[string]json.RawMessage `json:"deployment_configs"`
	Site             json.RawMessage                       `json:"site"`
}

const (
	maxVarNameLen     = 256
	maxBranchLen      = 1 << 10 // wherever a branch is named: a deployment of one must be able to become production
	maxCompatFlags    = 64
	maxCompatFlagLen  = 128
	maxSettingNameLen = 128
	maxSettingDepth   = 16 // far below encoding/json's own bound, which the document with the settings in it must keep too
)

var compatDate = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// merge applies the input to a project: key by key, so that whoever sets one secret touches nothing else.
func (s *Service) merge(p *store.Project, in projectInput) error {
	set, err := decodeSettings(p.Settings)
	if err != nil {
		return err
	}
	if in.ProductionBranch != nil {
		if err := checkBranchName("production_branch", *in.ProductionBranch); err != nil {
			return err
		}
		p.ProductionBranch = *in.ProductionBranch
	}
	if p.Site, err = s.mergeSite(p.Site, in.Site); err != nil {
		return err
	}
	if set.Build, err = mergeObject(set.Build, in.Build); err != nil {
		return err
	}
	for name := range in.Configs {
		if name != "production" && name != "preview" {
			return refuse(http.StatusBadRequest, codeBadRequest, "deployment_configs has %q: want production and preview", clip(name))
		}
	}
	for _, env := range environments() {
		name := environmentName(env)
		merged, err := s.mergeEnvironment(*p, env, set.Environments[name], in.Configs[name])
		if err != nil {
			return err
		}
		if set.Environments == nil {
			set.Environments = make(map[string]environmentSettings)
		}
		set.Environments[name] = merged
	}
	p.Settings, err = s.encodeSettings(set)
	return err
}

func (s *Service) mergeEnvironment(p store.Project, env store.Environment, old environmentSettings, in map[string]json.RawMessage) (environmentSettings, error) {
	in = maps.Clone(in)
	vars := in["env_vars"]
	delete(in, "env_vars")
	fields, err := mergeObject(old.Fields, in)
	if err != nil {
		return old, err
	}
	if err := checkFields(environmentName(env), in); err != nil {
		return old, err
	}
	sealed, err := s.mergeVars(p, env, old.Vars, vars)
	return environmentSettings{fields, sealed}, err
}

// checkFields looks at the settings that we or the clients take apart.
func checkFields(env string, in map[string]json.RawMessage) error {
	if raw, ok := given(in, "compatibility_date"); ok {
		var date string
		if json.Unmarshal(raw, &date) != nil || !compatDate.MatchString(date) {
			return refuse(http.StatusBadRequest, codeBadRequest, "%s: compatibility_date: want a date such as \"2026-01-31\"", env)
		}
	}
	if raw, ok := given(in, "compatibility_flags"); ok {
		var flags []string
		bad := json.Unmarshal(raw, &flags) != nil || len(flags) > maxCompatFlags ||
			slices.ContainsFunc(flags, func(f string) bool { return f == "" || len(f) > maxCompatFlagLen })
		if bad {
			return refuse(http.StatusBadRequest, codeBadRequest, "%s: compatibility_flags: want an array of at most %d names", env, maxCompatFlags)
		}
	}
	for _, name := range []string{"fail_open", "always_use_latest_compatibility_date"} {
		if raw, ok := given(in, name); ok && json.Unmarshal(raw, new(bool)) != nil {
			return refuse(http.StatusBadRequest, codeBadRequest, "%s: %s: want true or false", env, name)
		}
	}
	if raw, ok := given(in, "wrangler_config_hash"); ok && json.Unmarshal(raw, new(string)) != nil {
		return refuse(http.StatusBadRequest, codeBadRequest, "%s: wrangler_config_hash: want a string", env)
	}
	return nil
}

// given returns a setting that is there and not null, which deletes.
func given(in map[string]json.RawMessage, name string) (json.RawMessage, bool) {
	raw, ok := in[name]
	return raw, ok && !isNull(raw)
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(raw), []byte("null")) }

// mergeObject is RFC 7396 on objects: null deletes, an object merges into an object, all else replaces. The old map
// stays as it is.
func mergeObject(old, in map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	out := maps.Clone(old)
	for name, raw := range in {
		if name == "" || len(name) > maxSettingNameLen {
			return nil, refuse(http.StatusBadRequest, codeBadRequest, "setting %q: want a name of at most %d bytes", clip(name), maxSettingNameLen)
		}
		if isNull(raw) {
			delete(out, name)
			continue
		}
		if tooDeep(raw) {
			return nil, refuse(http.StatusBadRequest, codeBadRequest, "setting %q is nested more than %d deep", name, maxSettingDepth)
		}
		merged, err := mergeValue(old[name], raw)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = make(map[string]json.RawMessage)
		}
		out[name] = merged
	}
	return out, nil
}

// tooDeep says whether a valid value is nested beyond maxSettingDepth.
func tooDeep(raw json.RawMessage) bool {
	depth, quoted, escaped := 0, false, false
	for _, c := range raw {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > maxSettingDepth {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

func mergeValue(old, in json.RawMessage) (json.RawMessage, error) {
	if !isObject(in) {
		return in, nil
	}
	// A nested object goes through the merge even where there is no old one: its nulls say that there is no such key.
	var inside, before map[string]json.RawMessage
	if err := json.Unmarshal(in, &inside); err != nil {
		return nil, err
	}
	if isObject(old) {
		if err := json.Unmarshal(old, &before); err != nil {
			return nil, err
		}
	}
	merged, err := mergeObject(before, inside)
	if err != nil {
		return nil, err
	}
	if merged == nil {
		return json.RawMessage("{}"), nil
	}
	return json.Marshal(merged)
}

func isObject(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{'
}

// varInput is an environment variable as sent. A secret without a value keeps the one it has, so that a client can send
// back what it read.
type varInput struct {
	Type  *string `json:"type"`
	Value *string `json:"value"`
}

func (s *Service) mergeVars(p store.Project, env store.Environment, old map[string]sealedVar, raw json.RawMessage) (map[string]sealedVar, error) {
	var in map[string]*varInput
	if raw != nil {
		if err := json.Unmarshal(raw, &in); err != nil {
			return nil, refuse(http.StatusBadRequest, codeBadRequest, "%s: env_vars: want an object of {\"type\", \"value\"} or null", environmentName(env))
		}
	}
	vars := maps.Clone(old)
	for name, v := range in {
		if v == nil {
			delete(vars, name)
			continue
		}
		sealed, err := s.sealVar(place{p.UUID, env, varPlain, name}, *v, old[name])
		if err != nil {
			return nil, err
		}
		if vars == nil {
			vars = make(map[string]sealedVar)
		}
		vars[name] = sealed
	}
	if len(vars) > s.opts.MaxEnvVars && len(vars) > len(old) {
		return nil, refuse(http.StatusBadRequest, codeLimit, "%s: %d environment variables and secrets are more than %d, the limit of an environment", environmentName(env), len(vars), s.opts.MaxEnvVars)
	}
	return vars, nil
}

func (s *Service) sealVar(at place, in varInput, old sealedVar) (sealedVar, error) {
	if err := checkVarName(at.name); err != nil {
		return sealedVar{}, err
	}
	if in.Type != nil {
		at.kind = *in.Type
	}
	switch {
	case at.kind != varPlain && at.kind != varSecret:
		return sealedVar{}, refuse(http.StatusBadRequest, codeBadRequest, "environment variable %s: type %q: want %s or %s", at.name, clip(at.kind), varPlain, varSecret)
	case in.Value == nil && old.Type == at.kind:
		return old, nil
	case in.Value == nil:
		return sealedVar{}, refuse(http.StatusBadRequest, codeBadRequest, "environment variable %s has no value", at.name)
	case len(*in.Value) > s.opts.MaxEnvVarBytes:
		return sealedVar{}, refuse(http.StatusRequestEntityTooLarge, codeTooLarge, "environment variable %s has %d bytes; the limit is %d", at.name, len(*in.Value), s.opts.MaxEnvVarBytes)
	}
	sealed, err := s.sealer.seal(at, *in.Value)
	return sealedVar{at.kind, sealed}, err
}

func checkVarName(name string) error {
	unprintable := func(r rune) bool { return r <= ' ' || r == '=' || r == 0x7f }
	if name == "" || len(name) > maxVarNameLen || !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable) {
		return refuse(http.StatusBadRequest, codeBadRequest, "environment variable %q: want a name of at most %d bytes without spaces, control characters and \"=\"", clip(name), maxVarNameLen)
	}
	return nil
}

// checkBranchName bounds a branch name. Git's own rules are not repeated: a branch need not exist in any repository.
func checkBranchName(what, name string) error {
	if name == "" || len(name) > maxBranchLen || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return refuse(http.StatusBadRequest, codeBadRequest, "%s %q: want a branch name of 1 to %d bytes without control characters", what, clip(name), maxBranchLen)
	}
	return nil
}
