package control

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// Callers know nothing of Go's kinds.
func TestBodyOfAnotherKind(t *testing.T) {
	for text, want := range map[string]string{"[]": "the request body is a JSON array; want an object", `"x"`: "the request body is a JSON string; want an object"} {
		var into struct{ Name string }
		if got := jsonFault(json.Unmarshal([]byte(text), &into)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	var list []string
	if got := jsonFault(json.Unmarshal([]byte("{}"), &list)); got != "the request body is a JSON object; want an array" {
		t.Errorf("{}: %q", got)
	}
}

func TestUnknownKeys(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", projectsPath, `{"name":"x","branch":"main"}`,
			`the request body has a key "branch" that is not understood; there are name, production_branch, build_config, deployment_configs and site`},
		{"PATCH", projectsPath + "/docs", `{"z":1,"y":2}`, `the request body has a key "y" that is not understood`},
		{"POST", projectsPath + "/docs/domains", `{"name":"a.example","project":"docs"}`, `a key "project" that is not understood; there are name and branch`},
	} {
		if got := a.do(c.method, c.path, c.body); got.Status != http.StatusBadRequest || !strings.Contains(got.Raw, strings.ReplaceAll(c.want, `"`, `\"`)) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, got.Status, got.Raw)
		}
	}
	// Newer wranglers may say more; encoding/json takes a name in any case.
	a.uploader("docs").must("POST", "/pages/assets/check-missing", `{"hashes":[],"more":1}`)
	a.must("PATCH", projectsPath+"/docs", `{"Production_Branch":"next"}`)
	a.must("PATCH", projectsPath+"/docs", "")
}
