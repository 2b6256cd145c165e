package control

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/store"
)

// show reads a project as plain JSON.
func (a *api) show(name string) map[string]any {
	a.t.Helper()
	var p map[string]any
	a.must("GET", projectsPath+"/"+name, nil).into(a.t, &p)
	return p
}

// dig walks into JSON.
func dig(v any, path ...string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func TestProjectObject(t *testing.T) {
	a := newTestService(t, nil).api(t)
	var made map[string]any
	a.must("POST", projectsPath, `{"name":"demo","production_branch":"trunk"}`).into(t, &made)
	id, _ := made["id"].(string)
	if len(id) != 36 || id[14] != '4' {
		t.Errorf("id is %q, want a UUID of version 4", id)
	}
	delete(made, "id")
	config := map[string]any{
		"env_vars": map[string]any{}, "fail_open": true, "compatibility_date": nil, "compatibility_flags": []any{},
	}
	want := map[string]any{
		"name": "demo", "subdomain": "demo.pages.localhost", "domains": []any{"demo.pages.localhost"}, "source": nil,
		"production_branch": "trunk", "created_on": "2026-11-22T12:00:00Z", "modified_on": "2026-11-22T12:00:00Z",
		"build_config":       map[string]any{"build_command": nil, "destination_dir": nil, "root_dir": nil},
		"deployment_configs": map[string]any{"production": config, "preview": config},
		"latest_deployment":  nil, "canonical_deployment": nil,
		"site":           map[string]any{"cors": nil, "keep_assets": nil, "skew_protection": nil},
		"site_effective": map[string]any{"cors": true, "keep_assets": "7d", "skew_protection": false},
	}
	if d := cmp.Diff(want, made); d != "" {
		t.Error(d)
	}
	again := a.show("demo")
	delete(again, "id")
	if d := cmp.Diff(want, again); d != "" {
		t.Error(d)
	}
}

func TestProjectNames(t *testing.T) {
	a := newTestService(t, nil).api(t)
	for _, name := range []string{"a", "docs", "0-9", strings.Repeat("x", 63)} {
		a.project(name)
	}
	for _, name := range []string{"", "My_Proj é", "Docs", "-a", "a-", "a.b", "a/b", strings.Repeat("x", 64), "xn--a", "a\x00b", "日本"} {
		ans := a.refused("POST", projectsPath, map[string]string{"name": name}, 400, codeBadRequest)
		if !strings.Contains(ans.message(), "project name") {
			t.Errorf("%q: %q does not say what is wrong", name, ans.message())
		}
	}
	a.refused("POST", projectsPath, `{}`, 400, codeBadRequest)
	a.refused("POST", projectsPath, `{"name":5}`, 400, codeBadRequest)
	a.refused("POST", projectsPath, `["docs"]`, 400, codeBadRequest)
	a.refused("POST", projectsPath, `{"name":"docs"}`, 409, codeProjectExists)
	other := a.as(otherAccount(a))
	other.refused("POST", "/accounts/other/pages/projects", `{"name":"docs"}`, 409, codeProjectExists)
}

func TestProjectPages(t *testing.T) {
	a := newTestService(t, nil).api(t)
	for i := range 10 {
		a.project(fmt.Sprintf("p%02d", i))
	}
	names := func(query string) (names []string) {
		var list []struct{ Name string }
		a.must("GET", projectsPath+query, nil).into(t, &list)
		for _, p := range list {
			names = append(names, p.Name)
		}
		return names
	}
	// Exactly a full page makes wrangler ask for one more, which must be an empty array.
	if got := names("?per_page=10&page=1"); len(got) != 10 {
		t.Errorf("page 1 has %v", got)
	}
	if ans := a.must("GET", projectsPath+"?per_page=10&page=2", nil); string(ans.Result) != "[]" {
		t.Errorf("page 2 is %s", ans.Result)
	}
	if d := cmp.Diff([]string{"p08", "p09"}, names("?per_page=4&page=3")); d != "" {
		t.Error(d)
	}
	ci := a.as(a.mint("deploy", "p03"))
	var list []struct{ Name string }
	if ci.must("GET", projectsPath, nil).into(t, &list); len(list) != 1 || list[0].Name != "p03" {
		t.Errorf("a deploy token for p03 sees %v", list)
	}
	for _, q := range []string{"?page=x", "?per_page=0", "?page=-1", "?page=99999999999999999999"} {
		a.refused("GET", projectsPath+q, nil, 400, codeBadRequest)
	}
}

func TestSecretsMergeKeyByKey(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.must("POST", projectsPath, `{"name":"docs","production_branch":"main","deployment_configs":{
		"production":{"compatibility_flags":["nodejs_compat"],"compatibility_date":"2025-01-01","env_vars":{"A":{"type":"plain_text","value":"a"}}},
		"preview":{"compatibility_flags":["x"]}}}`)
	patch := func(body string) { t.Helper(); a.must("PATCH", projectsPath+"/docs", body) }
	patch(`{"deployment_configs":{"production":{"env_vars":{"S":{"type":"secret_text","value":"s3cret"}},"wrangler_config_hash":"abc123"}}}`)
	patch(`{"deployment_configs":{"preview":{"env_vars":{"P":{"value":"p"}}}}}`)
	patch(`{"deployment_configs":{"production":{"env_vars":{"A":null,"T":{"type":"secret_text","value":"other"}},"kv_namespaces":{"KV":{"namespace_id":"1"},"KV2":{"namespace_id":"2"}}}}}`)
	patch(`{"deployment_configs":{"production":{"env_vars":{"T":null,"NEVER":null},"kv_namespaces":{"KV2":null},"placement":{"mode":"smart"}}}}`)
	patch(`{"production_branch":"trunk","build_config":{"destination_dir":"dist"},"deployment_configs":{"preview":{"compatibility_flags":null}}}`)

	p := a.show("docs")
	want := map[string]any{
		"production": map[string]any{
			"fail_open": true, "compatibility_date": "2025-01-01", "compatibility_flags": []any{"nodejs_compat"}, "wrangler_config_hash": "abc123",
			"env_vars":      map[string]any{"S": map[string]any{"type": "secret_text", "value": ""}},
			"kv_namespaces": map[string]any{"KV": map[string]any{"namespace_id": "1"}}, "placement": map[string]any{"mode": "smart"},
		},
		"preview": map[string]any{
			"fail_open": true, "compatibility_date": nil, "compatibility_flags": []any{},
			"env_vars": map[string]any{"P": map[string]any{"type": "plain_text", "value": "p"}},
		},
	}
	if d := cmp.Diff(want, p["deployment_configs"]); d != "" {
		t.Error(d)
	}
	if p["production_branch"] != "trunk" || dig(p, "build_config", "destination_dir") != "dist" {
		t.Errorf("branch %v, build %v", p["production_branch"], p["build_config"])
	}

	// Who sends back what it read must not empty the secrets.
	patch(`{"deployment_configs":{"production":{"env_vars":{"S":{"type":"secret_text"}}}}}`)
	stored, err := s.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	vars, err := s.EnvVars(stored, store.Production)
	if d := cmp.Diff(map[string]EnvVar{"S": {"secret_text", "s3cret"}}, vars); d != "" || err != nil {
		t.Error(d, err)
	}
	for _, clear := range []string{"s3cret", `"p"`} {
		if strings.Contains(string(stored.Settings), clear) {
			t.Errorf("%s is readable at rest", clear)
		}
	}
}

// A sealed value opens only where it belongs.
func TestSealedValuesStayInPlace(t *testing.T) {
	s := newTestService(t, nil)
	at := place{store.UUID{1}, store.Production, varSecret, "NAME"}
	sealed, err := s.sealer.seal(at, "value")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.sealer.open(at, sealed); got != "value" || err != nil {
		t.Fatalf("open: %q, %v", got, err)
	}
	for name, other := range map[string]place{
		"project": {store.UUID{2}, store.Production, varSecret, "NAME"}, "environment": {store.UUID{1}, store.Preview, varSecret, "NAME"},
		"type": {store.UUID{1}, store.Production, varPlain, "NAME"}, "name": {store.UUID{1}, store.Production, varSecret, "NAMES"},
	} {
		if _, err := s.sealer.open(other, sealed); err == nil {
			t.Errorf("opens in another %s", name)
		}
	}
	for i := range sealed {
		changed := append([]byte{}, sealed...)
		changed[i] ^= 1
		if _, err := s.sealer.open(at, changed); err == nil {
			t.Errorf("opens with byte %d changed", i)
		}
		if _, err := s.sealer.open(at, sealed[:i]); err == nil {
			t.Errorf("opens when cut to %d bytes", i)
		}
	}
	again, err := s.sealer.seal(at, "value")
	if err != nil || string(again) == string(sealed) {
		t.Errorf("sealed twice alike (%v)", err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	s := newTestService(t, func(p *testParts) {
		p.opts.MaxEnvVars, p.opts.MaxEnvVarBytes, p.opts.MaxSettingsBytes = 3, 100, 4<<10
	})
	a := s.api(t)
	a.project("docs")
	production := func(body string) string { return `{"deployment_configs":{"production":` + body + `}}` }
	vars := func(body string) string { return production(`{"env_vars":` + body + `}`) }
	for name, tt := range map[string]struct {
		body         string
		status, code int
	}{
		"branch empty":        {`{"production_branch":""}`, 400, codeBadRequest},
		"branch too long":     {`{"production_branch":"` + strings.Repeat("b", 1025) + `"}`, 400, codeBadRequest},
		"branch with NUL":     {`{"production_branch":"a\u0000"}`, 400, codeBadRequest},
		"renamed":             {`{"name":"other"}`, 400, codeBadRequest},
		"unknown environment": {`{"deployment_configs":{"staging":{}}}`, 400, codeBadRequest},
		"configs no object":   {`{"deployment_configs":[]}`, 400, codeBadRequest},
		"date":                {production(`{"compatibility_date":"today"}`), 400, codeBadRequest},
		"flags":               {production(`{"compatibility_flags":"nodejs_compat"}`), 400, codeBadRequest},
		"flags of numbers":    {production(`{"compatibility_flags":[1]}`), 400, codeBadRequest},
		"fail_open":           {production(`{"fail_open":"yes"}`), 400, codeBadRequest},
		"hash":                {production(`{"wrangler_config_hash":1}`), 400, codeBadRequest},
		"vars no object":      {vars(`[]`), 400, codeBadRequest},
		"var no object":       {vars(`{"A":"a"}`), 400, codeBadRequest},
		"var type":            {vars(`{"A":{"type":"json","value":"a"}}`), 400, codeBadRequest},
		"var number":          {vars(`{"A":{"value":5}}`), 400, codeBadRequest},
		"var without value":   {vars(`{"A":{"type":"secret_text"}}`), 400, codeBadRequest},
		"var name empty":      {vars(`{"":{"value":"a"}}`), 400, codeBadRequest},
		"var name space":      {vars(`{"A B":{"value":"a"}}`), 400, codeBadRequest},
		"var name long":       {vars(`{"` + strings.Repeat("A", 257) + `":{"value":"a"}}`), 400, codeBadRequest},
		"var too large":       {vars(`{"A":{"value":"` + strings.Repeat("v", 101) + `"}}`), 413, codeTooLarge},
		"too many vars":       {vars(`{"A":{"value":""},"B":{"value":""},"C":{"value":""},"D":{"value":""}}`), 400, codeLimit},
		"too much":            {production(`{"anything":"` + strings.Repeat("x", 5<<10) + `"}`), 413, codeTooLarge},
		"too much to read":    {production(`{"anything":null, "x` + strings.Repeat("x", 8<<10) + `":null}`), 413, codeTooLarge},
		"nested name empty":   {production(`{"x":{"":1}}`), 400, codeBadRequest},
		"broken":              {`{"production_branch":`, 400, codeBadRequest},
		"unknown key":         {`{"production_branch":"next","keep_assets":"off"}`, 400, codeBadRequest},
		"told, not set":       {`{"id":"x","domains":["evil.example"]}`, 400, codeBadRequest},
	} {
		t.Run(name, func(t *testing.T) { a.refused("PATCH", projectsPath+"/docs", tt.body, tt.status, tt.code) })
	}
	before := a.show("docs")
	for _, harmless := range []string{`{}`, ``, `{"name":"docs"}`, `{"deployment_configs":null}`, `{"deployment_configs":{"production":null}}`, vars(`null`), `null`} {
		a.must("PATCH", projectsPath+"/docs", harmless)
	}
	if d := cmp.Diff(before, a.show("docs")); d != "" {
		t.Errorf("a patch of nothing changed something: %s", d)
	}
}

// A document of a version that we do not know must not be written over.
// What encoding/json takes from the wire it must take from the store too, where it stands one level deeper.
func TestDeepSettings(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	nested := func(n int) string {
		return `{"deployment_configs":{"production":{"x":` + strings.Repeat("[", n) + `"[\"["` + strings.Repeat("]", n) + `}}}`
	}
	for _, n := range []int{maxSettingDepth + 1, 9996, 9997, 10001} {
		a.refused("PATCH", projectsPath+"/docs", nested(n), 400, codeBadRequest)
	}
	a.must("PATCH", projectsPath+"/docs", nested(maxSettingDepth))
	a.must("PATCH", projectsPath+"/docs", `{"build_config":{"y":{"z":[[],[],{}]}}}`)
	a.show("docs")
}

func TestUnknownSettingsVersion(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	p, err := s.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	p.Settings = []byte(`{"v":2}`)
	if _, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutProject(p) }); err != nil {
		t.Fatal(err)
	}
	a.refused("GET", projectsPath+"/docs", nil, 500, codeInternal)
	a.refused("PATCH", projectsPath+"/docs", `{"production_branch":"x"}`, 500, codeInternal)
}

// Merging is RFC 7396: the table of its appendix, as far as both sides are objects.
func TestMergeObject(t *testing.T) {
	for _, tt := range []struct{ old, in, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`{"a":"foo"}`, `{"b":{"c":null}}`, `{"a":"foo","b":{}}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		var old, in map[string]json.RawMessage
		var want, got any
		for _, j := range []struct {
			text string
			dst  any
		}{{tt.old, &old}, {tt.in, &in}, {tt.want, &want}} {
			if err := json.Unmarshal([]byte(j.text), j.dst); err != nil {
				t.Fatal(err)
			}
		}
		merged, err := mergeObject(old, in)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(merged)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		if got == nil {
			got = map[string]any{}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s + %s: %s", tt.old, tt.in, d)
		}
	}
}
